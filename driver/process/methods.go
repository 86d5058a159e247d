package process

import (
	"context"
	"errors"
	"fmt"

	"aes67os/driver"
)

// SetPTP implements driver.Driver.
func (d *Driver) SetPTP(ctx context.Context, c driver.PTPConfig) error {
	return d.set(ctx, request{Method: methodSetPTP, PTP: &c}, c.Validate(), func(config *driver.Config) { config.PTP = c })
}

// SetSampleRate implements driver.Driver.
func (d *Driver) SetSampleRate(ctx context.Context, hz uint32) error {
	return d.set(ctx, request{Method: methodSetSampleRate, Samples: hz}, driver.ValidateSampleRate(hz),
		func(config *driver.Config) { config.SampleRate = hz })
}

// SetPlayoutDelay implements driver.Driver.
func (d *Driver) SetPlayoutDelay(ctx context.Context, samples uint32) error {
	return d.set(ctx, request{Method: methodSetPlayoutDelay, Samples: samples}, driver.ValidatePlayoutDelay(samples),
		func(config *driver.Config) { config.PlayoutDelay = samples })
}

// set calls a Set method, and has the next engine begin with what was set, whether there is
// one now or not.
func (d *Driver) set(ctx context.Context, r request, invalid error, note func(*driver.Config)) error {
	if err := errors.Join(ctx.Err(), invalid); err != nil {
		return err
	}
	l, err := d.engine(ctx)
	if err == nil {
		_, err = l.call(ctx, r)
	}
	if err == nil || errors.Is(err, driver.ErrUnavailable) {
		d.mu.Lock()
		note(&d.config) // which Run replaces when it begins
		d.mu.Unlock()
	}
	return err
}

// Add implements driver.Driver.
func (d *Driver) Add(ctx context.Context, s driver.Stream) (driver.Handle, error) {
	l, err := d.engine(ctx)
	if err != nil {
		return 0, err
	}
	wait := l.begin(request{Method: methodAdd, Stream: &s})
	a, err := l.await(ctx, wait)
	if err != nil {
		if ctx.Err() != nil {
			go l.undo(wait)
		}
		return 0, err
	}
	return l.ours(a.Handle), nil
}

// undo removes the stream of an Add that was left behind: nobody will know its handle.
func (l *link) undo(wait <-chan answer) {
	ctx := context.Background()
	if a, err := l.await(ctx, wait); err == nil {
		_, _ = l.call(ctx, request{Method: methodRemove, Handle: a.Handle}) // it is gone in any case
	}
}

// Remove implements driver.Driver.
func (d *Driver) Remove(ctx context.Context, h driver.Handle) error {
	_, err := d.ask(ctx, methodRemove, h)
	return err
}

// Status implements driver.Driver.
func (d *Driver) Status(ctx context.Context, h driver.Handle) (driver.StreamStatus, error) {
	a, err := d.ask(ctx, methodStatus, h)
	if err != nil {
		return driver.StreamStatus{}, err
	}
	return *a.Status, nil
}

// Figures implements driver.Monitor.
func (d *Driver) Figures(ctx context.Context, h driver.Handle) (driver.Figures, error) {
	a, err := d.ask(ctx, methodFigures, h)
	if err != nil {
		return driver.Figures{}, err
	}
	return *a.Figures, nil
}

// Clock implements driver.Monitor.
func (d *Driver) Clock(ctx context.Context) (driver.ClockFigures, error) {
	l, err := d.engine(ctx)
	if err != nil {
		return driver.ClockFigures{}, err
	}
	a, err := l.call(ctx, request{Method: methodClock})
	if err != nil {
		return driver.ClockFigures{}, err
	}
	return *a.Clock, nil
}

// ask calls a method that is about a stream.
func (d *Driver) ask(ctx context.Context, m method, h driver.Handle) (answer, error) {
	l, err := d.engine(ctx)
	if err != nil {
		return answer{}, err
	}
	theirs, ok := l.theirs(h)
	if !ok {
		return answer{}, fmt.Errorf("%w: handle %d is of an engine that has ended", driver.ErrNoStream, h)
	}
	return l.call(ctx, request{Method: m, Handle: theirs})
}

// engine is the link to the one that runs.
func (d *Driver) engine(ctx context.Context) (*link, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.link == nil {
		return nil, fmt.Errorf("%w: the audio engine does not run", driver.ErrUnavailable)
	}
	return d.link, nil
}
