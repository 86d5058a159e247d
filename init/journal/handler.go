package journal

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"aes67os/init/api"
)

// Handler returns a slog.Handler that appends records of at least level (nil is
// slog.LevelInfo) as entries of service: the message, then the attributes as
// slog's text format writes them.
func (j *Journal) Handler(service string, level slog.Leveler) slog.Handler {
	if level == nil {
		level = slog.LevelInfo
	}
	out := &attrBuffer{}
	return &handler{
		journal: j, service: service, level: level, out: out,
		attrs: slog.NewTextHandler(&out.buf, &slog.HandlerOptions{Level: slog.LevelInfo}),
	}
}

// handler leaves attributes and groups to slog's own text handler.
type handler struct {
	journal *Journal
	service string
	level   slog.Leveler
	attrs   slog.Handler
	out     *attrBuffer
}

// attrBuffer is what the text handler writes to. Handlers made of one another
// share it.
type attrBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// textHead is how the text handler begins a record without time and message.
const textHead = `level=INFO msg=""`

func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	bare := slog.NewRecord(time.Time{}, slog.LevelInfo, "", 0)
	r.Attrs(func(a slog.Attr) bool { bare.AddAttrs(a); return true })

	h.out.mu.Lock()
	h.out.buf.Reset()
	err := h.attrs.Handle(ctx, bare)
	attrs := strings.TrimPrefix(h.out.buf.String(), textHead)
	h.out.mu.Unlock()
	if err != nil {
		return err
	}
	// The text handler quotes newlines, the message may have some: one record
	// is one entry.
	h.journal.Append(h.service, severityOf(r.Level), strings.ReplaceAll(r.Message, "\n", " ")+attrs)
	return nil
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = h.attrs.WithAttrs(attrs)
	return &next
}

func (h *handler) WithGroup(name string) slog.Handler {
	next := *h
	next.attrs = h.attrs.WithGroup(name)
	return &next
}

func severityOf(level slog.Level) api.Severity {
	switch {
	case level >= slog.LevelError:
		return api.Error
	case level >= slog.LevelWarn:
		return api.Warning
	case level >= slog.LevelInfo:
		return api.Info
	default:
		return api.Debug
	}
}
