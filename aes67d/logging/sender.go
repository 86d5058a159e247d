package logging

import (
	"io"
	"log/syslog"
	"sync"
	"time"

	"aes67os/service"
)

const (
	// backlog is how many lines may wait for a syslog.
	backlog = 1024
	// longest is how much of a line syslog gets, in bytes: what its servers take as a
	// rule, and less than a UDP packet holds.
	longest = 8192
	// flush is how long close waits for a syslog to take what is queued.
	flush = time.Second
)

type message struct {
	class int
	text  string
}

// sender takes lines to one syslog.
type sender struct {
	network, address string
	facility         syslog.Priority
	again            time.Duration
	stderr           io.Writer

	mu     sync.Mutex
	closed bool
	queue  chan message
	done   chan struct{}
}

func newSender(network, address string, facility syslog.Priority, again time.Duration, stderr io.Writer) *sender {
	s := &sender{
		network: network, address: address, facility: facility, again: again, stderr: stderr,
		queue: make(chan message, backlog), done: make(chan struct{}),
	}
	go s.run()
	return s
}

// offer queues the message, unless there is no room.
func (s *sender) offer(m message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	select {
	case s.queue <- m:
		return true
	default:
		return false
	}
}

// close lets what is queued be sent. A syslog that is there but does not read keeps the
// goroutine until it does; nobody waits for that.
func (s *sender) close() {
	s.mu.Lock()
	s.closed = true
	close(s.queue)
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-time.After(flush):
	}
}

// run sends until the sender is closed and the queue empty.
func (s *sender) run() {
	defer close(s.done)
	var (
		w      *syslog.Writer
		failed error     // why syslog cannot be reached
		at     time.Time // when that was seen last
		own    = service.NewLogger(s.stderr)
	)
	for m := range s.queue {
		if failed == nil || time.Since(at) >= s.again {
			var err error
			if w == nil {
				w, err = syslog.Dial(s.network, s.address, s.facility, "aes67d")
			}
			if err == nil {
				err = write(w, m)
			}
			switch {
			case err != nil && failed == nil:
				own.Warn("syslog cannot be reached, its lines are here until it can", "at", s.address, "error", err)
			case err == nil && failed != nil:
				own.Info("syslog is reached again", "at", s.address)
			}
			failed, at = err, time.Now()
		}
		if failed != nil {
			io.WriteString(s.stderr, m.text)
		}
	}
	if w != nil {
		w.Close()
	}
}

// write sends a message. The writer connects anew by itself if it has to.
func write(w *syslog.Writer, m message) error {
	text := m.text[:min(len(m.text), longest)]
	switch m.class {
	case debug:
		return w.Debug(text)
	case info:
		return w.Info(text)
	case warning:
		return w.Warning(text)
	case failure:
		return w.Err(text)
	}
	return w.Crit(text)
}
