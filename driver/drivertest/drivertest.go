// Package drivertest is the precise form of the contract in package driver: what every
// driver must do whatever moves its audio, as tests.
//
// A driver's own tests hand over a [Subject]: the driver, and hooks that play the
// parts of the world around it. Nothing is waited for by sleeping. [Run] waits for
// events in real time; [RunInBubble] is for drivers whose world is made of channels
// and timers only, and runs every test in a bubble of testing/synctest, where seconds
// take no time and a goroutine left behind fails the test.
package drivertest

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aes67os/driver"
)

// Subject is a driver to be tested, not running, whose world is in order.
type Subject struct {
	Driver driver.Driver
	// Config is one it can work with. Streams of the tests have as many legs as it
	// has interfaces.
	Config driver.Config

	// Lock makes the clock lock to a grandmaster.
	Lock func(gm driver.ClockID)
	// Unlock takes the grandmaster away.
	Unlock func()
	// Interrupt makes what the driver drives unreachable, and Restore reachable again.
	// They work outside Run, too. They are nil where nothing can come between.
	Interrupt, Restore func()
	// Rate is the sample rate in Hz that the device runs at.
	Rate func() uint32
	// Legs counts the legs of all streams that are there.
	Legs func() int

	// ApplicationRate changes the rate of the device as an application does that opens
	// the sound card. It is nil where there is no such thing.
	ApplicationRate func(hz uint32)
	// Slow makes the next Add take until release is called, and closes entered when
	// there is no way back. It is nil where streams are added at once.
	Slow func() (entered <-chan struct{}, release func())
}

// patience is how long a test waits for what must come.
const patience = 90 * time.Second

// Run tests a driver in real time. Each test has a subject of its own.
func Run(t *testing.T, create func(t *testing.T) Subject) {
	each(t, create, func(t *testing.T, test func(t *testing.T)) {
		before := runtime.NumGoroutine()
		test(t)
		for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines are left, there were %d", runtime.NumGoroutine(), before)
			}
			time.Sleep(time.Millisecond) // a goroutine's end is told to nobody
		}
	})
}

// RunInBubble tests a driver in bubbles, in which create is called, too.
func RunInBubble(t *testing.T, create func(t *testing.T) Subject) {
	each(t, create, synctest.Test)
}

func each(t *testing.T, create func(t *testing.T) Subject, run func(*testing.T, func(*testing.T))) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			run(t, func(t *testing.T) { c.test(t, create(t)) })
		})
	}
}

// session is a subject that runs.
type session struct {
	Subject
	t      *testing.T
	events chan driver.Event
	end    context.CancelFunc
	ended  chan error
}

// begin runs the driver.
func begin(t *testing.T, s Subject) *session {
	ctx, end := context.WithCancel(t.Context())
	r := &session{Subject: s, t: t, events: make(chan driver.Event, 1000), end: end, ended: make(chan error, 1)}
	var emitting atomic.Int32
	go func() {
		r.ended <- s.Driver.Run(ctx, s.Config, func(e driver.Event) {
			if emitting.Add(1) != 1 {
				t.Error("emit is called by two goroutines at a time")
			}
			r.events <- e
			emitting.Add(-1)
		})
	}()
	return r
}

// available runs the driver and waits until it has begun.
func available(t *testing.T, s Subject) *session {
	t.Helper()
	r := begin(t, s)
	r.expect(driver.Available{})
	return r
}

// finish ends Run and checks that nothing is left but what was expected.
func (r *session) finish() {
	r.t.Helper()
	r.end()
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Errorf("Run() = %v; want nil after its context has ended", err)
		}
	case <-time.After(patience):
		r.t.Fatal("Run does not return although its context has ended")
	}
	if n := r.Legs(); n != 0 {
		r.t.Errorf("%d legs are left after Run", n)
	}
	close(r.events)
	for e := range r.events {
		if _, ok := e.(driver.PTPStatus); !ok {
			r.t.Errorf("event %#v; want none", e)
		}
	}
}

// next waits for an event.
func (r *session) next(want string) driver.Event {
	r.t.Helper()
	select {
	case e := <-r.events:
		return e
	case err := <-r.ended:
		r.t.Fatalf("Run() = %v; want event %s", err, want)
	case <-time.After(patience):
		r.t.Fatalf("no event; want %s", want)
	}
	return nil
}

// expect waits for an event. States of the clock in between are passed over, for
// there may be any number on the way to one.
func (r *session) expect(want driver.Event) {
	r.t.Helper()
	for {
		got := r.next(name(want))
		if status, ok := got.(driver.PTPStatus); ok {
			status.Jitter = 0
			got = status
			if cmp.Equal(want, got) {
				return
			}
			continue
		}
		if name(got) != name(want) {
			r.t.Fatalf("event %#v; want %#v", got, want)
		}
		if _, ok := want.(driver.Unavailable); ok {
			if got.(driver.Unavailable).Err == nil {
				r.t.Error("Unavailable does not tell why")
			}
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			r.t.Errorf("event (-want +got):\n%s", diff)
		}
		return
	}
}

func name(e driver.Event) string {
	switch e.(type) {
	case driver.Available:
		return "Available"
	case driver.Unavailable:
		return "Unavailable"
	case driver.PTPStatus:
		return "PTPStatus"
	case driver.SampleRate:
		return "SampleRate"
	}
	return "unknown"
}

// add adds a stream that must be possible.
func (r *session) add(s driver.Stream) driver.Handle {
	r.t.Helper()
	h, err := r.Driver.Add(r.t.Context(), s)
	if err != nil {
		r.t.Fatalf("Add(%s) = %v; want no error", s.Name, err)
	}
	return h
}

// fence returns when all that was asked for before has been done.
func (r *session) fence() {
	r.t.Helper()
	if err := r.Driver.SetPlayoutDelay(r.t.Context(), r.Config.PlayoutDelay); err != nil {
		r.t.Fatalf("SetPlayoutDelay() = %v; want no error", err)
	}
}

// legs checks how many legs there are.
func (r *session) legs(want int) {
	r.t.Helper()
	if got := r.Legs(); got != want {
		r.t.Errorf("there are %d legs; want %d", got, want)
	}
}

// isErr checks what an error is.
func isErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s = %v; want %v", what, err, want)
	}
}
