package appliance

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aes67os/board"
	"aes67os/init/api"
	"aes67os/init/journal"
	"aes67os/init/power"
	"aes67os/init/storage"
	"aes67os/init/system"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// noPartition mounts what stands in for a data partition that is not there.
func noPartition(t *testing.T) *storage.Data {
	t.Helper()
	return mount(t, t.TempDir(), t.TempDir())
}

// damagedPartition does so for one that holds something else than a file system.
func damagedPartition(t *testing.T) *storage.Data {
	t.Helper()
	sys, dev := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		filepath.Join(sys, "class/block/sdz2/uevent"): "PARTN=2\nPARTNAME=" + board.DataPartition + "\n",
		filepath.Join(dev, "sdz2"):                    "somebody's letters",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return mount(t, sys, dev)
}

func mount(t *testing.T, sys, dev string) *storage.Data {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a partition that is not there now will not come
	d, err := storage.Mount(ctx, storage.Options{Sys: sys, Dev: dev, Target: t.TempDir(), Wait: time.Hour, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestStatusNotes(t *testing.T) {
	network := api.Note{Severity: api.Error, Text: "Could not set up the network: no."}
	debug := api.Note{Severity: api.Warning, Text: "This is a debug image."}
	for _, test := range []struct {
		name  string
		data  func(*testing.T) *storage.Data
		notes []api.Note
		state api.DataState
		want  []api.Note
	}{
		{"no data partition is tried yet", nil, nil, "", []api.Note{}},
		{"notes in the order of their coming", nil, []api.Note{network, debug}, "", []api.Note{network, debug}},
		{"missing", noPartition, nil, api.DataMissing, []api.Note{
			{Severity: api.Error, Text: "Settings are not kept: this machine has no disk with a partition called " + board.DataPartition + "."},
		}},
		{"missing comes first", noPartition, []api.Note{network, debug}, api.DataMissing, []api.Note{
			{Severity: api.Error, Text: "Settings are not kept: this machine has no disk with a partition called " + board.DataPartition + "."},
			network, debug,
		}},
		{"damaged comes first", damagedPartition, []api.Note{network}, api.DataDamaged, []api.Note{
			{Severity: api.Error, Text: "Settings are not kept: WHY."}, network,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := &Appliance{load: system.NewLoad("/proc")}
			if test.data != nil {
				a.data = test.data(t)
			}
			for _, n := range test.notes {
				a.notes.add(n.Severity, n.Text)
			}
			s := a.Status()
			if s.Data.State != test.state {
				t.Errorf("the data partition is %q; want %q", s.Data.State, test.state)
			}
			for i := range test.want {
				if test.want[i].Text == "Settings are not kept: WHY." {
					test.want[i].Text = "Settings are not kept: " + s.Data.Why + "."
				}
			}
			if diff := cmp.Diff(test.want, s.Notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
			// What is added for an answer must not be there twice in the next.
			if diff := cmp.Diff(s.Notes, a.Status().Notes); diff != "" {
				t.Errorf("notes, asked again (-first +second):\n%s", diff)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	a := &Appliance{
		release:  board.Release{Version: "2026.11.22-1140.0123abc"},
		board:    board.Board{Title: "Test board"},
		load:     system.NewLoad("/proc"),
		driver:   api.Driver{Name: "userspace", Why: "no module"},
		hostname: "aes67-123456",
	}
	a.readyAt.Store(4500 * time.Millisecond)
	got := a.Status()
	if got.Uptime <= 0 || got.Memory.Total == 0 || got.CPU.Cores == 0 || got.Kernel == "" {
		t.Errorf("Status() = %+v; want uptime, memory, processor and kernel of this machine", got)
	}
	want := api.Status{
		Version: "2026.11.22-1140.0123abc", Board: "Test board", Hostname: "aes67-123456", Ready: 4.5,
		Driver: api.Driver{Name: "userspace", Why: "no module"}, Notes: []api.Note{},
		Kernel: got.Kernel, Uptime: got.Uptime, CPU: got.CPU, Memory: got.Memory,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Status() differs (-want +got):\n%s", diff)
	}
}

// Notes are added and read by goroutines of their own.
func TestNotesAtTheSameTime(t *testing.T) {
	var n notes
	var writers sync.WaitGroup
	const each = 100
	for range 4 {
		writers.Go(func() {
			for range each {
				n.add(api.Warning, "a note")
				list := n.list()
				list[0].Text = "changed by a reader"
			}
		})
	}
	writers.Wait()
	list := n.list()
	if len(list) != 4*each || list[0].Text != "a note" {
		t.Errorf("there are %d notes, the first is %q; want %d as they were added", len(list), list[0].Text, 4*each)
	}
}

func TestTry(t *testing.T) {
	a := &Appliance{journal: journal.New(journal.Options{})}
	a.log = slog.New(a.journal.Handler("init", nil))
	a.try("name the host", nil)
	a.try("set up the network", errors.New("no such device"))
	want := []api.Note{{Severity: api.Error, Text: "Could not set up the network: no such device."}}
	if diff := cmp.Diff(want, a.notes.list()); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"set up the network: no such device"}, logged(t, a, api.LogQuery{})); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestBackground(t *testing.T) {
	a := &Appliance{log: quiet}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	failed := func() error { return errors.New("failed") }
	a.background(t.Context(), "do nothing", func() error { return nil })
	a.background(ended, "go on", failed) // the machine goes down: that is its end
	if got := a.notes.list(); len(got) > 0 {
		t.Errorf("notes are %v; want none", got)
	}
	a.background(t.Context(), "serve", failed)
	want := []api.Note{{Severity: api.Error, Text: "Could not serve: failed."}}
	if diff := cmp.Diff(want, a.notes.list()); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

func logged(t *testing.T, a *Appliance, q api.LogQuery) []string {
	t.Helper()
	var got []string
	err := a.Logs(t.Context(), q, func(e api.LogEntry) error {
		got = append(got, e.Text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestLogs(t *testing.T) {
	a := &Appliance{journal: journal.New(journal.Options{})}
	for _, text := range []string{"one", "two", "three"} {
		a.journal.Append("aes67d", api.Info, text)
	}
	if diff := cmp.Diff([]string{"two", "three"}, logged(t, a, api.LogQuery{Tail: 2})); diff != "" {
		t.Errorf("Logs() (-want +got):\n%s", diff)
	}
	enough := errors.New("enough")
	for _, follow := range []bool{false, true} {
		var got []string
		err := a.Logs(t.Context(), api.LogQuery{Follow: follow}, func(e api.LogEntry) error {
			got = append(got, e.Text)
			if e.Text == "two" {
				return enough
			}
			return nil
		})
		if diff := cmp.Diff([]string{"one", "two"}, got); diff != "" || !errors.Is(err, enough) {
			t.Errorf("Logs(follow %t) = %v; want the reader's own error (-want +got):\n%s", follow, err, diff)
		}
	}
}

// Who asks second is too late, and does not wait.
func TestGoDown(t *testing.T) {
	a := &Appliance{down: make(chan power.Action, 1)}
	a.GoDown(power.Off)
	a.GoDown(power.Reboot)
	if got := <-a.down; got != power.Off {
		t.Errorf("the machine goes down by %v; want %v", got, power.Off)
	}
	select {
	case action := <-a.down:
		t.Errorf("the machine is to go down once more: %v", action)
	default:
	}
}
