package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// maxLine bounds a line of an engine's log, in bytes.
const maxLine = 64 << 10

// NewLogger is an engine's log, for [Start] to read.
func NewLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if s, ok := a.Value.Any().(fmt.Stringer); ok {
				a.Value = slog.StringValue(s.String()) // as a log in words has it
			}
			return a
		},
	}))
}

// relay takes in what an engine writes to standard error, and logs it here. Lines that
// are not of its log are the runtime's last words.
type relay struct {
	log  *slog.Logger
	line []byte
}

func newRelay(log *slog.Logger) *relay { return &relay{log: log} }

// Write implements io.Writer.
func (r *relay) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		r.line = append(r.line, line...)
		if ended || len(r.line) > maxLine {
			r.end()
		}
		b = rest
	}
	return n, nil
}

// end logs what there is of a line.
func (r *relay) end() {
	line := r.line
	r.line = nil
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	record, ok := parseRecord(line)
	if !ok {
		r.log.Error("audio engine: " + string(line))
		return
	}
	ctx := context.Background()
	if h := r.log.Handler(); h.Enabled(ctx, record.Level) {
		_ = h.Handle(ctx, record) // there is nobody to tell that a log fails
	}
}

// parseRecord reads a line of [NewLogger].
func parseRecord(line []byte) (slog.Record, bool) {
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber() // positions of samples are above 2⁵³ in time
	if d.Decode(&fields) != nil {
		return slog.Record{}, false
	}
	var level slog.Level
	name, _ := fields[slog.LevelKey].(string)
	message, ok := fields[slog.MessageKey].(string)
	if !ok || level.UnmarshalText([]byte(name)) != nil {
		return slog.Record{}, false
	}
	for _, key := range []string{slog.LevelKey, slog.MessageKey, slog.TimeKey} {
		delete(fields, key)
	}
	record := slog.NewRecord(time.Now(), level, message, 0)
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		record.AddAttrs(slog.Any(key, fields[key]))
	}
	return record, true
}
