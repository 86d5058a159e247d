package ptp

import (
	"time"

	"aes67os/driver/userspace/media"
)

const (
	// publishInterval is how often the mapping is made anew.
	publishInterval = 125 * time.Millisecond
	// maxSlew is the most by which one mapping moves towards the estimate before the next:
	// less than a sample, and slower than any pitch anybody hears.
	maxSlew = 20 * time.Microsecond
	// slewPart is the part of the difference that is made good between two mappings.
	slewPart = 0.25
	// jump is the difference that is not worth minutes of slewing.
	jump = time.Millisecond
	// rateReadings is over how many publishings the rate of the monotonic clock is taken;
	// rateChange is a change of it which is no noise: somebody has begun to slew it.
	rateReadings = 8
	rateChange   = 3e-6
	// near is how long after another a reading says more of its own errors than of the rate:
	// whoever becomes the master publishes twice within microseconds.
	near = publishInterval / 2
)

// output makes mappings of the monotonic clock from lines of raw time.
type output struct {
	clock *media.Clock
	// readings are the last of the host's clocks, and raw the rate of raw time by them.
	readings []reading
	raw      float64
	// rate is the last mapping's, without slewing.
	rate float64
}

// publish sets the mapping to go on towards a line, and returns by how many nanoseconds
// the line was ahead of it. It goes there at once if leap is set or that is too much.
func (o *output) publish(now reading, line media.Mapping, leap bool) (ahead int64) {
	target := media.Mapping{Local: now.mono, PTP: line.PTPAt(now.raw), Rate: line.Rate * o.rawRate(now)}
	o.rate = target.Rate
	before := o.clock.Mapping()
	if before == nil {
		o.clock.Set(&target)
		return 0
	}
	at := before.PTPAt(now.mono)
	if ahead = target.PTP - at; leap || max(ahead, -ahead) > jump.Nanoseconds() {
		o.clock.Set(&target)
		return ahead
	}
	slew := min(max(slewPart*float64(ahead), -float64(maxSlew)), float64(maxSlew))
	o.clock.Set(&media.Mapping{Local: now.mono, PTP: at, Rate: target.Rate + slew/float64(publishInterval)})
	return ahead
}

// rest leaves a mapping that nobody will make anew: it slews no more.
func (o *output) rest(now reading) {
	if before := o.clock.Mapping(); before != nil && o.rate != 0 {
		o.clock.Set(&media.Mapping{Local: now.mono, PTP: before.PTPAt(now.mono), Rate: o.rate})
	}
}

// rawRate is how fast raw time runs by the monotonic clock.
func (o *output) rawRate(now reading) float64 {
	n := len(o.readings)
	switch {
	case n == 0:
		o.readings, o.raw = append(o.readings, now), 1
		return o.raw
	case now.mono-o.readings[n-1].mono < near.Nanoseconds():
		return o.raw
	}
	rate := func(since reading) float64 {
		return float64(now.raw-since.raw) / float64(now.mono-since.mono)
	}
	long, short := rate(o.readings[0]), rate(o.readings[n-1])
	if max(long-short, short-long) > rateChange {
		o.readings = append(o.readings[:0], o.readings[n-1])
		long = short
	}
	if o.readings = append(o.readings, now); len(o.readings) > rateReadings {
		o.readings = o.readings[1:]
	}
	o.raw = long
	return o.raw
}
