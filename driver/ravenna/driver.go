package ravenna

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"aes67os/driver"
)

const (
	// pollInterval is how often the clock is asked for, which tells nothing of its
	// own accord.
	pollInterval = time.Second
	// retryMin and retryMax bound the time between two looks for a missing module.
	retryMin = time.Second
	retryMax = 15 * time.Second
)

// Driver drives the RAVENNA kernel module. [New] makes one.
type Driver struct {
	log  *slog.Logger
	port uint32
	dial func(port uint32) (commands, events endpoint, err error)
	// current is what Run does; nil outside of it.
	current atomic.Pointer[run]
	// last is the last handle given out. Run's goroutine owns it.
	last driver.Handle
}

func newDriver(log *slog.Logger, port uint32, dial func(uint32) (commands, events endpoint, err error)) *Driver {
	return &Driver{log: log, port: port, dial: dial}
}

// Name implements driver.Driver.
func (d *Driver) Name() string { return "ravenna" }

// Run implements driver.Driver.
func (d *Driver) Run(ctx context.Context, c driver.Config, emit func(driver.Event)) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c.Interfaces = slices.Clone(c.Interfaces)
	r := &run{Driver: d, want: c, emit: emit, requests: make(chan func(*run)), done: make(chan struct{})}
	if !d.current.CompareAndSwap(nil, r) {
		return errors.New("the ravenna driver is running already")
	}
	defer func() {
		d.current.Store(nil)
		close(r.done)
	}()
	r.loop(ctx)
	return nil
}

// call has Run's goroutine do something and returns what came of it. If the caller has
// gone by then, undo undoes it.
func call[T any](ctx context.Context, d *Driver, do func(*run) (T, error), undo func(*run, T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	r := d.current.Load()
	if r == nil {
		return none, errNotRunning
	}
	results := make(chan result)
	request := func(r *run) {
		v, err := do(r)
		select {
		case results <- result{v, err}:
		case <-ctx.Done():
			if err == nil && undo != nil {
				undo(r, v)
			}
		}
	}
	select {
	case r.requests <- request:
	case <-r.done:
		return none, errNotRunning
	case <-ctx.Done():
		return none, ctx.Err()
	}
	select {
	case got := <-results:
		return got.value, got.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

var errNotRunning = fmt.Errorf("%w: it is not running", driver.ErrUnavailable)

// set is call for what has no result but an error.
func (d *Driver) set(ctx context.Context, do func(*run) error) error {
	_, err := call(ctx, d, func(r *run) (struct{}, error) { return struct{}{}, do(r) }, nil)
	return err
}

// SetPTP implements driver.Driver.
func (d *Driver) SetPTP(ctx context.Context, c driver.PTPConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	return d.set(ctx, func(r *run) error {
		r.want.PTP = c
		return r.ask(msgSetPTPConfig, ptpConfig(c))
	})
}

// SetSampleRate implements driver.Driver. The module takes up to 9 s to change its
// rate, and 32 s when the clock loses its grandmaster meanwhile.
func (d *Driver) SetSampleRate(ctx context.Context, hz uint32) error {
	if err := driver.ValidateSampleRate(hz); err != nil {
		return err
	}
	return d.set(ctx, func(r *run) error {
		r.want.SampleRate = hz
		return r.applyRate()
	})
}

// SetPlayoutDelay implements driver.Driver.
func (d *Driver) SetPlayoutDelay(ctx context.Context, samples uint32) error {
	if err := driver.ValidatePlayoutDelay(samples); err != nil {
		return err
	}
	return d.set(ctx, func(r *run) error {
		r.want.PlayoutDelay = samples
		return r.ask(msgSetPlayoutDelay, u32(samples))
	})
}

// Add implements driver.Driver.
func (d *Driver) Add(ctx context.Context, s driver.Stream) (driver.Handle, error) {
	s.Map, s.Legs = slices.Clone(s.Map), slices.Clone(s.Legs)
	return call(ctx, d, func(r *run) (driver.Handle, error) { return r.add(s) }, (*run).forget)
}

// Remove implements driver.Driver.
func (d *Driver) Remove(ctx context.Context, h driver.Handle) error {
	return d.set(ctx, func(r *run) error { return r.remove(h) })
}

// Status implements driver.Driver.
func (d *Driver) Status(ctx context.Context, h driver.Handle) (driver.StreamStatus, error) {
	return call(ctx, d, func(r *run) (driver.StreamStatus, error) { return r.status(h) }, nil)
}
