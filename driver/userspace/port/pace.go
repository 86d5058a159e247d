package port

import (
	"context"
	"time"
)

const (
	// lead is how far ahead of now a port writes that generates: longer than a process
	// without any rights is ever kept waiting on a host that works at all.
	lead = 80 * time.Millisecond
	// lag is how far behind now a recorder reads, for the same reason.
	lag = 80 * time.Millisecond
	// unhurried is how often a port wakes that has so much time.
	unhurried = 40 * time.Millisecond
	// hurried is how often one wakes that adds to the latency of a connection.
	hurried = time.Millisecond
	// stretch bounds how many samples are handled at once.
	stretch = 512
)

// generate calls step with all positions, in order, some time before they are due.
func (d *Device) generate(ctx context.Context, step func(from, to int64) error) error {
	ahead := min(d.samples(lead), int64(d.Playback.Samples()/8))
	return d.pace(ctx, unhurried, ahead, ahead, step)
}

// consume calls step with all positions, in order, when they have passed.
func (d *Device) consume(ctx context.Context, step func(from, to int64) error) error {
	return d.pace(ctx, unhurried, 0, min(d.samples(lag), int64(d.Capture.Samples()/4)), step)
}

// pace calls step with the positions before now + ahead, at most a stretch at once, until
// ctx ends or step fails. Normally each stretch goes on where the one before ended. Where
// the clock has jumped, or this host could not keep up, no more than the newest ones are
// made up for.
func (d *Device) pace(ctx context.Context, every time.Duration, ahead, most int64, step func(from, to int64) error) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var next int64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now, _, ok := d.position()
		if !ok {
			continue
		}
		end := now + ahead
		if end-next > most || next-end > most {
			next = end - most
		}
		for next < end {
			to := min(end, next+stretch)
			if err := step(next, to); err != nil {
				return err
			}
			next = to
		}
	}
}

// retry is the pause before what has failed is tried again.
const retry = 2 * time.Second

// persist does work until ctx ends, and whenever it fails does it again a little later.
// A reason is logged when it is another than the one before; work calls its argument when
// it has begun to work.
func (d *Device) persist(ctx context.Context, p Port, work func(works func()) error) {
	told := ""
	for ctx.Err() == nil {
		err := work(func() { told = "" })
		if err == nil {
			continue
		}
		if reason := err.Error(); reason != told {
			told = reason
			d.Log.Warn("port does not work, will try again", "port", p.Name(), "err", err)
		}
		pause(ctx, retry)
	}
}

// pause passes time, or less if ctx ends.
func pause(ctx context.Context, t time.Duration) {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
