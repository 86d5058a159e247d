package process

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"aes67os/driver"
	"aes67os/driver/fake"
	"aes67os/test/logs"

	"github.com/google/go-cmp/cmp"
)

// asEngine in the environment makes the test's program an engine.
const asEngine = "AES67OS_TEST_ENGINE"

func TestMain(m *testing.M) {
	if os.Getenv(asEngine) == "" {
		os.Exit(m.Run())
	}
	log := NewLogger(os.Stderr)
	conn, err := Connect()
	if err == nil {
		log.Info("engine begins", "pid", os.Getpid())
		err = Serve(conn, fake.New(), log)
		log.Info("engine ends")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestProcess kills a real engine: it is an interruption, and another takes its place.
func TestProcess(t *testing.T) {
	var logged logs.Buffer
	log := slog.New(slog.NewJSONHandler(&logged, nil))
	processes := make(chan *os.Process, 2)
	d := New("fake", func() (Engine, error) {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), asEngine+"=yes")
		e, err := Start(c, log)
		processes <- c.Process
		return e, err
	}, log)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := make(chan driver.Event, 10)
	ended := make(chan error)
	go func() { ended <- d.Run(ctx, config(), func(e driver.Event) { events <- e }) }()
	expect := func(want string) {
		t.Helper()
		select {
		case e := <-events:
			if got := fmt.Sprintf("%T", e); got != want {
				t.Fatalf("event %s %v; want %s", got, e, want)
			}
			if u, ok := e.(driver.Unavailable); ok && !strings.Contains(u.Err.Error(), "killed") {
				t.Errorf("unavailable: %v; want the reason", u.Err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no event; want %s", want)
		}
	}
	expect("driver.Available")
	if err := d.SetSampleRate(t.Context(), 96000); err != nil {
		t.Error(err)
	}
	if err := (<-processes).Kill(); err != nil {
		t.Fatal(err)
	}
	expect("driver.Unavailable")
	expect("driver.Available")
	second := <-processes
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := second.Signal(os.Interrupt); err == nil {
		t.Error("the engine runs although nobody drives it")
	}
	var messages []string
	for line := range strings.Lines(logged.String()) {
		var l struct {
			Level, Msg string
			PID        int
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		messages = append(messages, l.Level+" "+l.Msg)
	}
	want := []string{"INFO engine begins", "INFO engine begins", "INFO engine ends"}
	if diff := cmp.Diff(want, messages); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestNoProgram has an engine that cannot be started, and one that ends at once.
func TestNoProgram(t *testing.T) {
	for name, c := range map[string]struct {
		program []string
		want    string
	}{
		"missing": {[]string{"/nonexistent/engine"}, "cannot start the audio engine"},
		"ends":    {[]string{"sh", "-c", "echo last words >&2; exit 3"}, "exit status 3"},
	} {
		t.Run(name, func(t *testing.T) {
			var logged logs.Buffer
			log := slog.New(slog.NewTextHandler(&logged, nil))
			d := New("none", func() (Engine, error) { return Start(exec.Command(c.program[0], c.program[1:]...), log) }, log)
			ctx, cancel := context.WithCancel(t.Context())
			reasons := make(chan error, 1)
			ended := make(chan error)
			go func() {
				ended <- d.Run(ctx, config(), func(e driver.Event) {
					if u, ok := e.(driver.Unavailable); ok {
						reasons <- u.Err
						cancel()
					}
				})
			}()
			if err := <-reasons; !strings.Contains(err.Error(), c.want) {
				t.Errorf("unavailable: %v; want %q", err, c.want)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if name == "ends" && !strings.Contains(logged.String(), "last words") {
				t.Errorf("the log is %q; want what the engine said", &logged)
			}
		})
	}
}

func TestRelay(t *testing.T) {
	var logged logs.Buffer
	r := newRelay(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelInfo,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})))
	engine := NewLogger(r)
	engine.Debug("nobody wants to know")
	engine.Warn("a port", "name", "card", "position", int64(86_177_804_063_908_001), "gm", driver.ClockID{1}, "err", driver.ErrRefused)
	fmt.Fprint(r, "panic: in two ")
	fmt.Fprint(r, "pieces\n\n{\"level\":\"odd\"}\nlast")
	r.end()
	const want = `level=WARN msg="a port" err="command failed" gm=01-00-00-00-00-00-00-00 name=card position=86177804063908001
level=ERROR msg="audio engine: panic: in two pieces"
level=ERROR msg="audio engine: {\"level\":\"odd\"}"
level=ERROR msg="audio engine: last"
`
	if diff := cmp.Diff(want, logged.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}
