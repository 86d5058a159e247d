package service

import (
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes lines of key=value text without the time:
// whoever collects a service's output (journald, our init) adds its own.
func NewLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}
