// Package fake is a driver that moves no audio. It keeps streams in memory, and its clock
// follows nobody unless told to. With it aes67d can be tried out on a machine without the
// kernel module, and the rest of the daemon be tested: a test plays the parts of the
// network, of ALSA applications and of whoever unloads kernel modules with the methods
// that a driver.Driver does not have.
package fake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"aes67os/driver"
)

// Driver is a driver.Driver in memory. All of its methods are safe for concurrent use,
// at any time, also from within the function given to Fail.
type Driver struct {
	mu      sync.Mutex
	running bool
	config  driver.Config
	ptp     driver.PTPStatus
	down    error // why it is interrupted
	streams map[driver.Handle]driver.Stream
	last    driver.Handle
	refuse  func(driver.Stream) error
	// events wait for Run, which wake wakes.
	events []driver.Event
	wake   chan struct{}
}

// New makes a driver whose clock is not locked.
func New() *Driver {
	return &Driver{
		streams: make(map[driver.Handle]driver.Stream),
		wake:    make(chan struct{}, 1),
	}
}

// Name implements driver.Driver.
func (d *Driver) Name() string { return "fake" }

// Run implements driver.Driver.
func (d *Driver) Run(ctx context.Context, c driver.Config, emit func(driver.Event)) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if err := d.start(c); err != nil {
		return err
	}
	defer d.stop()
	for {
		for _, e := range d.take() {
			emit(e)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
		}
	}
}

func (d *Driver) start(c driver.Config) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running {
		return errors.New("the fake driver is running already")
	}
	c.Interfaces = slices.Clone(c.Interfaces)
	d.running, d.config, d.events = true, c, nil
	if d.down != nil {
		d.tell(driver.Unavailable{Err: d.down})
		return nil
	}
	d.begin()
	return nil
}

func (d *Driver) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = false
	clear(d.streams)
}

// begin tells that streams can be added, with mu held.
func (d *Driver) begin() {
	d.tell(driver.Available{})
	if d.ptp != (driver.PTPStatus{}) {
		d.tell(d.ptp)
	}
}

// tell queues an event for Run, with mu held.
func (d *Driver) tell(e driver.Event) {
	if !d.running {
		return
	}
	d.events = append(d.events, e)
	select {
	case d.wake <- struct{}{}:
	default: // it will wake anyhow
	}
}

// take empties the queue.
func (d *Driver) take() []driver.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	events := d.events
	d.events = nil
	return events
}

// available is the error of a method that cannot do anything now, with mu held.
func (d *Driver) available() error {
	switch {
	case !d.running:
		return fmt.Errorf("%w: it is not running", driver.ErrUnavailable)
	case d.down != nil:
		return fmt.Errorf("%w: %w", driver.ErrUnavailable, d.down)
	}
	return nil
}

// SetPTP implements driver.Driver.
func (d *Driver) SetPTP(ctx context.Context, c driver.PTPConfig) error {
	return d.set(ctx, c.Validate(), func() { d.config.PTP = c })
}

// SetSampleRate implements driver.Driver.
func (d *Driver) SetSampleRate(ctx context.Context, hz uint32) error {
	return d.set(ctx, driver.ValidateSampleRate(hz), func() { d.config.SampleRate = hz })
}

// SetPlayoutDelay implements driver.Driver.
func (d *Driver) SetPlayoutDelay(ctx context.Context, samples uint32) error {
	return d.set(ctx, driver.ValidatePlayoutDelay(samples), func() { d.config.PlayoutDelay = samples })
}

// set changes the configuration unless invalid tells what is wrong with it.
func (d *Driver) set(ctx context.Context, invalid error, change func()) error {
	if err := cmp.Or(ctx.Err(), invalid); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running {
		change()
	}
	return d.available()
}

// Add implements driver.Driver.
func (d *Driver) Add(ctx context.Context, s driver.Stream) (driver.Handle, error) {
	if err := d.judge(ctx, s); err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := cmp.Or(ctx.Err(), d.available(), s.Validate(len(d.config.Interfaces))); err != nil {
		return 0, err
	}
	s.Map, s.Legs = slices.Clone(s.Map), slices.Clone(s.Legs)
	d.last++
	d.streams[d.last] = s
	return d.last, nil
}

// judge asks the function given to Fail, which may take its time.
func (d *Driver) judge(ctx context.Context, s driver.Stream) error {
	d.mu.Lock()
	refuse, err := d.refuse, d.available()
	d.mu.Unlock()
	if refuse == nil || err != nil {
		return err
	}
	verdict := make(chan error, 1)
	go func() { verdict <- refuse(s) }()
	select {
	case err := <-verdict:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Remove implements driver.Driver.
func (d *Driver) Remove(ctx context.Context, h driver.Handle) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.find(ctx, h); err != nil {
		return err
	}
	delete(d.streams, h)
	return nil
}

// Status implements driver.Driver. Nothing is ever received.
func (d *Driver) Status(ctx context.Context, h driver.Handle) (driver.StreamStatus, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return driver.StreamStatus{}, d.find(ctx, h)
}

// find tells why there is nothing to be done with stream h, with mu held.
func (d *Driver) find(ctx context.Context, h driver.Handle) error {
	if err := cmp.Or(ctx.Err(), d.available()); err != nil {
		return err
	}
	if _, ok := d.streams[h]; !ok {
		return fmt.Errorf("%w: handle %d", driver.ErrNoStream, h)
	}
	return nil
}
