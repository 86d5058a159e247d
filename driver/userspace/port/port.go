// Package port joins the channels of a device to something: a sound card, a file, a tone.
//
// A device has channels in two directions, each a [ring.Ring] indexed by media position.
// They are named as a sound card's would be, seen from an application:
//
//   - Playback is what sources send. The sample at position p leaves the host at p: a
//     source reads [p, p+n) when p+n is now. So whoever generates writes ahead of now.
//   - Capture is what sinks have received. The sample at position p is to be heard at p.
//     So whoever plays or records reads what is before now, and nothing after it.
//
// A port writes at most an eighth of the ring ahead of now and reads at most a quarter of
// it behind. Whoever owns the rings clears them outside of that: what no port writes has
// to be silent.
//
// All ports keep time by position. A tone or a file has, at a position, the sample that
// follows from that position alone, so that it goes on as if nothing had been when the
// port or the host has been started anew, and two hosts play one file in step. What has a
// clock of its own, a sound card, is made to follow the media clock: [Card] tells how.
//
// The parts, from the inside:
//
//   - channels.go, parse.go: the text that describes ports in a configuration.
//   - sample.go: samples as cards and files have them. resample.go, servo.go: one rate
//     made from another, and which. Pure.
//   - pace.go: positions as their time comes.
//   - tone.go, loop.go, play.go, record.go: the ports without a clock. wav.go: their files.
//   - card.go, running.go: a sound card. capture.go, playback.go, conversion.go: its two
//     directions. sound.go: what they need of it. alsa_linux.go: that, from the kernel.
package port

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"
)

// Port joins some of a device's channels to something.
type Port interface {
	// Name is the text that [ParsePorts] makes this port of.
	Name() string
	// Run moves audio until ctx ends, and then returns nil. What may yet come, a card, a
	// file, a media clock, it waits for. It returns an error, which wraps
	// [driver.ErrInvalid], only for what can never work on this device. It may be called
	// again after it has returned, not before.
	Run(ctx context.Context, d Device) error
}

// Device is what ports are joined to. Clock, Playback, Capture and Log are not nil.
type Device struct {
	Clock *media.Clock
	// Rate is in Hz.
	Rate              uint32
	Playback, Capture *ring.Ring
	Log               *slog.Logger
	// Thread, unless nil, is called first on every goroutine that has to be on time to a
	// millisecond. It may lock the goroutine to its thread and give that a priority; the
	// goroutine ends with the port.
	Thread func()
	// Sleep, unless nil, returns at a local time, as [media.Now] counts. It is called only
	// where Thread has been. Without it Go's timers are used.
	Sleep func(until int64)

	// now is media.Now but in tests.
	now func() int64
}

// local is the local time.
func (d *Device) local() int64 {
	if d.now != nil {
		return d.now()
	}
	return media.Now()
}

// sleep returns at a local time.
func (d *Device) sleep(until int64) {
	if d.Sleep != nil {
		d.Sleep(until)
	} else {
		time.Sleep(time.Duration(until - d.local()))
	}
}

// position is the position that is now, and the part of a sample by which it is past. It
// is false while there is no media clock.
func (d *Device) position() (int64, float64, bool) {
	m := d.Clock.Mapping()
	if m == nil {
		return 0, 0, false
	}
	ptp := m.PTPAt(d.local())
	p := media.Position(ptp, d.Rate)
	return p, float64(ptp-media.TimeOf(p, d.Rate)) * float64(d.Rate) / 1e9, true
}

// samples is the number of samples in a time.
func (d *Device) samples(t time.Duration) int64 {
	return int64(t) * int64(d.Rate) / int64(time.Second)
}

// check tells whether the device has the channels of a port.
func (d *Device) check(p Port, from, to []int) error {
	for _, c := range from {
		if c != driver.Unmapped && (c < 0 || c >= d.Capture.Channels()) {
			return invalid(p, "there is no channel %d to take from, the device has %d", c+1, d.Capture.Channels())
		}
	}
	for _, c := range to {
		if c != driver.Unmapped && (c < 0 || c >= d.Playback.Channels()) {
			return invalid(p, "there is no channel %d to go to, the device has %d", c+1, d.Playback.Channels())
		}
	}
	return nil
}

// invalid is the error of a port that can never work.
func invalid(p Port, format string, args ...any) error {
	return fmt.Errorf("%w: port %q: %s", driver.ErrInvalid, p.Name(), fmt.Sprintf(format, args...))
}
