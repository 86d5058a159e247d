package main

import (
	"context"
	"time"

	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/port"
)

// Samples go in and out each period. Those that go in are the next to become due, so far
// ahead that they are there in time although the thread may wake late. Those that come out
// are those that have become due meanwhile. All in samples.
const (
	period = 12
	ahead  = 3 * period
	// linkOffset of the sink: packets have 48, and three quarters of that for the way.
	linkOffset = 84
)

// The channels with something in them. On one a sample tells its position, on the other
// the time at which it was put in, in microseconds; both in 24 bits.
const (
	positions = iota
	times
	used
)

// mask is what a sample can tell.
const mask = 1<<24 - 1

// each calls step with the positions before now + ahead, each period, on a thread that is
// on time.
func each(ctx context.Context, d port.Device, ahead int64, step func(from, to int64)) {
	d.Thread()
	var next int64
	for ctx.Err() == nil {
		m := d.Clock.Mapping()
		if m == nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		now := media.Position(m.PTPAt(media.Now()), d.Rate)
		end := now - now%period + ahead
		if end-next > int64(d.Rate)/4 || next > end { // it begins, or the clock has jumped
			next = end - period
		}
		if next < end {
			step(next, end)
			next = end
		}
		d.Sleep(m.LocalAt(media.TimeOf(now-now%period+period, d.Rate)))
	}
}

// input puts samples in.
type input struct{}

func (input) Name() string { return "input" }

// Run implements port.Port.
func (input) Run(ctx context.Context, d port.Device) error {
	var samples [used][1]int32
	each(ctx, d, ahead, func(from, to int64) {
		samples[times][0] = int32(media.Now()/1000) << 8
		for p := from; p < to; p++ {
			samples[positions][0] = int32(p) << 8
			for c := range samples {
				d.Playback.Write(c, p, samples[c][:])
			}
		}
	})
	return nil
}

// result is what was found.
type result struct {
	// Begin is the local time (package media) at which it begins to compare.
	Begin int64
	// Samples were compared, of which Wrong, of each second since Begin, are not what was put
	// in, most likely silent.
	Samples int64
	Wrong   []int64
	// Latency counts the others by the time from when they were put in until they were
	// taken out, in microseconds; the last has all longer ones, too.
	Latency []int64
}

// output takes samples out.
type output struct {
	length time.Duration
	found  chan<- result
}

func (*output) Name() string { return "output" }

// Run implements port.Port.
func (o *output) Run(ctx context.Context, d port.Device) error {
	r := result{Latency: make([]int64, 20_000), Wrong: make([]int64, o.length/time.Second+1)}
	var samples [used][1]int32
	each(ctx, d, 0, func(from, to int64) {
		now := media.Now()
		for p := from; p < to; p++ {
			for c := range samples {
				d.Capture.Read(c, p, samples[c][:])
			}
			right := samples[positions][0] == int32(p-linkOffset)<<8
			if r.Begin == 0 && right {
				r.Begin = now + int64(time.Second)
			}
			if r.Begin == 0 || now < r.Begin {
				continue
			}
			r.Samples++
			if right {
				latency := (now/1000 - int64(samples[times][0]>>8)) & mask
				r.Latency[min(latency, int64(len(r.Latency)-1))]++
			} else {
				r.Wrong[min(int((now-r.Begin)/int64(time.Second)), len(r.Wrong)-1)]++
			}
		}
		if r.Begin != 0 && now >= r.Begin+int64(o.length) && o.found != nil {
			o.found <- r
			o.found = nil
		}
	})
	return nil
}
