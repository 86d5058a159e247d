package port

import (
	"math"

	"aes67os/driver"
)

// capture takes what the card has to the device's playback channels. A sample that enters
// the card at one moment is to leave the host a latency later. Of that time it waits in
// the card until the card tells of it, and until this host wakes; and in the ring for the
// rest.
type capture struct {
	*conversion
	// next is the position of the next sample to be written.
	next    int64
	started bool
}

// align starts the card, if it is not, and gives the newest sample that it has the position
// of one that enters now.
func (c *capture) align(now moment) error {
	avail, err := 0, error(nil)
	if c.started {
		avail, err = c.avail()
	}
	if !c.started || err != nil {
		// After an xrun it has to be prepared; what else is wrong will be so again.
		c.started = false
		if err := c.prepare(); err != nil {
			return err
		}
		if err := c.start(); err != nil {
			return err
		}
		c.started, avail = true, 0
	}
	if c.resampler != nil {
		c.resampler.reset()
	}
	c.next = now.position + c.latency + int64(math.Round(now.fraction-float64(avail)*c.positions()))
	return nil
}

// ahead implements direction.
func (c *capture) ahead(now moment) (float64, bool, error) {
	avail, err := c.avail()
	if err != nil {
		return 0, false, err
	}
	held := float64(avail)
	if c.resampler != nil {
		held += c.resampler.pending()
	}
	return held*c.positions() - now.since(c.next) - float64(c.latency), avail > 0, nil
}

// move implements direction.
func (c *capture) move(moment) error {
	avail, err := c.avail()
	if err != nil {
		return err
	}
	for avail > 0 {
		n := part(avail)
		if err := c.fetch(n); err != nil {
			return err
		}
		avail -= n
		planes := c.card
		if c.resampler != nil {
			planes, n = c.device, c.resampler.process(c.card, c.device, n, 1/c.positions())
		}
		for i, channel := range c.maps {
			if channel != driver.Unmapped {
				c.d.Playback.Write(channel, c.next, planes[i][:n])
			}
		}
		c.next += int64(n)
	}
	return nil
}
