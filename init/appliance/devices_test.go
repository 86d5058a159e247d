package appliance

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/board"
	"aes67os/init/api"
	"aes67os/init/modules"
	"aes67os/init/uevent"
)

func TestEvent(t *testing.T) {
	for _, test := range []struct {
		name       string
		event      uevent.Event
		alias      string
		block, net bool
	}{
		{"card on the bus", uevent.Event{Action: "add", Env: map[string]string{"SUBSYSTEM": "pci", "MODALIAS": "pci:v1"}}, "pci:v1", false, false},
		{"disk", uevent.Event{Action: "add", Env: map[string]string{"SUBSYSTEM": "block", "DEVNAME": "sda"}}, "", true, false},
		{"network card", uevent.Event{Action: "add", Env: map[string]string{"SUBSYSTEM": "net"}}, "", false, true},
		{"keyboard", uevent.Event{Action: "add", Env: map[string]string{"SUBSYSTEM": "input", "DEVNAME": "input/event-none"}}, "", false, false},
		{"unplugged", uevent.Event{Action: "remove", Env: map[string]string{"SUBSYSTEM": "block", "MODALIAS": "pci:v1"}}, "", false, false},
		{"driver found", uevent.Event{Action: "bind", Env: map[string]string{"SUBSYSTEM": "net", "MODALIAS": "pci:v1"}}, "", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDevices(nil, quiet, func() { t.Error("a button is pressed") })
			load := make(chan string, 1)
			d.event(t.Context(), test.event, load)
			d.event(t.Context(), uevent.Event{Action: "change"}, load)
			var alias string
			if len(load) > 0 {
				alias = <-load
			}
			if alias != test.alias || len(d.block) == 1 != test.block || len(d.net) == 1 != test.net {
				t.Errorf("loads %q, tells of a disk %t, of a network card %t; want %q, %t, %t",
					alias, len(d.block) == 1, len(d.net) == 1, test.alias, test.block, test.net)
			}
		})
	}
}

// Events come whether or not anybody waits for their devices, and may come while
// nothing is loaded any more.
func TestEventDoesNotWait(t *testing.T) {
	d := newDevices(nil, quiet, nil)
	for range 3 {
		for _, subsystem := range []string{"block", "net"} {
			d.event(t.Context(), uevent.Event{Action: "add", Env: map[string]string{"SUBSYSTEM": subsystem}}, nil)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	d.event(ended, uevent.Event{Action: "add", Env: map[string]string{"MODALIAS": "pci:v1"}}, make(chan string))
}

// aes67d has no rights to devices but those that it is given.
func TestDevicesForAudio(t *testing.T) {
	dev := t.TempDir()
	if err := os.Mkdir(filepath.Join(dev, "snd"), 0o755); err != nil {
		t.Fatal(err)
	}
	nodes := []string{"snd/pcmC0D0p", "snd/pcmC1D0p", "ptp0", "ptp1", "sda"}
	for _, n := range nodes {
		if err := os.WriteFile(filepath.Join(dev, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := newDevices(nil, slog.New(slog.NewTextHandler(t.Output(), nil)), nil)
	d.dev = dev
	given := func(want ...string) {
		t.Helper()
		for _, n := range nodes {
			info, err := os.Stat(filepath.Join(dev, n))
			if err != nil {
				t.Fatal(err)
			}
			group, mode := info.Sys().(*syscall.Stat_t).Gid, info.Mode().Perm()
			if ok := group == board.AudioUID && mode == 0o660; ok != slices.Contains(want, n) {
				t.Errorf("%s has group %d and mode %o; given to aes67d are to be %v", n, group, mode, want)
			}
		}
	}
	for _, e := range []map[string]string{
		{"SUBSYSTEM": "sound", "DEVNAME": "snd/pcmC1D0p"},
		{"SUBSYSTEM": "sound"}, // the card itself, which has no node
		{"SUBSYSTEM": "sound", "DEVNAME": "snd/unplugged"},
		{"SUBSYSTEM": "ptp", "DEVNAME": "ptp1"},
		{"SUBSYSTEM": "block", "DEVNAME": "sda"},
	} {
		d.event(t.Context(), uevent.Event{Action: "add", Env: e}, nil)
	}
	given("snd/pcmC1D0p", "ptp1")
	d.giveAllToAudio()
	given("snd/pcmC0D0p", "snd/pcmC1D0p", "ptp0", "ptp1")
}

func TestGoOn(t *testing.T) {
	d := newDevices(nil, quiet, nil)
	select {
	case <-d.proceed:
		t.Fatal("what is not urgent is loaded at once")
	default:
	}
	d.goOn()
	d.goOn() // the clock and the services both call it
	<-d.proceed
}

func TestLoadDriver(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"modules.dep", "modules.alias", "modules.softdep"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	loader, err := modules.New(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	module := board.Release{RavennaModule: "MergingRavennaALSA"}
	for _, test := range []struct {
		name    string
		release board.Release
		loader  *modules.Loader
		why     string
	}{
		{"no module", board.Release{}, loader, "the image has no RAVENNA kernel module, and needs none"},
		{"module lost", module, loader, "the RAVENNA kernel module is in the image but could not be loaded: load MergingRavennaALSA: no such module in this image"},
		{"no index of modules", module, nil, "no kernel module can be loaded"},
	} {
		if diff := cmp.Diff(api.Driver{Name: "userspace", Why: test.why}, loadDriver(test.release, test.loader)); diff != "" {
			t.Errorf("%s: loadDriver() differs (-want +got):\n%s", test.name, diff)
		}
	}
}
