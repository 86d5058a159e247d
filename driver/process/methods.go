package process

import (
	"context"
	"errors"
	"fmt"
	"net/rpc"

	"aes67os/driver"
)

// SetPTP implements driver.Driver.
func (d *Driver) SetPTP(ctx context.Context, c driver.PTPConfig) error {
	return d.set(ctx, "SetPTP", c, c.Validate(), func(config *driver.Config) { config.PTP = c })
}

// SetSampleRate implements driver.Driver.
func (d *Driver) SetSampleRate(ctx context.Context, hz uint32) error {
	return d.set(ctx, "SetSampleRate", hz, driver.ValidateSampleRate(hz), func(config *driver.Config) { config.SampleRate = hz })
}

// SetPlayoutDelay implements driver.Driver.
func (d *Driver) SetPlayoutDelay(ctx context.Context, samples uint32) error {
	return d.set(ctx, "SetPlayoutDelay", samples, driver.ValidatePlayoutDelay(samples), func(config *driver.Config) { config.PlayoutDelay = samples })
}

// set calls a Set method, and has the next engine begin with what was set, whether there is
// one now or not.
func (d *Driver) set(ctx context.Context, method string, value any, invalid error, note func(*driver.Config)) error {
	if err := errors.Join(ctx.Err(), invalid); err != nil {
		return err
	}
	e, err := d.engine(ctx)
	if err == nil {
		err = e.call(ctx, method, value, new(PlainReply))
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
	e, err := d.engine(ctx)
	if err != nil {
		return 0, err
	}
	var r AddReply
	call := e.begin("Add", s, &r)
	if err := await(ctx, call, &r); err != nil {
		if ctx.Err() != nil {
			go e.undo(call, &r)
		}
		return 0, err
	}
	return e.ours(r.Handle), nil
}

// undo removes the stream of an Add that was left behind: nobody will know its handle.
func (e engine) undo(call *rpc.Call, r *AddReply) {
	if <-call.Done; call.Error == nil && r.Fault.err() == nil {
		_ = e.client.Call(service+"Remove", r.Handle, new(PlainReply))
	}
}

// Remove implements driver.Driver.
func (d *Driver) Remove(ctx context.Context, h driver.Handle) error {
	return d.ask(ctx, "Remove", h, new(PlainReply))
}

// Status implements driver.Driver.
func (d *Driver) Status(ctx context.Context, h driver.Handle) (driver.StreamStatus, error) {
	var r StatusReply
	if err := d.ask(ctx, "Status", h, &r); err != nil {
		return driver.StreamStatus{}, err
	}
	return r.Status, nil
}

// Figures implements driver.Monitor.
func (d *Driver) Figures(ctx context.Context, h driver.Handle) (driver.Figures, error) {
	var r FiguresReply
	if err := d.ask(ctx, "Figures", h, &r); err != nil {
		return driver.Figures{}, err
	}
	return r.Figures, nil
}

// Clock implements driver.Monitor.
func (d *Driver) Clock(ctx context.Context) (driver.ClockFigures, error) {
	e, err := d.engine(ctx)
	if err != nil {
		return driver.ClockFigures{}, err
	}
	var r ClockReply
	if err := e.call(ctx, "Clock", None{}, &r); err != nil {
		return driver.ClockFigures{}, err
	}
	return r.Clock, nil
}

// ask calls a method that is about a stream.
func (d *Driver) ask(ctx context.Context, method string, h driver.Handle, r reply) error {
	e, err := d.engine(ctx)
	if err != nil {
		return err
	}
	theirs, ok := e.theirs(h)
	if !ok {
		return fmt.Errorf("%w: handle %d is of an engine that has ended", driver.ErrNoStream, h)
	}
	return e.call(ctx, method, theirs, r)
}

// engine is the one that runs.
type engine struct {
	client     *rpc.Client
	generation uint64
}

func (d *Driver) engine(ctx context.Context) (engine, error) {
	if err := ctx.Err(); err != nil {
		return engine{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client == nil {
		return engine{}, fmt.Errorf("%w: the audio engine does not run", driver.ErrUnavailable)
	}
	return engine{d.client, d.generation}, nil
}

// handleBits are those of a handle that the engine has given; above is its generation.
const handleBits = 32

// ours is what the engine's handle is called here, theirs what ours is called there, if
// it is of this engine.
func (e engine) ours(h driver.Handle) driver.Handle {
	return h | driver.Handle(e.generation)<<handleBits
}

func (e engine) theirs(h driver.Handle) (theirs driver.Handle, ok bool) {
	return h & (1<<handleBits - 1), uint64(h)>>handleBits == e.generation
}

// call calls a method. After an error nobody may look at r, which the engine's answer may
// still come to.
func (e engine) call(ctx context.Context, method string, argument any, r reply) error {
	return await(ctx, e.begin(method, argument, r), r)
}

func (e engine) begin(method string, argument any, r reply) *rpc.Call {
	return e.client.Go(service+method, argument, r, make(chan *rpc.Call, 1))
}

// await waits for the answer.
func await(ctx context.Context, call *rpc.Call, r reply) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-call.Done:
	}
	if call.Error != nil {
		return fmt.Errorf("%w: the audio engine has ended: %w", driver.ErrUnavailable, call.Error)
	}
	return r.failure().err()
}
