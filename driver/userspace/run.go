package userspace

import (
	"context"
	"fmt"
	"sync"

	"aes67os/driver"
	"aes67os/driver/userspace/port"
	"aes67os/driver/userspace/ptp"
	"aes67os/driver/userspace/realtime"
	"aes67os/driver/userspace/receive"
	"aes67os/driver/userspace/ring"
	"aes67os/driver/userspace/send"
)

// run is what there is while the driver runs.
type run struct {
	*Driver
	ports []port.Port
	cpus  []int
	wake  chan struct{}

	mu      sync.Mutex
	config  driver.Config
	streams map[driver.Handle]*stream
	ended   bool
	// device ends sender, receiver and ports, and following the clock; each returns when
	// it has ended.
	device, following func()
	// ptpClock is what is followed with, playback and capture the device's channels.
	ptpClock          follower
	playback, capture *ring.Ring

	telling sync.Mutex
	events  []driver.Event
	ptp     driver.PTPStatus
}

// stream is a stream with what moves it: one of both, or none as long as the device has
// another rate.
type stream struct {
	driver.Stream
	source *send.Source
	sink   *receive.Sink
}

// tell queues an event.
func (r *run) tell(e driver.Event) {
	r.telling.Lock()
	r.events = append(r.events, e)
	r.telling.Unlock()
	select {
	case r.wake <- struct{}{}:
	default: // emit is about to look anyway
	}
}

// emit passes on events until ctx ends.
func (r *run) emit(ctx context.Context, emit func(driver.Event)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		r.telling.Lock()
		events := r.events
		r.events = nil
		r.telling.Unlock()
		for _, e := range events {
			emit(e)
		}
	}
}

// follow begins to follow PTP.
func (r *run) follow() {
	r.ptpClock = r.newPTP(func(s ptp.Status) {
		status := driver.PTPStatus{Lock: s.Lock, Grandmaster: s.Grandmaster, Jitter: int32(s.Jitter)}
		r.telling.Lock()
		same := r.ptp == status
		r.ptp = status
		r.telling.Unlock()
		if !same {
			r.tell(status)
		}
	})
	config := ptp.Config{
		Interfaces: r.config.Interfaces, Domain: r.config.PTP.Domain, DSCP: r.config.PTP.DSCP,
		Priority1: r.config.Program.Priority1, Priority2: r.config.Program.Priority2,
	}
	clock := r.ptpClock
	r.following = start(func(ctx context.Context) error { return clock.Run(ctx, config) }, r.trouble)
}

func (r *run) unfollow() { r.following() }

// trouble tells of a part that has ended although it should not.
func (r *run) trouble(err error) {
	r.Log.Error("a part of the userspace driver does not work", "err", err)
}

// start starts the device at the configured rate, with all streams that have that rate.
func (r *run) start() {
	rate := r.config.SampleRate
	// A second and more: ports may be a part of it ahead, and readers behind.
	playback, capture := ring.New(driver.MaxChannels, int(rate)), ring.New(driver.MaxChannels, int(rate))
	r.playback, r.capture = playback, capture
	if r.Alone {
		realtime.CollectSeldom()
	}
	begun := make(chan struct{}, 4)
	r.sender.Ready = func() { begun <- struct{}{} }
	r.receiver.Ready = r.sender.Ready
	r.receiver.Thread = r.thread
	parts := []func(context.Context) error{
		func(ctx context.Context) error {
			return r.sender.Run(ctx, r.config.Interfaces, rate, playback, r.cpus)
		},
		func(ctx context.Context) error { return r.receiver.Run(ctx, r.config.Interfaces, rate, capture) },
	}
	for _, p := range r.ports {
		device := port.Device{
			Clock: &r.clock, Rate: rate, Playback: playback, Capture: capture, Log: r.Log,
			Thread: r.thread, Sleep: new(realtime.Turn).Sleep,
		}
		parts = append(parts, func(ctx context.Context) error {
			if err := p.Run(ctx, device); err != nil {
				return fmt.Errorf("%s: %w", p.Name(), err)
			}
			return nil
		})
	}
	var stops []func()
	for _, part := range parts {
		stops = append(stops, start(part, func(err error) {
			r.trouble(err)
			select {
			case begun <- struct{}{}: // it never will
			default:
			}
		}))
	}
	r.device = func() {
		var all sync.WaitGroup
		for _, stop := range stops {
			all.Go(stop)
		}
		all.Wait()
	}
	for range 2 { // sender and receiver
		<-begun
	}
	for _, st := range r.streams {
		if st.SampleRate != rate {
			continue
		}
		if err := r.begin(st); err != nil {
			r.Log.Warn("a stream is silent until it is added anew", "name", st.Name, "err", err)
		}
	}
}

// thread makes a thread punctual. What cannot be done is told by the sender, whose thread
// wants the same.
func (r *run) thread() { realtime.Lock(r.cpus) }

// stop stops the device. Streams stay, and do not move.
func (r *run) stop() {
	r.device()
	for _, st := range r.streams {
		st.source, st.sink = nil, nil
	}
}

// begin makes a stream move.
func (r *run) begin(st *stream) (err error) {
	if st.Source {
		st.source, err = r.sender.Add(st.Stream)
		return err
	}
	s := st.Stream
	// The safety delay counts samples at 1FS: 44.1 or 48 kHz.
	s.PlayoutDelay += r.config.PlayoutDelay * max(1, s.SampleRate/44100)
	st.sink, err = r.receiver.Add(s)
	return err
}

// end makes a stream stand still.
func (r *run) end(st *stream) {
	if st.source != nil {
		r.sender.Remove(st.source)
	}
	if st.sink != nil {
		r.receiver.Remove(st.sink)
	}
}

// start runs f in a goroutine and returns what ends it and waits until it has ended.
// trouble is told an error that f returns.
func start(f func(context.Context) error, trouble func(error)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f(ctx); err != nil {
			trouble(err)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
