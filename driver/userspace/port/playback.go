package port

import (
	"math"

	"aes67os/driver"
)

// playback takes the device's capture channels to the card. A sample whose time is now
// is written to the card, and leaves it a latency later.
type playback struct {
	*conversion
	// next is the position of the next sample to be read.
	next int64
	// queued is how many frames the card had after the last move, in its buffer and beyond.
	queued  int
	started bool
}

// align starts the card with a buffer that lasts for the latency. One that runs is not
// started anew, which takes some a long time: it gets samples from the position on that is
// to be heard when it has played what it has. Some are played twice, or not at all.
func (p *playback) align(now moment) error {
	if p.resampler != nil {
		p.resampler.reset()
	}
	if p.started {
		if queued, err := p.delay(); err == nil {
			p.queued = queued
			p.next = now.position - p.latency + int64(math.Round(now.fraction+float64(queued)*p.positions()))
			return nil
		}
		// After an xrun it has to be prepared; what else is wrong will be so again.
		p.started = false
	}
	if err := p.prepare(); err != nil {
		return err
	}
	p.next, p.queued = now.position-p.latency, 0
	if err := p.move(now); err != nil {
		return err
	}
	if err := p.start(); err != nil {
		return err
	}
	p.started = true
	return nil
}

// ahead implements direction.
func (p *playback) ahead(now moment) (float64, bool, error) {
	queued, err := p.delay()
	if err != nil {
		return 0, false, err
	}
	moved := queued != p.queued
	held := float64(queued) * p.positions()
	if p.resampler != nil {
		held += p.resampler.pending()
	}
	return float64(p.latency) - now.since(p.next) - held, moved, nil
}

// move implements direction.
func (p *playback) move(now moment) error {
	for p.next < now.position {
		n := int(min(now.position-p.next, largest))
		for i, channel := range p.maps {
			if channel == driver.Unmapped {
				clear(p.device[i][:n])
			} else {
				p.d.Capture.Read(channel, p.next, p.device[i][:n])
			}
		}
		p.next += int64(n)
		planes := p.device
		if p.resampler != nil {
			planes, n = p.card, p.resampler.process(p.device, p.card, n, p.positions())
		}
		if err := p.put(planes, n); err != nil {
			return err
		}
	}
	var err error
	p.queued, err = p.delay()
	return err
}

// put writes frames to the card. Where there is no room for them, the card is so far from
// where it should be that it will be aligned.
func (p *playback) put(planes [][]int32, frames int) error {
	avail, err := p.avail()
	if err != nil {
		return err
	}
	frames = min(frames, avail)
	for at := 0; at < frames; {
		n := part(frames - at)
		if err := p.deliver(planes, at, n); err != nil {
			return err
		}
		at += n
	}
	return nil
}
