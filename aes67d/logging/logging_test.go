package logging

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lines is standard error, one line at a time.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

// next waits for a line.
func (l lines) next(t *testing.T) string {
	t.Helper()
	select {
	case s := <-l:
		return s
	case <-t.Context().Done():
	case <-time.After(20 * time.Second):
	}
	t.Fatal("no line on standard error")
	return ""
}

// server is a syslog.
func server(t *testing.T, network, address string) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// received returns the next packet, with time, host and process made the same for all.
func received(t *testing.T, conn net.PacketConn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1<<16)
	n, _, err := conn.ReadFrom(b)
	if err != nil {
		t.Fatalf("wait for syslog's packet: %v", err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	s := strings.Replace(string(b[:n]), fmt.Sprintf("[%d]", os.Getpid()), "[PID]", 1)
	s = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)`).ReplaceAllString(s, "RFC3339")
	s = regexp.MustCompile(`[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d`).ReplaceAllString(s, "STAMP")
	return strings.Replace(s, " "+host+" ", " HOST ", 1)
}

// one logs a line of each severity.
func one(log *slog.Logger) {
	for level := slog.LevelDebug - 4; level <= slog.LevelError+4; level += 4 {
		log.Log(context.Background(), level, "a line")
	}
}

func TestSeverity(t *testing.T) {
	all := []string{"DEBUG-4", "DEBUG", "INFO", "WARN", "ERROR", "ERROR+4"}
	for severity := range 6 {
		var out bytes.Buffer
		h := New(&out)
		if err := h.Configure("none", "", severity); err != nil {
			t.Fatal(err)
		}
		one(slog.New(h))
		want := ""
		for _, level := range all[severity:] {
			want += "level=" + level + " msg=\"a line\"\n"
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("severity %d (-want +got):\n%s", severity, diff)
		}
		if got := h.Enabled(t.Context(), slog.LevelInfo); got != (severity <= 2) {
			t.Errorf("severity %d: info is enabled: %v", severity, got)
		}
	}
}

func TestUDP(t *testing.T) {
	conn := server(t, "udp", "127.0.0.1:0")
	h := New(lines(nil)) // nothing is to be written there
	defer h.Close()
	if err := h.Configure("udp", conn.LocalAddr().String(), 0); err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	one(log)
	log.With("sink", 3).WithGroup("rtp").Info("from one\nthat derives", "port", 5004)
	log.Info(strings.Repeat("x", 2*longest))
	for _, want := range []string{
		"<135>RFC3339 HOST aes67d[PID]: level=DEBUG-4 msg=\"a line\"\n", // local0.debug
		"<135>RFC3339 HOST aes67d[PID]: level=DEBUG msg=\"a line\"\n",
		"<134>RFC3339 HOST aes67d[PID]: level=INFO msg=\"a line\"\n",
		"<132>RFC3339 HOST aes67d[PID]: level=WARN msg=\"a line\"\n",
		"<131>RFC3339 HOST aes67d[PID]: level=ERROR msg=\"a line\"\n",
		"<130>RFC3339 HOST aes67d[PID]: level=ERROR+4 msg=\"a line\"\n",
		"<134>RFC3339 HOST aes67d[PID]: level=INFO msg=\"from one\\nthat derives\" sink=3 rtp.port=5004\n",
		"<134>RFC3339 HOST aes67d[PID]: level=INFO msg=" + strings.Repeat("x", longest-len("level=INFO msg=")) + "\n",
	} {
		if diff := cmp.Diff(want, received(t, conn)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestLocal has a local syslog that is not there at first, and restarts.
func TestLocal(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "log")
	stderr := make(lines, 10)
	h := newHandler(stderr, socket, 0)
	if err := h.Configure("", "", 2); err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	log.Info("one")
	log.Info("two")
	if got := stderr.next(t); !strings.HasPrefix(got, `level=WARN msg="syslog cannot be reached, its lines are here until it can" at=`+socket) {
		t.Errorf("standard error has %q; want why", got)
	}
	for _, want := range []string{"level=INFO msg=one\n", "level=INFO msg=two\n"} {
		if got := stderr.next(t); got != want {
			t.Errorf("standard error has %q; want %q", got, want)
		}
	}
	conn := server(t, "unixgram", socket)
	log.Info("three")
	if got, want := received(t, conn), "<14>STAMP aes67d[PID]: level=INFO msg=three\n"; got != want { // user.info
		t.Errorf("syslog has %q; want %q", got, want)
	}
	if got, want := stderr.next(t), `level=INFO msg="syslog is reached again" at=`+socket+"\n"; got != want {
		t.Errorf("standard error has %q; want %q", got, want)
	}
	conn.Close()
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	conn = server(t, "unixgram", socket)
	log.Error("four")
	if got, want := received(t, conn), "<11>STAMP aes67d[PID]: level=ERROR msg=four\n"; got != want {
		t.Errorf("the new syslog has %q; want %q", got, want)
	}
	// What is queued at the end is sent, and then standard error has the rest.
	log.Info("five")
	h.Close()
	log.Info("six")
	if got, want := received(t, conn), "<14>STAMP aes67d[PID]: level=INFO msg=five\n"; got != want {
		t.Errorf("syslog has %q; want %q", got, want)
	}
	if got, want := stderr.next(t), "level=INFO msg=six\n"; got != want {
		t.Errorf("standard error has %q; want %q", got, want)
	}
}

// TestPeace does not bother a syslog that cannot be reached with every line.
func TestPeace(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "log")
	stderr := make(lines, 10)
	h := newHandler(stderr, socket, time.Hour)
	defer h.Close()
	if err := h.Configure("", "", 2); err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	log.Info("one")
	stderr.next(t)
	stderr.next(t)
	server(t, "unixgram", socket)
	log.Info("two")
	if got, want := stderr.next(t), "level=INFO msg=two\n"; got != want {
		t.Errorf("standard error has %q; want %q", got, want)
	}
}

// TestStuck has a syslog that takes nothing: all that is logged has to be written without
// waiting for it, and what the queue does not hold goes to standard error.
func TestStuck(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "log")
	conn := server(t, "unixgram", socket)
	const most = 10000 // more than the socket and the queue hold
	stderr := make(lines, most)
	h := newHandler(stderr, socket, 0)
	if err := h.Configure("", "", 2); err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	for n := range most {
		log.Info("line", "n", n)
	}
	h.Close() // comes back, though nothing moves
	overflow := len(stderr)
	if overflow == 0 {
		t.Error("standard error has nothing of what syslog did not take")
	}
	for range most - overflow {
		received(t, conn)
	}
	if len(stderr) != overflow {
		t.Errorf("standard error got %d lines more", len(stderr)-overflow)
	}
}

func TestConfigure(t *testing.T) {
	a, b := server(t, "udp", "127.0.0.1:0"), server(t, "udp", "127.0.0.1:0")
	before := runtime.NumGoroutine()
	stderr := make(lines, 10)
	h := New(stderr)
	log := slog.New(h).With("k", "v")
	for _, test := range []struct {
		proto, server string
		severity      int
	}{
		{"tcp", "127.0.0.1:514", 2}, {"udp", "127.0.0.1", 2}, {"none", "", -1}, {"none", "", 6},
	} {
		if err := h.Configure(test.proto, test.server, test.severity); err == nil {
			t.Errorf("Configure(%q, %q, %d) = nil; want an error", test.proto, test.server, test.severity)
		}
	}
	log.Info("to standard error")
	if got, want := stderr.next(t), "level=INFO msg=\"to standard error\" k=v\n"; got != want {
		t.Errorf("standard error has %q; want %q", got, want)
	}
	for _, to := range []net.PacketConn{a, b, a} {
		if err := h.Configure("udp", to.LocalAddr().String(), 2); err != nil {
			t.Fatal(err)
		}
		// The same again, with another severity, keeps the connection.
		sender := h.shared.syslog.Load()
		if err := h.Configure("udp", to.LocalAddr().String(), 3); err != nil {
			t.Fatal(err)
		}
		if h.shared.syslog.Load() != sender {
			t.Error("a change of severity made a new connection")
		}
		log.Info("too low")
		log.Warn("to a server")
		if got, want := received(t, to), "<132>RFC3339 HOST aes67d[PID]: level=WARN msg=\"to a server\" k=v\n"; got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	if err := h.Configure("none", "", 2); err != nil {
		t.Fatal(err)
	}
	log.Info("to standard error")
	stderr.next(t)
	h.Close()
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
