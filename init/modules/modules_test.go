package modules

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	dep = `kernel/net/failover.ko:
kernel/net/net_failover.ko: kernel/net/failover.ko
kernel/net/virtio_net.ko: kernel/net/net_failover.ko kernel/net/failover.ko
kernel/fs/ext4.ko: kernel/lib/crc16.ko
kernel/lib/crc16.ko:
kernel/lib/crc32c-intel.ko:
kernel/sound/snd-hda-intel.ko:
kernel/sound/snd-hda-codec.ko:
`
	aliases = `# made by the builder
alias virtio:d00000001v* virtio_net
alias pci:v00008086d*sv*sd*bc04sc03i* snd_hda_intel
alias crypto-crc32c crc32c_intel
alias pci:v*d*sv*sd*bc01sc06i01* ahci
alias pci:v*d*sv*sd*bc0Csc03i30* crc16
alias usb:v[0-9a-f]*-x snd_hda_codec
`
	softdeps = `softdep ext4 pre: crypto-crc32c missing post: snd-hda-codec
softdep snd-hda-codec pre: snd-hda-intel
softdep snd-hda-intel pre: snd-hda-codec
`
)

// recorder is a kernel that only remembers.
type recorder struct {
	mu     sync.Mutex
	loaded []string
	refuse string
}

func (r *recorder) insert(path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := strings.TrimSuffix(filepath.Base(path), ".ko")
	if name == r.refuse {
		return errors.New("invalid module format")
	}
	r.loaded = append(r.loaded, name)
	return nil
}

func newLoader(t *testing.T) (*Loader, *recorder) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"modules.dep": dep, "modules.alias": aliases, "modules.softdep": softdeps} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l, err := New(dir, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	l.insert = r.insert
	return l, r
}

func TestLoad(t *testing.T) {
	for _, test := range []struct {
		name string
		want []string
	}{
		{"virtio-net", []string{"failover", "net_failover", "virtio_net"}},
		{"virtio:d00000001v00001AF4", []string{"failover", "net_failover", "virtio_net"}},
		// Soft dependencies: before, after, one that is missing, two in a circle.
		{"ext4", []string{"crc32c-intel", "crc16", "ext4", "snd-hda-intel", "snd-hda-codec"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, kernel := newLoader(t)
			if err := l.Load(test.name); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, kernel.loaded); diff != "" {
				t.Errorf("loaded (-want +got):\n%s", diff)
			}
			if err := l.Load(test.name); err != nil || len(kernel.loaded) != len(test.want) {
				t.Errorf("the second Load = %v, and loaded %v", err, kernel.loaded[len(test.want):])
			}
		})
	}
}

func TestLoadFails(t *testing.T) {
	l, kernel := newLoader(t)
	if err := l.Load("zfs"); !errors.Is(err, ErrUnknown) {
		t.Errorf("Load(zfs) = %v; want ErrUnknown", err)
	}
	if err := l.Load("ahci"); !errors.Is(err, ErrUnknown) {
		t.Errorf("Load(ahci), which only has an alias = %v; want ErrUnknown", err)
	}
	kernel.refuse = "failover"
	if err := l.Load("virtio_net"); err == nil || !strings.Contains(err.Error(), "failover: invalid module format") {
		t.Errorf("Load of a module whose dependency fails = %v; want the dependency's error", err)
	}
	if len(kernel.loaded) != 0 {
		t.Errorf("loaded %v in spite of a dependency that failed", kernel.loaded)
	}
}

