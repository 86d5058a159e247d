// Package e2e boots the image that users get, in QEMU with firmware, disk and
// network, and looks at it from outside.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"aes67os/board"
	"aes67os/firmware/qemu"
	"aes67os/init/api"
)

// Everything is slow in emulation, and more so on a busy machine. These bounds are
// to end a test that hangs, not to measure.
const (
	bootTimeout = 3 * time.Minute
	stepTimeout = time.Minute
)

func x86(t *testing.T) board.Board {
	t.Helper()
	b, err := board.ByName("x86-64")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// image returns the path of a built image. suffix is "" or "-debug".
func image(t *testing.T, suffix string) string {
	t.Helper()
	path := filepath.Join("..", "..", "out", "aes67os-x86-64"+suffix+".img")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: these tests boot the built image; run 'make e2e'", err)
	}
	return path
}

// machine is a booting or running appliance.
type machine struct {
	*qemu.Machine
	t      *testing.T
	serial *serial
}

// start boots a machine, which is killed at the end of the test.
func start(t *testing.T, c qemu.Config) *machine {
	t.Helper()
	m := &machine{t: t, serial: newSerial()}
	c.Board, c.Dir, c.Serial = x86(t), t.TempDir(), m.serial
	c.Forward = map[int]int{80: 0}
	var err error
	if m.Machine, err = qemu.Start(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Kill()
		if t.Failed() {
			t.Logf("serial console:\n%s", m.serial.text())
		}
	})
	return m
}

// get fetches a path of the page, again and again until the appliance answers, or
// fails the test.
func (m *machine) get(path string) (body string) {
	m.t.Helper()
	deadline := time.After(bootTimeout)
	client := http.Client{Timeout: 10 * time.Second}
	for {
		resp, err := client.Get(strings.TrimSuffix(m.URL(80), "/") + path)
		if err == nil {
			b, readErr := io.ReadAll(resp.Body)
			resp.Body.Close()
			if readErr == nil && resp.StatusCode == http.StatusOK {
				return string(b)
			}
			err = fmt.Errorf("%s: %s %v", resp.Status, b, readErr)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-m.Done():
			m.t.Fatalf("the machine ended while %s was asked for: %v", path, err)
		case <-deadline:
			m.t.Fatalf("GET %s: %v", path, err)
		}
	}
}

func fetch[T any](m *machine, path string) T {
	m.t.Helper()
	var v T
	if err := json.Unmarshal([]byte(m.get(path)), &v); err != nil {
		m.t.Fatalf("GET %s: %v", path, err)
	}
	return v
}

// until fetches a path again and again until ok likes it.
func until[T any](m *machine, path string, ok func(T) bool) T {
	m.t.Helper()
	deadline := time.After(stepTimeout)
	for {
		v := fetch[T](m, path)
		if ok(v) {
			return v
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-deadline:
			m.t.Fatalf("GET %s goes on to be %+v", path, v)
		}
	}
}

// waitReady waits until every service is ready.
func (m *machine) waitReady() api.Status {
	m.t.Helper()
	m.serial.wait(m.t, `all services are ready`, bootTimeout)
	return fetch[api.Status](m, "/api/system/status")
}

// command sends a QMP command.
func (m *machine) command(name string, arguments any) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), stepTimeout)
	defer cancel()
	if err := m.Command(ctx, name, arguments); err != nil {
		m.t.Fatal(err)
	}
}

// waitOff waits for the machine to switch itself off.
func (m *machine) waitOff() {
	m.t.Helper()
	select {
	case <-m.Done():
	case <-time.After(stepTimeout):
		m.t.Fatal("the machine did not switch off")
	}
	if err := m.Wait(); err != nil {
		m.t.Fatal(err)
	}
}

// serial keeps what came over the serial line and tells of it.
type serial struct {
	mu      sync.Mutex
	all     bytes.Buffer
	seen    int // how far wait has looked
	changed chan struct{}
}

func newSerial() *serial { return &serial{changed: make(chan struct{})} }

func (s *serial) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.Write(p)
	close(s.changed)
	s.changed = make(chan struct{})
	return len(p), nil
}

func (s *serial) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

// wait waits for a match of pattern after the match of the call before, and returns
// its submatches.
func (s *serial) wait(t *testing.T, pattern string, timeout time.Duration) []string {
	t.Helper()
	expr := regexp.MustCompile(pattern)
	late := time.After(timeout)
	for {
		s.mu.Lock()
		rest := s.all.Bytes()[s.seen:]
		var found []string
		if at := expr.FindSubmatchIndex(rest); at != nil {
			for i := 0; i < len(at); i += 2 {
				found = append(found, string(rest[at[i]:at[i+1]]))
			}
			s.seen += at[1]
		}
		changed := s.changed
		s.mu.Unlock()
		if found != nil {
			return found
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("the serial console did not show %q", pattern)
		}
	}
}
