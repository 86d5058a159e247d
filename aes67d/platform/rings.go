package platform

import (
	"context"
	"errors"
	"time"

	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/port"
)

// step is the change of the clock, in nanoseconds, that is none of its being followed, which
// is by microseconds.
const step = int64(time.Millisecond)

// idle is the longest sleep, in nanoseconds: how soon it is noticed that the clock or the
// context is another.
const idle = int64(20 * time.Millisecond)

// tap is a port that hands over the device it is joined to. It moves nothing by itself.
type tap chan port.Device

// Name implements port.Port.
func (tap) Name() string { return "platform test" }

// Run implements port.Port.
func (t tap) Run(ctx context.Context, d port.Device) error {
	select {
	case t <- d:
		<-ctx.Done()
	case <-ctx.Done():
	}
	return nil
}

// ringCard makes a card of the userspace driver's first channels. Positions are its pace:
// it began at one, and what is written is played at those that follow.
type ringCard struct {
	device                   port.Device
	channels, period, buffer int
	// now and sleep are as media.Now and port.Device have them.
	now   func() int64
	sleep func(until int64)
	// recorded and played are the positions of the next frames to be read and written.
	recorded, played int64
	// mapping is the clock's that was looked at last.
	mapping *media.Mapping
	nothing []int32
}

func newRingCard(d port.Device, channels, period, buffer int) *ringCard {
	return &ringCard{
		device: d, channels: channels, period: period, buffer: buffer,
		now: media.Now, sleep: d.Sleep, nothing: make([]int32, buffer),
	}
}

func (c *ringCard) shape() (period, buffer int) { return c.period, c.buffer }

// errNoClock is a driver's that has lost its clock, which none does once it had one.
var errNoClock = errors.New("there is no media clock")

// position is the position of now.
func (c *ringCard) position() int64 {
	return media.Position(c.mapping.PTPAt(c.now()), c.device.Rate)
}

// follow looks at the clock. The error is errStep when it has jumped.
func (c *ringCard) follow() error {
	m, was := c.device.Clock.Mapping(), c.mapping
	if m == nil {
		return errNoClock
	}
	c.mapping = m
	if was == nil || was == m {
		return nil
	}
	now := c.now()
	if change := m.PTPAt(now) - was.PTPAt(now); change > step || change < -step {
		return errStep
	}
	return nil
}

func (c *ringCard) start() error {
	if err := c.follow(); err != nil && !errors.Is(err, errStep) {
		return err
	}
	c.recorded = c.position()
	c.played = c.recorded + int64(c.buffer)
	for channel := range c.channels {
		c.device.Playback.Write(channel, c.recorded, c.nothing) // over what was to come before it began anew
	}
	return nil
}

func (c *ringCard) read(ctx context.Context, planes [][]int32) error {
	end := c.recorded + int64(c.period)
	for {
		if err := c.follow(); err != nil {
			return c.again(err)
		}
		until, now := c.mapping.LocalAt(media.TimeOf(end, c.device.Rate)), c.now()
		if until <= now {
			break
		}
		c.sleep(min(until, now+idle))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if c.position()-c.recorded > int64(c.buffer) {
		return c.again(errOverrun)
	}
	for channel, plane := range planes {
		c.device.Capture.Read(channel, c.recorded, plane)
	}
	c.recorded = end
	return nil
}

// again begins anew because of err.
func (c *ringCard) again(err error) error {
	if err := c.start(); err != nil {
		return err
	}
	return err
}

// write tells of an underrun once it has written what may be too late: only that part is
// lost, because positions wait for nobody.
func (c *ringCard) write(planes [][]int32) error {
	for channel, plane := range planes {
		c.device.Playback.Write(channel, c.played, plane)
	}
	played := c.played
	c.played += int64(c.period)
	if c.position() > played {
		return errUnderrun
	}
	return nil
}

func (c *ringCard) close() {}
