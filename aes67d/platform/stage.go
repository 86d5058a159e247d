package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"aes67os/driver"
	"aes67os/driver/ravenna"
	"aes67os/driver/userspace"
	"aes67os/driver/userspace/port"
)

// The drivers' names.
const (
	ravennaName   = "ravenna"
	userspaceName = "userspace"
)

// How long to wait for a clock that locks, and for streams that begin: the kernel module
// takes half a minute to lock.
const (
	lockPatience   = 90 * time.Second
	streamPatience = 5 * time.Second
)

// stage has all that a test is run with.
type stage struct {
	options *options
	card    card
	// tested is the driver; it may be engine.
	tested *running
	// engine is the userspace driver: of the tested one, or the grandmaster for that.
	engine *running
	device port.Device
	// delay is the sinks' playout delay, in samples.
	delay          int
	sources, sinks []driver.Handle
}

// open makes everything ready, so that the sinks receive what the sources send.
func (o *options) open(ctx context.Context, p *printer, log *slog.Logger) (*stage, error) {
	local, err := address(o.network)
	if err != nil {
		return nil, err
	}
	name := o.driver
	if name == "auto" {
		name = userspaceName
		if ravenna.Loaded() {
			name = ravennaName
		}
	}
	config := driver.Config{
		Interfaces: []string{o.network}, SampleRate: o.rate,
		PTP:               driver.PTPConfig{DSCP: 46}, // EF, AES67-2018 §6.3
		TICFrameSizeAt1FS: 48, MaxTICFrameSize: 1024,
	}
	devices := make(tap)
	s := &stage{options: o, delay: o.playoutDelay(name)}
	s.engine = run(userspace.New(userspace.Options{Ports: []port.Port{devices}, Alone: true, Log: log}), config)
	s.tested = s.engine
	if name == ravennaName {
		s.tested = run(ravenna.New(log), config)
	}
	p.printf("waiting for the media clock of the %s driver on %s: 10 s if this host becomes the grandmaster\n", name, o.network)
	grandmaster, err := s.tested.locked(ctx, lockPatience)
	if err == nil {
		p.printf("the clock is locked to %s\n", grandmaster)
		err = s.prepare(ctx, devices)
	}
	if err == nil {
		sources, sinks := streams(o, s.delay, local)
		p.printf("%s as %s, %d Hz, channels: %d, streams: %d; %d samples in a packet, playout delay %d samples\n",
			o.format.name, o.format.codec, o.rate, o.channels, len(sources), o.packet, s.delay)
		err = s.add(ctx, sources, sinks)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// prepare gets the device, and the card of the driver.
func (s *stage) prepare(ctx context.Context, devices tap) (err error) {
	select {
	case s.device = <-devices:
	case <-ctx.Done():
		return ctx.Err()
	}
	// It has that rate as soon as its clock is locked, but the kernel module takes seconds to
	// change it, and cannot while its card is open. What it is asked waits for that.
	if err := s.tested.SetSampleRate(ctx, s.options.rate); err != nil {
		return fmt.Errorf("setting the sample rate: %w", err)
	}
	if s.tested != s.engine {
		s.card, err = openRAVENNA(s.options)
		return err
	}
	period, buffer := s.options.buffering()
	s.card = newRingCard(s.device, s.options.channels, period, buffer)
	return nil
}

// add adds the streams and waits until all are received. That some are not is for the test
// to find out.
func (s *stage) add(ctx context.Context, sources, sinks []driver.Stream) error {
	for _, sink := range sinks {
		h, err := s.tested.Add(ctx, sink)
		if err != nil {
			return fmt.Errorf("adding a sink: %w", err)
		}
		s.sinks = append(s.sinks, h)
	}
	for _, source := range sources {
		h, err := s.tested.Add(ctx, source)
		if err != nil {
			return fmt.Errorf("adding a source: %w", err)
		}
		s.sources = append(s.sources, h)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, streamPatience, errSilent)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond) // no driver tells of it
	defer look.Stop()
	for _, h := range s.sinks {
		for {
			status, err := s.tested.Status(ctx, h)
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("asking how a sink does: %w", err)
			}
			if status.Receiving {
				break
			}
			select {
			case <-look.C:
				continue
			case <-ctx.Done():
			}
			if cause := context.Cause(ctx); !errors.Is(cause, errSilent) {
				return cause
			}
			return nil
		}
	}
	return nil
}

// errSilent ends the waiting for streams.
var errSilent = errors.New("a sink receives nothing")

// close ends everything.
func (s *stage) close() {
	if s.card != nil {
		s.card.close()
	}
	s.tested.stop()
	s.engine.stop()
}

// run runs the test. The error is of what kept it from running.
func (s *stage) run(ctx context.Context, p *printer) (*result, error) {
	o := s.options
	before, err := s.traffic()
	if err != nil {
		return nil, err
	}
	x := newExercise(s.card, o, s.delay)
	ended := make(chan error, 1)
	go func() { // whose thread ends with it
		if s.device.Thread != nil {
			s.device.Thread()
		}
		ended <- x.run(ctx)
	}()
	finish := p.progress(o, x)
	err = <-ended
	finish()
	if err != nil {
		return nil, err
	}
	r := &result{findings: x.comparison.findings, trouble: x.trouble, latency: x.latency, frames: x.frames}
	r.unlocks = s.tested.unlocks()
	r.interrupted = ctx.Err() != nil
	r.period, r.buffer = s.card.shape()
	after, err := s.traffic()
	r.traffic = after.since(before)
	return r, err
}
