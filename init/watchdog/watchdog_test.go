package watchdog

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fake is a device that writes down what is done to it.
type fake struct {
	begin time.Time
	did   []string
	// longest is the longest timeout it takes; 0 is any.
	longest time.Duration
	current time.Duration
	// deaf makes it refuse to tell its timeout.
	deaf bool
	// broken makes feeding fail.
	broken atomic.Bool
}

func (f *fake) note(what string) {
	f.did = append(f.did, time.Since(f.begin).String()+" "+what)
}

func (f *fake) feed() error {
	if f.broken.Load() {
		return syscall.ENODEV
	}
	f.note("feed")
	return nil
}

func (f *fake) setTimeout(d time.Duration) error {
	if f.longest != 0 && d > f.longest {
		return syscall.EINVAL
	}
	f.note("timeout " + d.String())
	f.current = d
	return nil
}

func (f *fake) timeout() (time.Duration, error) {
	if f.deaf {
		return 0, syscall.ENOTTY
	}
	return f.current, nil
}

func (f *fake) name() string  { return "fake" }
func (f *fake) disarm() error { f.note("disarm"); return nil }
func (f *fake) close() error  { f.note("close"); return nil }
func always() bool            { return true }
func logTo(b *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// run runs w for d of the bubble's time.
func run(t *testing.T, w *Watchdog, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	w.Run(ctx)
}

func TestFeedsThreeTimesInATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{begin: time.Now()}
		var log bytes.Buffer
		w := New(Options{Timeout: 30 * time.Second, Healthy: always, Log: logTo(&log),
			open: func(string) (device, error) { return f, nil }})
		run(t, w, 25*time.Second)
		want := []string{"0s timeout 30s", "0s feed", "10s feed", "20s feed"}
		if diff := cmp.Diff(want, f.did); diff != "" {
			t.Error(diff)
		}
		if want := "level=INFO msg=\"the hardware watchdog is armed\" driver=fake timeout=30s\n"; log.String() != want {
			t.Errorf("log: got %q, want %q", log.String(), want)
		}
	})
}

func TestFeedsByTheTimeoutInForce(t *testing.T) {
	tests := map[string]struct {
		device *fake
		want   []string
	}{
		"driver keeps its own": {
			&fake{longest: 9 * time.Second, current: 9 * time.Second},
			[]string{"0s feed", "3s feed"},
		},
		"driver does not tell": {
			&fake{longest: 1, deaf: true},
			[]string{"0s feed", "1s feed", "2s feed", "3s feed"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := test.device
				f.begin = time.Now()
				w := New(Options{Healthy: always, Log: slog.New(slog.DiscardHandler),
					open: func(string) (device, error) { return f, nil }})
				run(t, w, 3500*time.Millisecond)
				if diff := cmp.Diff(test.want, f.did); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestFeedsOnlyWhileHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{begin: time.Now()}
		var log bytes.Buffer
		healthy := func() bool {
			age := time.Since(f.begin)
			return age < 9*time.Second || age > 21*time.Second
		}
		w := New(Options{Healthy: healthy, Log: logTo(&log),
			open: func(string) (device, error) { return f, nil }})
		run(t, w, 31*time.Second)
		want := []string{"0s timeout 15s", "0s feed", "5s feed", "25s feed", "30s feed"}
		if diff := cmp.Diff(want, f.did); diff != "" {
			t.Error(diff)
		}
		wantLog := `level=INFO msg="the hardware watchdog is armed" driver=fake timeout=15s
level=ERROR msg="services are not healthy, the hardware watchdog is not fed any more" reset_in=15s
level=INFO msg="services are healthy again, the hardware watchdog is fed"
`
		if diff := cmp.Diff(wantLog, log.String()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWaitsForTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{begin: time.Now()}
		var log bytes.Buffer
		w := New(Options{Healthy: always, Log: logTo(&log), open: func(string) (device, error) {
			switch age := time.Since(f.begin); {
			case age < 3*time.Second:
				return nil, fs.ErrNotExist
			case age < 6*time.Second:
				return nil, syscall.EBUSY
			default:
				return f, nil
			}
		}})
		run(t, w, 7*time.Second)
		if diff := cmp.Diff([]string{"6s timeout 15s", "6s feed"}, f.did); diff != "" {
			t.Error(diff)
		}
		if got := strings.Count(log.String(), "cannot be opened"); got != 1 {
			t.Errorf("complained %d times, want once:\n%s", got, log.String())
		}
	})
}

func TestTakesUpADeviceAgainThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{begin: time.Now()}
		f.broken.Store(true)
		w := New(Options{Healthy: always, Log: slog.New(slog.DiscardHandler),
			open: func(string) (device, error) { return f, nil }})
		time.AfterFunc(500*time.Millisecond, func() { f.broken.Store(false) })
		run(t, w, 2*time.Second)
		want := []string{"0s timeout 15s", "0s close", "1s timeout 15s", "1s feed"}
		if diff := cmp.Diff(want, f.did); diff != "" {
			t.Error(diff)
		}
	})
}

func TestEnds(t *testing.T) {
	tests := map[string]struct {
		end     func(*Watchdog) error
		longest time.Duration
		want    []string
	}{
		"power-off": {
			end:  (*Watchdog).Disarm,
			want: []string{"disarm", "close"},
		},
		"reboot": {
			end:  func(w *Watchdog) error { return w.ArmForReboot(2 * time.Minute) },
			want: []string{"timeout 2m0s", "feed", "close"},
		},
		"reboot, short driver": {
			end:     func(w *Watchdog) error { return w.ArmForReboot(2 * time.Minute) },
			longest: time.Minute,
			want:    []string{"timeout 41s", "feed", "close"},
		},
		"reboot, driver takes nothing longer": {
			end:     func(w *Watchdog) error { return w.ArmForReboot(2 * time.Minute) },
			longest: 15 * time.Second,
			want:    []string{"feed", "close"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{begin: time.Now(), longest: test.longest}
				w := New(Options{Healthy: always, Log: slog.New(slog.DiscardHandler),
					open: func(string) (device, error) { return f, nil }})
				run(t, w, time.Second)
				f.did = nil
				// Once is enough, twice does no harm.
				if err := errors.Join(test.end(w), test.end(w)); err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, line := range f.did {
					_, what, _ := strings.Cut(line, " ")
					got = append(got, what)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
