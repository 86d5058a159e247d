package service

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// supervisor receives what a program notifies.
func supervisor(t *testing.T) *net.UnixConn {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", socket)
	return conn
}

// told returns the next notification.
func told(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatalf("wait for a notification: %v", err)
	}
	return string(b[:n])
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLife(t *testing.T) {
	notified := supervisor(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", "")
	a, b := listen(t), listen(t)
	asked, release := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-release
		io.WriteString(w, "done")
	})
	s := &Server{Listeners: []net.Listener{a, b}, Handler: mux, Health: "/health", Log: quiet()}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()

	want := "READY=1\nSTATUS=serving on " + a.Addr().String() + ", " + b.Addr().String()
	if diff := cmp.Diff(want, told(t, notified)); diff != "" {
		t.Errorf("first notification (-want +got):\n%s", diff)
	}
	if got := told(t, notified); got != "WATCHDOG=1" {
		t.Errorf("then %q; want WATCHDOG=1", got)
	}

	// A request under way when the program is told to end is still answered.
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + b.Addr().String() + "/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-asked
	cancel()
	for last := ""; last != "STOPPING=1\nSTATUS=stopping"; {
		last = told(t, notified)
	}
	close(release)
	if got := <-answer; got != "done" {
		t.Errorf("the request under way got %q; want %q", got, "done")
	}
	if err := <-ended; err != nil {
		t.Errorf("Run = %v; want nil", err)
	}
}

func TestListenerFails(t *testing.T) {
	l := listen(t)
	l.Close()
	s := &Server{Listeners: []net.Listener{l}, Handler: http.NewServeMux(), Log: quiet()}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("Run = %v; want an error that names %s", err, l.Addr())
	}
	if err := (&Server{Log: quiet()}).Run(t.Context()); err == nil {
		t.Error("Run without listeners = nil; want an error")
	}
	t.Setenv("WATCHDOG_USEC", "soon")
	if err := s.Run(t.Context()); err == nil {
		t.Error("Run with an improper WATCHDOG_USEC = nil; want an error")
	}
}

// TestWatchdog feeds the watchdog only while the server answers.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hangs atomic.Bool
		fed := make(chan string, 10)
		check := func(ctx context.Context) error {
			if !hangs.Load() {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			watchdog(ctx, 5*time.Second, check, func(s string) { fed <- s }, quiet())
		}()
		time.Sleep(16 * time.Second)
		synctest.Wait()
		if len(fed) != 3 {
			t.Errorf("fed %d times in 16 s; want 3", len(fed))
		}
		hangs.Store(true)
		time.Sleep(60 * time.Second)
		synctest.Wait()
		if len(fed) != 3 {
			t.Errorf("fed %d times while the server hung; want none", len(fed)-3)
		}
		cancel()
		<-done
	})
}

func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		ok     bool
	}{
		{"well", http.StatusOK, true},
		{"broken", http.StatusInternalServerError, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/up" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				w.WriteHeader(test.status)
			}))
			defer server.Close()
			s := &Server{Listeners: []net.Listener{server.Listener}, Health: "/up", Log: quiet()}
			if err := s.answers(t.Context()); (err == nil) != test.ok {
				t.Errorf("answers = %v", err)
			}
		})
	}
}

// TestListen runs this test anew in a process that has sockets passed in, as a
// supervisor would start it.
func TestListen(t *testing.T) {
	if os.Getenv("LISTEN_FDS") != "" {
		// Only a parent that forks without exec knows this number beforehand.
		t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		ls, err := Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range ls {
			io.WriteString(os.Stdout, "listens on "+l.Addr().String()+"\n")
		}
		return
	}
	a, b := listen(t).(*net.TCPListener), listen(t).(*net.TCPListener)
	defer a.Close()
	defer b.Close()
	var files []*os.File
	for _, l := range []*net.TCPListener{a, b} {
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	null, err := os.Open(os.DevNull) // not a socket: to be left out
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	command := exec.Command(os.Args[0], "-test.run=^TestListen$")
	command.ExtraFiles = append(files, null)
	command.Env = append(os.Environ(), "LISTEN_FDS=3", "LISTEN_FDNAMES=http:http:null")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := "listens on " + a.Addr().String() + "\nlistens on " + b.Addr().String() + "\n"
	if !strings.HasPrefix(string(out), want) {
		t.Errorf("with sockets passed in it prints\n%s; want\n%s", out, want)
	}

	if _, err := Listen(a.Addr().String()); err == nil {
		t.Error("Listen on a port in use = nil; want an error")
	}
	ls, err := Listen("127.0.0.1:0")
	if err != nil || len(ls) != 1 {
		t.Fatalf("Listen = %v, %v; want one listener", ls, err)
	}
	ls[0].Close()
}

func TestRouter(t *testing.T) {
	var lines bytes.Buffer
	r := NewRouter(NewLogger(&lines))
	r.GET("/well", func(c *gin.Context) { c.String(http.StatusOK, "well") })
	r.GET("/panics", func(*gin.Context) { panic("on purpose") })
	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/well", 200, "well"},
		{"GET", "/well/", 404, "/well/ does not exist here\n"},
		{"PUT", "/well", 405, "PUT is not possible on /well\n"},
		{"GET", "/panics", 500, "internal error, see the log\n"},
	} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		if w.Code != test.status || w.Body.String() != test.body {
			t.Errorf("%s %s = %d %q; want %d %q", test.method, test.path, w.Code, w.Body, test.status, test.body)
		}
		if kind := w.Header().Get("Content-Type"); kind != "text/plain; charset=utf-8" {
			t.Errorf("%s %s is %s", test.method, test.path, kind)
		}
	}
	line := lines.String()
	if !strings.HasPrefix(line, `level=ERROR msg="panic in a handler" path=/panics panic="on purpose" stack=`) || strings.Count(line, "\n") != 1 {
		t.Errorf("the log says %q", line)
	}
}
