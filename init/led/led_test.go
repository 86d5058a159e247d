package led

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newLight makes the files of a light.
func newLight(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"trigger", "brightness", "delay_on", "delay_off"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("0"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func look(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{"trigger", "brightness", "delay_on", "delay_off"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(b)
	}
	return files
}

func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nanopi:blue:status")
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var state atomic.Value
		state.Store(Starting)
		go Run(ctx, Options{Dir: dir, State: func() State { return state.Load().(State) }, Log: slog.New(slog.NewTextHandler(&log, nil))})
		// Its driver comes late.
		time.Sleep(2 * lookAgain)
		synctest.Wait()
		newLight(t, dir)
		for _, test := range []struct {
			state State
			want  map[string]string
		}{
			{Starting, map[string]string{"trigger": "timer", "delay_on": "500", "delay_off": "500", "brightness": "0"}},
			{Ready, map[string]string{"trigger": "none", "delay_on": "500", "delay_off": "500", "brightness": "1"}},
			{Fault, map[string]string{"trigger": "timer", "delay_on": "100", "delay_off": "100", "brightness": "1"}},
		} {
			state.Store(test.state)
			time.Sleep(lookAgain)
			synctest.Wait()
			if diff := cmp.Diff(test.want, look(t, dir)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.state, diff)
			}
		}
	})
	if log.Len() > 0 {
		t.Errorf("log: %s", &log)
	}
}

// A light that cannot be used is complained of once.
func TestRunComplainsOnce(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "trigger"), 0o755); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go Run(ctx, Options{Dir: dir, State: func() State { return Ready }, Log: slog.New(slog.NewTextHandler(&log, nil))})
		time.Sleep(5 * lookAgain)
		synctest.Wait()
	})
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("%d complaints; want one:\n%s", n, &log)
	}
}
