package rest

import (
	"context"
	"sync"
	"time"

	"aes67os/aes67d/events"
	"aes67os/driver"
)

const (
	// listenersLimit bounds the streams of events at once.
	listenersLimit = 64
	// statusInterval is how often sinks are looked at while somebody listens.
	statusInterval = time.Second
)

// listeners counts the streams of events. While there are any, watch runs.
type listeners struct {
	watch func(ctx context.Context, joined <-chan struct{})

	mu     sync.Mutex
	n      int
	joined chan struct{}
	stop   context.CancelFunc
}

// join takes a listener in, if there is room.
func (l *listeners) join() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == listenersLimit {
		return false
	}
	l.n++
	if l.n == 1 {
		var ctx context.Context
		ctx, l.stop = context.WithCancel(context.Background())
		l.joined = make(chan struct{}, 1)
		go l.watch(ctx, l.joined)
	}
	select {
	case l.joined <- struct{}{}:
	default: // it is told already
	}
	return true
}

func (l *listeners) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n--; l.n == 0 {
		l.stop()
	}
}

// watchSinks publishes the status of every sink when a flag of it has changed, and of
// all when somebody has joined, until ctx ends.
func (s *server) watchSinks(ctx context.Context, joined <-chan struct{}) {
	tick := time.NewTicker(statusInterval)
	defer tick.Stop()
	told := make(map[int]driver.StreamStatus)
	for {
		select {
		case <-ctx.Done():
			return
		case <-joined:
			clear(told)
			continue
		case <-tick.C:
		}
		now := make(map[int]driver.StreamStatus)
		for _, sink := range s.Sessions.Sinks() {
			status, err := s.statuses.ask(ctx, byEvents, sink.ID)
			if err != nil {
				continue // the driver says what it has to in its own event
			}
			flags := status
			flags.MinimumTime = 0 // it changes all the time
			now[sink.ID] = flags
			if before, ok := told[sink.ID]; ok && before == flags {
				continue
			}
			s.Events.Publish(events.Event{Type: events.SinkStatus, Data: struct {
				ID int `json:"id"`
				sinkStatus
			}{sink.ID, newSinkStatus(status)}})
		}
		told = now
	}
}
