// Package vm looks at an appliance in QEMU from outside: over its serial console and
// over HTTP. The tests and the measurements share it.
package vm

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"sync"
)

// Serial keeps what came over a serial line and tells of it. It is the io.Writer that
// QEMU writes to.
type Serial struct {
	mu      sync.Mutex
	all     bytes.Buffer
	seen    int // how far Wait has looked
	changed chan struct{}
}

// NewSerial returns an empty Serial.
func NewSerial() *Serial { return &Serial{changed: make(chan struct{})} }

// Write implements io.Writer.
func (s *Serial) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.Write(p)
	close(s.changed)
	s.changed = make(chan struct{})
	return len(p), nil
}

// Text returns all that has come so far.
func (s *Serial) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

// Wait waits for a match of pattern behind the match of the call before, and returns
// the match and its submatches.
func (s *Serial) Wait(ctx context.Context, pattern string) ([]string, error) {
	expr, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	for {
		found, changed := s.next(expr)
		if found != nil {
			return found, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("the serial console did not show %q: %w", pattern, ctx.Err())
		}
	}
}

func (s *Serial) next(expr *regexp.Regexp) ([]string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := s.all.Bytes()[s.seen:]
	at := expr.FindSubmatchIndex(rest)
	if at == nil {
		return nil, s.changed
	}
	s.seen += at[1]
	var found []string
	for i := 0; i < len(at); i += 2 {
		found = append(found, string(rest[at[i]:at[i+1]]))
	}
	return found, nil
}
