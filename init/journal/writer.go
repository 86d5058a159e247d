package journal

import (
	"bytes"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"aes67os/init/api"
)

// Writer returns a writer for one output stream of a service: every line is an
// entry. severity is that of lines which do not tell their own, as
//
//	<3>text                                  sd-daemon(3)
//	time=… level=ERROR msg="text" key=value  log/slog's text format
//	panic: …, fatal error: …                 the Go runtime's last words
//
// do. Writes never fail. Close appends a last line that has no newline.
func (j *Journal) Writer(service string, severity api.Severity) io.WriteCloser {
	return &lineWriter{journal: j, service: service, severity: severity}
}

type lineWriter struct {
	journal  *Journal
	service  string
	severity api.Severity

	mu sync.Mutex
	// line is what came since the last newline, up to lineBuffer bytes.
	line []byte
}

// lineBuffer bounds an unfinished line. It is more than an entry's text may be
// long, since time and level are taken out first.
const lineBuffer = MaxLine + 256

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := p; ; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		w.line = append(w.line, line[:min(len(line), lineBuffer-len(w.line))]...)
		if !ended {
			return len(p), nil
		}
		w.flush()
		rest = after
	}
}

func (w *lineWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush()
	return nil
}

func (w *lineWriter) flush() {
	severity, text := parseLine(string(w.line), w.severity)
	w.line = w.line[:0]
	w.journal.Append(w.service, severity, text)
}

// parseLine returns the severity a line tells of itself, or fallback, and what
// is left to read.
func parseLine(line string, fallback api.Severity) (api.Severity, string) {
	if len(line) >= 3 && line[0] == '<' && line[2] == '>' && '0' <= line[1] && line[1] <= '7' {
		return syslogSeverity(int(line[1] - '0')), line[3:]
	}
	if severity, text, ok := parseSlog(line); ok {
		return severity, text
	}
	if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
		return api.Error, line
	}
	return fallback, line
}

// parseSlog reads a line of slog.TextHandler. Time and level go, since the entry
// has them; the message loses its quotes, the attributes stay as they are.
func parseSlog(line string) (severity api.Severity, text string, ok bool) {
	if rest, found := strings.CutPrefix(line, "time="); found {
		_, line, _ = strings.Cut(rest, " ")
	}
	rest, found := strings.CutPrefix(line, "level=")
	if !found {
		return "", "", false
	}
	name, rest, _ := strings.Cut(rest, " ")
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return "", "", false
	}
	// Option AddSource puts the place in the code between level and message.
	if source, found := strings.CutPrefix(rest, "source="); found {
		_, rest, _ = strings.Cut(source, " ")
	}
	rest, found = strings.CutPrefix(rest, "msg=")
	if !found {
		return "", "", false
	}
	if quoted, err := strconv.QuotedPrefix(rest); err == nil {
		if message, err := strconv.Unquote(quoted); err == nil {
			rest = strings.ReplaceAll(message, "\n", " ") + rest[len(quoted):]
		}
	}
	return severityOf(level), rest, true
}

// syslogSeverity maps the severities of RFC 5424 §6.2.1, 0 (emergency) to 7
// (debug).
func syslogSeverity(n int) api.Severity {
	switch {
	case n <= 3:
		return api.Error
	case n == 4:
		return api.Warning
	case n <= 6:
		return api.Info
	default:
		return api.Debug
	}
}
