package apiserver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/init/api"
	"aes67os/init/journal"
	"aes67os/init/power"
)

// fake is an appliance with a log.
type fake struct {
	log  *journal.Journal
	down chan power.Action
}

func (f *fake) Status() api.Status         { return api.Status{Hostname: "aes67-123456"} }
func (f *fake) Services() []api.Service    { return []api.Service{{Name: "aes67d", State: api.Running}} }
func (f *fake) Tuning() []api.Setting      { return []api.Setting{{Name: "kernel.x", OK: true}} }
func (f *fake) Network() []api.Interface   { return []api.Interface{{Name: "eth0", Method: api.DHCP}} }
func (f *fake) GoDown(action power.Action) { f.down <- action }
func (f *fake) Logs(ctx context.Context, q api.LogQuery, each func(api.LogEntry) error) error {
	return f.log.Read(ctx, q, each)
}

func serve(t *testing.T) (*fake, *api.Client, string) {
	t.Helper()
	f := &fake{log: journal.New(journal.Options{}), down: make(chan power.Action, 1)}
	socket := filepath.Join(t.TempDir(), "init.sock")
	l, err := Listen(socket, os.Getgid())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- Serve(ctx, l, f, slog.New(slog.NewTextHandler(io.Discard, nil))) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve = %v; want it to end with its context", err)
		}
	})
	return f, api.NewClient(socket), socket
}

// The client and the server are each other's test.
func TestClient(t *testing.T) {
	f, c, _ := serve(t)
	ctx := t.Context()
	if got, err := c.Status(ctx); err != nil || got.Hostname != "aes67-123456" {
		t.Errorf("Status = %+v, %v", got, err)
	}
	if got, err := c.Services(ctx); err != nil || cmp.Diff(f.Services(), got) != "" {
		t.Errorf("Services = %+v, %v", got, err)
	}
	if got, err := c.Tuning(ctx); err != nil || cmp.Diff(f.Tuning(), got) != "" {
		t.Errorf("Tuning = %+v, %v", got, err)
	}
	if got, err := c.Network(ctx); err != nil || cmp.Diff(f.Network(), got) != "" {
		t.Errorf("Network = %+v, %v", got, err)
	}
	if err := c.Reboot(ctx); err != nil || <-f.down != power.Reboot {
		t.Errorf("Reboot = %v", err)
	}
	if err := c.PowerOff(ctx); err != nil || <-f.down != power.Off {
		t.Errorf("PowerOff = %v", err)
	}
}

func TestLogs(t *testing.T) {
	f, c, _ := serve(t)
	for _, text := range []string{"one", "two", "three"} {
		f.log.Append("aes67d", api.Info, text)
	}
	f.log.Append("webui", api.Warning, "four")
	for _, test := range []struct {
		q    api.LogQuery
		want []string
	}{
		{api.LogQuery{}, []string{"one", "two", "three", "four"}},
		{api.LogQuery{Tail: 2}, []string{"three", "four"}},
		{api.LogQuery{Since: 3}, []string{"four"}},
		{api.LogQuery{Service: "aes67d", Tail: 1}, []string{"three"}},
	} {
		var got []string
		err := c.Logs(t.Context(), test.q, func(e api.LogEntry) error {
			got = append(got, e.Text)
			return nil
		})
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("Logs(%+v) = %v (-want +got):\n%s", test.q, err, diff)
		}
	}
}

func TestLogsFollow(t *testing.T) {
	f, c, _ := serve(t)
	f.log.Append("init", api.Info, "before")
	enough := errors.New("enough")
	var got []string
	err := c.Logs(t.Context(), api.LogQuery{Follow: true}, func(e api.LogEntry) error {
		got = append(got, e.Text)
		if e.Text == "after" {
			return enough
		}
		f.log.Append("init", api.Info, "after")
		return nil
	})
	if diff := cmp.Diff([]string{"before", "after"}, got); !errors.Is(err, enough) || diff != "" {
		t.Errorf("Logs = %v (-want +got):\n%s", err, diff)
	}
}

func TestErrors(t *testing.T) {
	_, c, socket := serve(t)
	err := c.Logs(t.Context(), api.LogQuery{Tail: -1}, nil)
	if err == nil || !strings.Contains(err.Error(), "tail: expected a number") {
		t.Errorf("Logs(tail -1) = %v; want the reason", err)
	}
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o660 || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Getuid()) {
		t.Errorf("socket is %v, %v; want it closed to other users", info.Mode(), err)
	}
	// A socket left behind by init's last life is replaced.
	l, err := Listen(socket, os.Getgid())
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
