// Package events carries what happens in the daemon to whoever wants to know, such
// as the web pages that are open.
//
// A [Bus] never waits for anybody: each subscriber has a queue of its own, bounded, and
// one who does not keep up loses the oldest events and is told how many. That suits
// events which say that something has changed, for what it is now can be asked
// anywhere; it would not suit those that each count.
package events

import (
	"context"
	"sync"
)

// Types of events. Those without Data say only that something has changed.
const (
	// PTP: the media clock's state or its configuration.
	PTP = "ptp"
	// Driver: the audio driver has come or gone, or runs at another rate.
	Driver = "driver"
	// Config: the configuration.
	Config = "config"
	// Sources and Sinks: the streams there are.
	Sources = "sources"
	Sinks   = "sinks"
	// RemoteSources: the sources others announce.
	RemoteSources = "remote_sources"
	// SinkStatus has a sink's status as Data.
	SinkStatus = "sink_status"
	// Dropped tells a subscriber that it was too slow; Data is the number of events
	// lost, an int.
	Dropped = "dropped"
)

// backlog is how many events wait for a subscriber.
const backlog = 128

// Event is something that has happened.
type Event struct {
	Type string
	// Data depends on the type. Nobody may change what it refers to.
	Data any
}

// Bus passes every event to all subscribers. Make one with [NewBus]; its methods are
// safe for concurrent use.
type Bus struct {
	mu          sync.Mutex
	subscribers map[*subscriber]struct{}
}

// subscriber is guarded by the bus's mu, but for wake.
type subscriber struct {
	queue   []Event
	dropped int
	wake    chan struct{}
}

// NewBus returns a bus without subscribers.
func NewBus() *Bus { return &Bus{subscribers: make(map[*subscriber]struct{})} }

// Publish gives e to everybody who has subscribed. It does not wait.
func (b *Bus) Publish(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subscribers {
		if len(s.queue) == backlog {
			s.queue = s.queue[1:]
			s.dropped++
		}
		s.queue = append(s.queue, e)
		select {
		case s.wake <- struct{}{}:
		default: // it will look anyway
		}
	}
}

// Subscribe returns the events published from now on, in their order. The channel is
// closed once ctx has ended.
func (b *Bus) Subscribe(ctx context.Context) <-chan Event {
	s := &subscriber{wake: make(chan struct{}, 1)}
	b.mu.Lock()
	b.subscribers[s] = struct{}{}
	b.mu.Unlock()
	out := make(chan Event)
	go func() {
		defer close(out)
		defer b.remove(s)
		b.pass(ctx, s, out)
	}()
	return out
}

// pass hands s what is in its queue until ctx ends.
func (b *Bus) pass(ctx context.Context, s *subscriber, out chan<- Event) {
	for {
		e, ok := b.take(s)
		if !ok {
			select {
			case <-s.wake:
			case <-ctx.Done():
				return
			}
			continue
		}
		select {
		case out <- e:
		case <-ctx.Done():
			return
		}
	}
}

// take returns what comes next for s: first of all what it has lost.
func (b *Bus) take(s *subscriber) (e Event, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.dropped > 0 {
		e = Event{Type: Dropped, Data: s.dropped}
		s.dropped = 0
		return e, true
	}
	if len(s.queue) == 0 {
		return Event{}, false
	}
	e, s.queue = s.queue[0], s.queue[1:]
	return e, true
}

func (b *Bus) remove(s *subscriber) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.subscribers, s)
}
