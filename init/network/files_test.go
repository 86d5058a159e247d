package network

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResolvConf(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("198.51.100.53")
	const header = "# Written by init from the network's settings.\n"
	for _, tt := range []struct {
		name string
		from []resolver
		want string
	}{
		{"nothing", nil, header},
		{"one", []resolver{{servers: []netip.Addr{a}, domain: "studio.example"}}, header + "search studio.example\nnameserver 192.0.2.53\n"},
		{
			"two in order, nothing twice",
			[]resolver{
				{servers: []netip.Addr{b, a}, domain: "b.example"},
				{},
				{servers: []netip.Addr{a}, domain: "a.example"},
				{domain: "b.example"},
			},
			header + "search b.example a.example\nnameserver 198.51.100.53\nnameserver 192.0.2.53\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, resolvConf(tt.from)); diff != "" {
				t.Errorf("resolvConf() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "resolv.conf")
	for _, content := range []string{"first, which is longer\n", "second\n"} {
		if err := replaceFile(path, content); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(content, string(got)); diff != "" {
			t.Errorf("content (-want +got):\n%s", diff)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != 0o644 {
		t.Errorf("mode = %v, want readable to all: services run as users of their own", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("%d files are left, want 1: %v", len(entries), entries)
	}
	if err := replaceFile(filepath.Join(dir, "missing", "resolv.conf"), ""); err == nil {
		t.Error("replaceFile in a missing directory = nil, want an error")
	}
}

func TestSysfs(t *testing.T) {
	root := t.TempDir()
	file := func(path, content string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(path, target string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	link("eth0/device/driver", "../../bus/pci/drivers/igb")
	link("eth0/device/subsystem", "../../bus/pci")
	file("eth0/speed", "1000\n")
	link("unplugged/device/subsystem", "../../bus/usb")
	file("unplugged/speed", "-1\n")
	link("usb0/device/subsystem", "../../bus/gadget")
	link("wlan0/device/subsystem", "../../bus/pci")
	file("wlan0/phy80211/name", "phy0\n")
	file("br0/speed", "garbage\n")

	type facts struct {
		Hardware bool
		Driver   string
		Speed    int
	}
	for name, want := range map[string]facts{
		"eth0":      {Hardware: true, Driver: "igb", Speed: 1000},
		"unplugged": {Hardware: true},
		"usb0":      {},
		"wlan0":     {},
		"br0":       {},
		"missing":   {},
	} {
		got := facts{hardware(root, name), driver(root, name), speed(root, name)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
