package port

import (
	"context"
	"time"

	"aes67os/driver"
)

// Loop sends what is received.
type Loop struct {
	// From are the device's capture channels, To the playback channels for each of them.
	From, To []int
	// Delay is from when a sample is to be heard to when it leaves: more than it takes
	// this host to wake up. Zero is DefaultLoopDelay.
	Delay time.Duration
}

// DefaultLoopDelay is safe without any rights on a host that is not overloaded.
const DefaultLoopDelay = 10 * time.Millisecond

// Name implements [Port].
func (l Loop) Name() string {
	name := "loop"
	if l.Delay != 0 {
		name += " " + l.Delay.String()
	}
	return name + " < " + channelText(l.From) + " > " + channelText(l.To)
}

// Run implements [Port].
func (l Loop) Run(ctx context.Context, d Device) error {
	if err := d.check(l, l.From, l.To); err != nil {
		return err
	}
	if len(l.From) != len(l.To) {
		return invalid(l, "%d channels cannot go to %d", len(l.From), len(l.To))
	}
	delay := d.samples(l.Delay)
	if l.Delay == 0 {
		delay = d.samples(DefaultLoopDelay)
	}
	if most := int64(min(d.Capture.Samples(), d.Playback.Samples()) / 8); delay < 1 || delay > most {
		return invalid(l, "a delay of %d samples is not between 1 and the %d there is room for", delay, most)
	}
	samples := make([]int32, stretch)
	return d.pace(ctx, hurried, 0, delay, func(from, to int64) error {
		s := samples[:to-from]
		for i, c := range l.From {
			if c != driver.Unmapped && l.To[i] != driver.Unmapped {
				d.Capture.Read(c, from, s)
				d.Playback.Write(l.To[i], from+delay, s)
			}
		}
		return nil
	})
}
