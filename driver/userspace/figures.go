package userspace

import (
	"context"
	"math"
	"runtime"
	"time"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"
	"aes67os/driver/userspace/send"
)

var _ driver.Monitor = (*Driver)(nil)

// levelTime is how far back levels look. Both rings have that, for they are cleared only
// from a quarter of their room behind the present, which is at least 250 ms.
const levelTime = 200 * time.Millisecond

// Figures implements driver.Monitor. Levels are those of the last 200 ms; a source's are of
// what has been sent, a sink's of what was to be heard. They are measured here, when somebody
// asks, and cost those who move audio nothing.
func (d *Driver) Figures(ctx context.Context, h driver.Handle) (f driver.Figures, err error) {
	var (
		channels *ring.Ring // nil for a stream that waits for the device to have its rate
		of       []int
		rate     uint32
	)
	err = d.with(ctx, h, func(r *run, st *stream) {
		of, rate = st.Map, r.config.SampleRate
		switch {
		case st.source != nil:
			source := st.source.Figures()
			f.Source, channels = &source, r.playback
		case st.sink != nil:
			sink := st.sink.Figures()
			f.Sink, channels = &sink, r.capture
		case st.Source:
			f.Source = &driver.SourceFigures{Lateness: make([]uint64, send.LatenessBuckets)}
		default:
			f.Sink = &driver.SinkFigures{Legs: make([]driver.LegFigures, len(st.Legs))}
		}
	})
	if err != nil {
		return driver.Figures{}, err
	}
	// Nobody who wants to change something has to wait for that.
	f.Levels = make([]driver.Level, len(of))
	now, ok := d.position(rate)
	for i, channel := range of {
		f.Levels[i] = driver.Level{Peak: driver.Silence, RMS: driver.Silence}
		if ok && channels != nil && channel != driver.Unmapped {
			f.Levels[i] = level(channels, channel, now, rate)
			// A thread that moves audio and has woken meanwhile may be waiting for this
			// goroutine's place in Go's scheduler: let it go first.
			runtime.Gosched()
		}
	}
	return f, nil
}

// position is the media position that is now. It is false while there is no media clock, or
// one that has just begun at 0.
func (d *Driver) position(rate uint32) (int64, bool) {
	m := d.clock.Mapping()
	if m == nil {
		return 0, false
	}
	ptp := m.PTPAt(media.Now())
	if ptp < 0 {
		return 0, false
	}
	return media.Position(ptp, rate), true
}

// level is how loud a channel has been until now.
func level(channels *ring.Ring, channel int, now int64, rate uint32) driver.Level {
	samples := int(int64(rate) * int64(levelTime) / int64(time.Second))
	peak, rms := channels.Level(channel, now-int64(samples), samples)
	// The RMS of a sine is less than its peak by √2, and is the same in dBFS (AES17).
	return driver.Level{Peak: decibels(peak), RMS: decibels(rms * math.Sqrt2)}
}

// decibels are those of a part of full scale, to a hundredth: a page with meters gets a
// thousand of them at a time.
func decibels(part float64) float64 {
	return max(math.Round(2000*math.Log10(part))/100, driver.Silence)
}

// Clock implements driver.Monitor.
func (d *Driver) Clock(ctx context.Context) (f driver.ClockFigures, err error) {
	err = d.change(ctx, nil, func(r *run) {
		s := r.ptpClock.Status()
		f = driver.ClockFigures{
			Master: s.Master, Timestamps: s.Timestamps, Fault: s.Fault,
			Offset: time.Duration(s.Offset), PathDelay: time.Duration(s.PathDelay), Jitter: time.Duration(s.Jitter),
		}
		if 0 <= s.Interface && s.Interface < len(r.config.Interfaces) {
			f.Interface = r.config.Interfaces[s.Interface]
		}
	})
	return f, err
}