func TestLoadConcurrently(t *testing.T) {
	l, kernel := newLoader(t)
	var wg sync.WaitGroup
	for _, name := range []string{"virtio_net", "ext4", "snd_hda_intel", "snd_hda_codec", "net_failover"} {
		for range 4 {
			wg.Go(func() {
				if err := l.Load(name); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if len(kernel.loaded) != 8 {
		t.Errorf("loaded %v; want each of the 8 modules once", kernel.loaded)
	}
}

// plug makes devices with these aliases, as sysfs shows them.
func plug(t *testing.T, aliases ...string) (sys string) {
	t.Helper()
	sys = t.TempDir()
	for i, alias := range aliases {
		bus, _, _ := strings.Cut(alias, ":")
		dir := filepath.Join(sys, "devices", bus, fmt.Sprint(i))
		link := filepath.Join(sys, "bus", bus, "devices", fmt.Sprint(i))
		for _, d := range []string{dir, filepath.Dir(link)} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "modalias"), []byte(alias+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(dir, link); err != nil {
			t.Fatal(err)
		}
	}
	return sys
}

const (
	virtioNIC = "virtio:d00000001v00001AF4"
	nvme      = "pci:v0000144Dd0000A808sv0sd0bc01sc08i02"
	ahci      = "pci:v00008086d00002922sv0sd0bc01sc06i01" // its driver is not in the test's image
	usb       = "pci:v00001B36d0000000Dsv0sd0bc0Csc03i30"
	sound     = "pci:v00008086d00002668sv0sd0bc04sc03i00"
	smbus     = "pci:v00008086d00002930sv0sd0bc0Csc05i00"
	emac      = "of:NethernetT(null)Callwinner,sun8i-h3-emac"
	mmc       = "of:NmmcT(null)Callwinner,sun50i-h5-mmcCallwinner,sun50i-a64-mmc"
	ehci      = "of:NusbT(null)Callwinner,sun8i-h3-ehciCgeneric-ehci"
	leds      = "of:NledsT(null)Cgpio-leds"
)

// An alias is found wherever its wildcards begin.
func TestLookup(t *testing.T) {
	x := &index{deps: map[string]entry{}, alias: map[string][]alias{}}
	for _, a := range []string{
		"alias pci:v00008086d00002668sv*sd*bc*sc*i* vendor",
		"alias pci:v*d*sv*sd*bc0Csc03i30* class",
		"alias acpi*:PNP0C0C:* button",
		"alias mdio:0000000000100010???? phy",
		"alias x short",
		"alias fs-ext4 ext4",
	} {
		x.addAlias(a)
		x.addDep("kernel/" + a[strings.LastIndex(a, " ")+1:] + ".ko:")
	}
	for name, want := range map[string][]string{
		"pci:v00008086d00002668sv0sd0bc04sc03i00": {"vendor"},
		"pci:v00008086d00002668sv0sd0bc0Csc03i30": {"vendor", "class"},
		"pci:v00001B36d0000000Dsv0sd0bc0Csc03i30": {"class"},
		"acpi:PNP0C0C:":             {"button"},
		"mdio:00000000001000101234": {"phy"},
		"mdio:0000000000100010123":  nil,
		"x":                         {"short"},
		"fs_ext4":                   {"ext4"},
		"pci:v00008086":             nil,
		"":                          nil,
	} {
		if diff := cmp.Diff(want, x.lookup(name)); diff != "" {
			t.Errorf("lookup(%q) (-want +got):\n%s", name, diff)
		}
	}
}

func TestUrgent(t *testing.T) {
	sys := plug(t, sound, smbus, usb, ahci, nvme, virtioNIC, nvme, "platform:serial8250")
	quick, slow := urgent(sys)
	if diff := cmp.Diff([]string{virtioNIC, nvme, nvme}, quick); diff != "" {
		t.Errorf("quick (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{usb, ahci}, slow); diff != "" {
		t.Errorf("slow (-want +got):\n%s", diff)
	}
	all, err := everything(sys)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{nvme, usb, sound, ahci, smbus, "platform:serial8250", virtioNIC}, all); diff != "" {
		t.Errorf("everything (-want +got):\n%s", diff)
	}
}

// Devices of a device tree are on the platform's bus.
func TestUrgentInDeviceTree(t *testing.T) {
	sys := t.TempDir()
	for i, alias := range []string{leds, ehci, mmc, "platform:alarmtimer", emac} {
		dir := filepath.Join(sys, "bus/platform/devices", fmt.Sprint(i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "modalias"), []byte(alias), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	quick, slow := urgent(sys)
	if diff := cmp.Diff([]string{mmc, emac}, quick); diff != "" {
		t.Errorf("quick (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{ehci}, slow); diff != "" {
		t.Errorf("slow (-want +got):\n%s", diff)
	}
}

// sorted is for where the order does not matter.
var sorted = cmpopts.SortSlices(strings.Compare)

func TestColdPlug(t *testing.T) {
	for _, test := range []struct {
		name   string
		enough bool
		// before and after proceed is closed
		before, after []string
	}{
		{"enough", true, []string{"failover", "net_failover", "virtio_net"}, []string{"crc16", "snd-hda-codec", "snd-hda-intel"}},
		{"not enough", false, []string{"failover", "net_failover", "virtio_net", "crc16"}, []string{"snd-hda-codec", "snd-hda-intel"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, kernel := newLoader(t)
				sys := plug(t, sound, ahci, usb, virtioNIC, "platform:serial8250")
				proceed, done := make(chan struct{}), make(chan error)
				go func() { done <- l.ColdPlug(sys, func() bool { return test.enough }, proceed) }()
				synctest.Wait()
				if diff := cmp.Diff(test.before, kernel.loaded); diff != "" {
					t.Errorf("loaded before the page (-want +got):\n%s", diff)
				}
				close(proceed)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.after, kernel.loaded[len(test.before):], sorted); diff != "" {
					t.Errorf("loaded later (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"snd-hda-intel": "snd_hda_intel",
		"ext4":          "ext4",
		"usb:v[0-9]-x":  "usb:v[0-9]_x",
	} {
		if got := canonical(in); got != want {
			t.Errorf("canonical(%q) = %q; want %q", in, got, want)
		}
	}
}

func FuzzReadIndex(f *testing.F) {
	f.Add(dep, aliases, softdeps)
	f.Add("a.ko", "alias [ x", "softdep a pre: a post:")
	f.Fuzz(func(t *testing.T, dep, aliases, softdeps string) {
		dir := t.TempDir()
		for name, content := range map[string]string{"modules.dep": dep, "modules.alias": aliases, "modules.softdep": softdeps} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if x, err := readIndex(os.DirFS(dir)); err == nil {
			x.lookup("pci:v00008086")
		}
	})
}
