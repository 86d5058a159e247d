// Package userspace is the driver that needs no kernel module: it follows PTP, sends and
// receives RTP, and joins that to sound cards and files, all in Go.
//
// A device has 64 channels each way, in two rings (package ring) whose places are media
// positions: the numbers of samples that all hosts on a PTP network agree on (package
// media). The parts meet there and nowhere else:
//
//	ports ──▶ playback ring ──▶ send ──▶ network
//	ports ◀── capture ring ◀── receive ◀── network
//	ptp ──▶ media clock ──▶ all of them
//
// Nobody waits for anybody, and nobody steers the host's clock. Rights that are missing
// make audio less punctual, which the log tells, and nothing else.
package userspace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/port"
	"aes67os/driver/userspace/ptp"
	"aes67os/driver/userspace/realtime"
	"aes67os/driver/userspace/receive"
	"aes67os/driver/userspace/send"
)

// priority is that of all threads of a process that does nothing else: above the kernel's own
// interrupt threads, which have 50, where it runs them as threads.
const priority = 70

// Options are what a driver can be given.
type Options struct {
	// Ports are joined to the device's channels beside those of the configuration.
	Ports []port.Port
	// Alone tells that the process has nothing to do but this: then all its threads go
	// before other programs. Otherwise none does, see package realtime.
	Alone bool
	Log   *slog.Logger
}

// Driver moves audio. [New] makes one.
type Driver struct {
	Options
	clock    media.Clock
	sender   *send.Sender
	receiver *receive.Receiver
	// newPTP makes what sets the clock.
	newPTP func(changed func(ptp.Status)) follower
	// current is what Run does; nil outside of it.
	current atomic.Pointer[run]
	// handles counts those given out.
	handles atomic.Uint64
}

// follower sets the media clock. A [ptp.Clock] is one.
type follower interface {
	Run(ctx context.Context, c ptp.Config) error
	Status() ptp.Status
}

// New makes a driver.
func New(o Options) *Driver {
	d := &Driver{Options: o}
	d.sender, d.receiver = send.New(&d.clock, o.Log), receive.New(&d.clock, o.Log)
	d.newPTP = func(changed func(ptp.Status)) follower { return ptp.New(&d.clock, changed, o.Log) }
	return d
}

// Name implements driver.Driver.
func (d *Driver) Name() string { return "userspace" }

// Run implements driver.Driver.
func (d *Driver) Run(ctx context.Context, c driver.Config, emit func(driver.Event)) error {
	if err := c.Validate(); err != nil {
		return err
	}
	ports, err := port.ParsePorts(c.Program.Ports)
	if err != nil {
		return err
	}
	cpus, err := parseCPUs(c.Program.CPUs)
	if err != nil {
		return err
	}
	c.Interfaces = slices.Clone(c.Interfaces)
	r := &run{
		Driver: d, config: c, ports: append(ports, d.Ports...), cpus: cpus,
		streams: make(map[driver.Handle]*stream), wake: make(chan struct{}, 1),
	}
	r.mu.Lock() // whoever comes early waits until all is there
	if !d.current.CompareAndSwap(nil, r) {
		return errors.New("the userspace driver is running already")
	}
	if err := realtime.LockMemory(); err != nil {
		d.Log.Warn("audio may be late under memory pressure", "err", err)
	}
	if d.Alone {
		if err := realtime.Program(priority); err != nil {
			d.Log.Warn("audio may be late on a busy host", "err", err)
		}
	}
	r.start()
	r.tell(driver.Available{})
	r.follow()
	r.mu.Unlock()
	r.emit(ctx, emit)
	d.current.Store(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	r.stop()
	r.unfollow()
	return nil
}

// SetPTP implements driver.Driver.
func (d *Driver) SetPTP(ctx context.Context, c driver.PTPConfig) error {
	return d.change(ctx, c.Validate(), func(r *run) {
		if r.config.PTP != c {
			r.unfollow()
			r.config.PTP = c
			r.follow()
		}
	})
}

// SetSampleRate implements driver.Driver. Streams at another rate stay, and are silent.
func (d *Driver) SetSampleRate(ctx context.Context, hz uint32) error {
	return d.change(ctx, driver.ValidateSampleRate(hz), func(r *run) {
		if r.config.SampleRate != hz {
			r.stop()
			r.config.SampleRate = hz
			r.start()
		}
	})
}

// SetPlayoutDelay implements driver.Driver.
func (d *Driver) SetPlayoutDelay(ctx context.Context, samples uint32) error {
	return d.change(ctx, driver.ValidatePlayoutDelay(samples), func(r *run) {
		if r.config.PlayoutDelay != samples {
			r.stop()
			r.config.PlayoutDelay = samples
			r.start()
		}
	})
}

// change calls f, with what Run does, when nobody else changes that.
func (d *Driver) change(ctx context.Context, invalid error, f func(*run)) error {
	if err := errors.Join(ctx.Err(), invalid); err != nil {
		return err
	}
	r := d.current.Load()
	if r == nil {
		return fmt.Errorf("%w: it does not run", driver.ErrUnavailable)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return fmt.Errorf("%w: it has ended", driver.ErrUnavailable)
	}
	f(r)
	return nil
}

// Add implements driver.Driver.
func (d *Driver) Add(ctx context.Context, s driver.Stream) (h driver.Handle, err error) {
	changed := d.change(ctx, nil, func(r *run) {
		if err = s.Validate(len(r.config.Interfaces)); err != nil {
			return
		}
		st := &stream{Stream: s}
		if err = r.begin(st); err == nil {
			h = driver.Handle(d.handles.Add(1))
			r.streams[h] = st
		}
	})
	return h, errors.Join(changed, err)
}

// Remove implements driver.Driver.
func (d *Driver) Remove(ctx context.Context, h driver.Handle) error {
	return d.with(ctx, h, func(r *run, st *stream) {
		r.end(st)
		delete(r.streams, h)
	})
}

// Status implements driver.Driver.
func (d *Driver) Status(ctx context.Context, h driver.Handle) (status driver.StreamStatus, err error) {
	err = d.with(ctx, h, func(_ *run, st *stream) {
		switch {
		case st.sink != nil:
			status = st.sink.Status()
		case !st.Source:
			status = driver.StreamStatus{Muted: true} // it waits for the device to have its rate
		}
	})
	return status, err
}

// with calls f with the stream that has the handle.
func (d *Driver) with(ctx context.Context, h driver.Handle, f func(*run, *stream)) error {
	var missing error
	err := d.change(ctx, nil, func(r *run) {
		st := r.streams[h]
		if st == nil {
			missing = fmt.Errorf("%w: handle %d", driver.ErrNoStream, h)
			return
		}
		f(r, st)
	})
	return errors.Join(err, missing)
}
