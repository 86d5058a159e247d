package platform

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// pcm is one direction of an ALSA card. Errors for what can be got over are the kernel's
// EPIPE and ESTRPIPE.
type pcm interface {
	Stop() error
	Prepare() error
	Start() error
	// AvailUpdate is how many frames can be read, or written.
	AvailUpdate() (int, error)
	// Wait waits until there is a period of them, or for so long.
	Wait(milliseconds int) (bool, error)
	// Read and Write transfer all frames of a slice of bytes, and wait for that.
	Read(bytes any) (int, error)
	Write(bytes any) (int, error)
	Close() error
}

// alsaCard is a card of both directions with the same periods and buffers.
type alsaCard struct {
	playback, capture pcm
	format            format
	period, buffer    int
	// bytes are a period's, and those of a buffer of silence, as what Read and Write take
	// without making garbage.
	bytes            []byte
	transfer, silent any
}

func newALSACard(playback, capture pcm, f format, channels, period, buffer int) *alsaCard {
	frame := f.size * channels
	c := &alsaCard{playback: playback, capture: capture, format: f, period: period, buffer: buffer}
	c.bytes = make([]byte, period*frame)
	c.transfer, c.silent = c.bytes, make([]byte, buffer*frame)
	return c
}

func (c *alsaCard) shape() (period, buffer int) { return c.period, c.buffer }

// start starts capture first: what is played cannot come before it is listened to.
func (c *alsaCard) start() error {
	for _, p := range []pcm{c.capture, c.playback} {
		if err := p.Stop(); err != nil { // the kernel prepares no stream that runs
			return fmt.Errorf("stopping the sound card: %w", err)
		}
		if err := p.Prepare(); err != nil {
			return fmt.Errorf("preparing the sound card: %w", err)
		}
	}
	if _, err := c.playback.Write(c.silent); err != nil {
		return fmt.Errorf("playing silence on the sound card: %w", err)
	}
	for _, p := range []pcm{c.capture, c.playback} {
		if err := p.Start(); err != nil {
			return fmt.Errorf("starting the sound card: %w", err)
		}
	}
	return nil
}

// still is for how long a card may record nothing: the longest period lasts a fifth of a
// second, in steps of waiting as below.
const (
	still = 2 * time.Second
	wait  = 100 * time.Millisecond
)

func (c *alsaCard) read(ctx context.Context, planes [][]int32) error {
	for waited := time.Duration(0); ; waited += wait {
		n, err := c.capture.AvailUpdate()
		if err != nil {
			return c.again(errOverrun, err)
		}
		if n >= c.period {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if waited >= still {
			return fmt.Errorf("the sound card has recorded nothing for %s", still)
		}
		if ready, err := c.capture.Wait(int(wait / time.Millisecond)); err != nil {
			return c.again(errOverrun, err)
		} else if ready {
			waited = 0
		}
	}
	if _, err := c.capture.Read(c.transfer); err != nil {
		return c.again(errOverrun, err)
	}
	c.format.separate(planes, c.bytes)
	return nil
}

func (c *alsaCard) write(planes [][]int32) error {
	c.format.interleave(c.bytes, planes)
	if _, err := c.playback.Write(c.transfer); err != nil {
		return c.again(errUnderrun, err)
	}
	return nil
}

// again begins anew after an xrun and returns which it was.
func (c *alsaCard) again(xrun, err error) error {
	if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ESTRPIPE) {
		return fmt.Errorf("the sound card: %w", err)
	}
	if err := c.start(); err != nil {
		return err
	}
	return xrun
}

func (c *alsaCard) close() {
	c.playback.Close()
	c.capture.Close()
}
