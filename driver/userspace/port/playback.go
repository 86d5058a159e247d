package port

import "aes67os/driver"

// playback takes the device's capture channels to the card. A sample whose time is now
// is written to the card, and leaves it a latency later.
type playback struct {
	*conversion
	// next is the position of the next sample to be read.
	next int64
	// queued is how many frames the card had after the last move.
	queued int
}

// align starts the card with a buffer that lasts for the latency.
func (p *playback) align(now moment) error {
	if err := p.prepare(); err != nil {
		return err
	}
	if p.resampler != nil {
		p.resampler.reset()
	}
	p.next, p.queued = now.position-p.latency, 0
	if err := p.move(now); err != nil {
		return err
	}
	return p.start()
}

// ahead implements direction.
func (p *playback) ahead(now moment) (float64, bool, error) {
	avail, err := p.avail()
	if err != nil {
		return 0, false, err
	}
	queued := p.shape.buffer - avail
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
	avail, err := p.avail()
	p.queued = p.shape.buffer - avail
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
