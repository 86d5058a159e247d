// Package logging writes the daemon's log where the configuration says: to the local
// syslog, to one across the network, or to standard error, from a severity on. All three
// can change while the daemon runs.
//
// Nobody who logs ever waits for a syslog. A line for it goes into a queue, from which a
// goroutine of its own sends; connecting, asking for names and waiting happen there. What
// syslog does not take goes to standard error, after one line that says why, and so does
// what finds the queue full, so that no line is lost and none holds up audio.
package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"aes67os/service"
)

// Handler is a [slog.Handler] whose destination and level can change, for itself and all
// that derive from it by WithAttrs and WithGroup.
type Handler struct {
	shared *shared
	// text has for each class, from debug to critical, what turns records into lines.
	text [classes]slog.Handler
}

// The classes of lines: syslog's severities that slog's levels come to (RFC 5424 §6.2.1).
const (
	debug = iota
	info
	warning
	failure
	critical
	classes
)

// class is where a level belongs. Those of the known daemon are 4 apart as slog's are:
// trace -8, debug -4, info 0, warning 4, error 8, fatal 12.
func class(level slog.Level) int {
	switch {
	case level < slog.LevelInfo:
		return debug
	case level < slog.LevelWarn:
		return info
	case level < slog.LevelError:
		return warning
	case level < slog.LevelError+4:
		return failure
	}
	return critical
}

// shared is what a handler has in common with those derived from it.
type shared struct {
	level slog.LevelVar
	// local is the socket of the local syslog.
	local string
	// again is how long a syslog that could not be reached is left in peace.
	again  time.Duration
	stderr io.Writer

	configuring   sync.Mutex
	proto, server string
	syslog        atomic.Pointer[sender]
}

// New returns a handler that writes to stderr what is of severity info or more, until
// [Handler.Configure] says otherwise. Lines have no time: whoever collects them adds it.
func New(stderr io.Writer) *Handler {
	return newHandler(stderr, "/dev/log", 10*time.Second)
}

func newHandler(stderr io.Writer, local string, again time.Duration) *Handler {
	h := &Handler{shared: &shared{local: local, again: again, stderr: &locked{w: stderr}, proto: "none"}}
	for c := range h.text {
		h.text[c] = service.NewLogger(line{h.shared, c}).Handler()
	}
	return h
}

// Configure changes where lines go, and from which severity on, as the members
// syslog_proto, syslog_server and log_severity of the configuration say: proto is "" for
// the local syslog, "udp" for the one at server (host:port), "none" for standard error;
// severity is 0 (trace) to 5 (fatal). It does not wait for a syslog. With an error
// everything is as before.
func (h *Handler) Configure(proto, server string, severity int) error {
	if severity < 0 || severity > 5 {
		return fmt.Errorf("log severity %d: it must be from 0 to 5", severity)
	}
	s := h.shared
	var next *sender
	s.configuring.Lock()
	defer s.configuring.Unlock()
	change := proto != s.proto || server != s.server
	switch proto {
	case "none":
	case "":
		if change {
			next = newSender("unixgram", s.local, syslog.LOG_USER, s.again, s.stderr)
		}
	case "udp":
		if _, _, err := net.SplitHostPort(server); err != nil {
			return fmt.Errorf("syslog server: %w", err)
		}
		if change {
			next = newSender("udp", server, syslog.LOG_LOCAL0, s.again, s.stderr)
		}
	default:
		return fmt.Errorf(`syslog protocol %q: it must be "udp", "none", or empty for the local syslog`, proto)
	}
	s.level.Set(slog.Level(4 * (severity - 2)))
	if change {
		s.proto, s.server = proto, server
		s.use(next)
	}
	return nil
}

// Close sends what is queued, for a short while, and then writes to standard error. The
// handler stays usable.
func (h *Handler) Close() {
	h.shared.configuring.Lock()
	defer h.shared.configuring.Unlock()
	h.shared.proto, h.shared.server = "none", ""
	h.shared.use(nil)
}

// use sends lines to next from now on; nil is standard error.
func (s *shared) use(next *sender) {
	if last := s.syslog.Swap(next); last != nil {
		last.close()
	}
}

// Enabled tells whether lines of this level are written ([slog.Handler]).
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.shared.level.Level()
}

// Handle writes the record ([slog.Handler]).
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	return h.text[class(r.Level)].Handle(ctx, r)
}

// WithAttrs returns a handler that adds the attributes ([slog.Handler]).
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(text slog.Handler) slog.Handler { return text.WithAttrs(attrs) })
}

// WithGroup returns a handler that begins a group ([slog.Handler]).
func (h *Handler) WithGroup(name string) slog.Handler {
	return h.with(func(text slog.Handler) slog.Handler { return text.WithGroup(name) })
}

func (h *Handler) with(derive func(slog.Handler) slog.Handler) *Handler {
	derived := &Handler{shared: h.shared}
	for c, text := range h.text {
		derived.text[c] = derive(text)
	}
	return derived
}

// line is where lines of one class are written.
type line struct {
	shared *shared
	class  int
}

func (l line) Write(b []byte) (int, error) {
	if s := l.shared.syslog.Load(); s != nil && s.offer(message{l.class, string(b)}) {
		return len(b), nil
	}
	return l.shared.stderr.Write(b)
}

// locked is a writer for several goroutines.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
