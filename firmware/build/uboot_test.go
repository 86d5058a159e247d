package build

import (
	"bytes"
	"compress/gzip"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/dt"

	"aes67os/board"
	"aes67os/firmware/disk"
	"aes67os/firmware/fit"
	"aes67os/firmware/slot"
	"aes67os/firmware/uboot"
)

const testTree = "usr/lib/linux-image-" + testRelease + "/vendor/test.dtb"

// deviceTree describes a board with a sound card, a port that is a host's, and these
// devices.
func deviceTree(t *testing.T, compatible ...string) string {
	t.Helper()
	root := dt.NewNode("", dt.WithChildren(
		dt.NewNode("usb", dt.WithProperty(dt.PropertyString("dr_mode", "host")))))
	for _, c := range compatible {
		name := c[strings.IndexByte(c, ',')+1:]
		root.Children = append(root.Children, dt.NewNode(name, dt.WithProperty(dt.PropertyString("compatible", c))))
	}
	var tree bytes.Buffer
	if _, err := (&dt.FDT{Header: dt.Header{Magic: dt.Magic, Version: 17, LastCompVersion: 16}, RootNode: root}).Write(&tree); err != nil {
		t.Fatal(err)
	}
	return tree.String()
}

// newUBootSource is the source of a board that boots by U-Boot.
func newUBootSource(t *testing.T) *source {
	t.Helper()
	s := newSource(t)
	s.board.Boot = board.UBoot
	s.board.SlotSize = 36 << 20
	s.board.UBoot = board.UBootConfig{
		Program: "usr/lib/u-boot/test/u-boot.bin", DeviceTree: "vendor/test.dtb",
		TreeEdits: []board.TreeEdit{{Node: "/usb", Property: "dr_mode", Value: "peripheral"}},
		NoDriver:  map[string]string{"vendor,screen": "there is none"},
	}
	s.boot = map[string]string{
		s.board.UBoot.Program:                      "U-Boot 2025.01 (test)",
		"usr/share/doc/systemd-boot-efi/copyright": "Format: 1.0\nLicense: GPL-2\n",
	}
	// A driver is built in, one is a module.
	s.kernel["boot/vmlinuz-"+testRelease] = "the kernel\x00vendor,clock" + strings.Repeat("\x00", 128)
	s.kernel[testTree] = deviceTree(t, "vendor,clock", "vendor,sound", "vendor,screen")
	s.kernel[modulesDir+"sound/snd-test.ko"] = module("snd_test", "depends=soundcore", "alias=of:N*T*Cvendor,sound")
	return s
}

func TestUBootImage(t *testing.T) {
	s := newUBootSource(t)
	o := s.options(t, io.Discard)
	r, err := Image(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	d, err := disk.Open(r.Image)
	if err != nil {
		t.Fatal(err)
	}
	if string(d.Loader) != "U-Boot 2025.01 (test)" {
		t.Errorf("the loader is %q", d.Loader)
	}
	var names []string
	for _, p := range d.Partitions {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{"aes67os-boot", "aes67os-state", "aes67os-slot-a", "aes67os-slot-b", "aes67os-data"}, names); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
	state, err := slot.Parse([slot.Size]byte(d.Partitions[1].Data))
	if err != nil || state != slot.First() {
		t.Errorf("state is %+v, %v", state, err)
	}
	script, err := uboot.Parse(d.Partitions[0].Files[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := uboot.Script(s.board, uboot.Partitions{State: 2, SlotA: 3, SlotB: 4}); err != nil || script != want {
		t.Errorf("boot.scr is\n%s\n%v; want\n%s", script, err, want)
	}
	if n := len(d.Partitions[3].Files); n != 0 {
		t.Errorf("slot b has %d files; want none", n)
	}

	parts, err := fit.Parse(d.Partitions[2].Files[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(parts, func(p fit.Part) bool { return p.Kind == fit.Ramdisk })
	if files := unpack(t, parts[i].Data); files["init"].Mode != "100755" {
		t.Errorf("the system has no init: %d files", len(files))
	}
	parts[i].Data = nil
	for i, p := range parts {
		switch p.Kind {
		case fit.Kernel:
			parts[i].Data = gunzip(t, p.Data)
		case fit.Tree:
			if !bytes.Contains(p.Data, []byte("peripheral\x00")) {
				t.Error("the device tree is not changed")
			}
			parts[i].Data = nil
		}
	}
	want := []fit.Part{
		{Name: "cmdline", Kind: fit.Script, Data: []byte("setenv bootargs \"quiet panic=10 aes67os.slot=${slot}\"\n")},
		{Name: "kernel", Title: testRelease, Kind: fit.Kernel, Data: []byte(s.kernel["boot/vmlinuz-"+testRelease]), Compression: "gzip", Load: uboot.KernelAddress},
		{Name: "fdt", Kind: fit.Tree, Load: uboot.TreeAddress},
		{Name: "initramfs", Kind: fit.Ramdisk},
	}
	if diff := cmp.Diff(want, parts); diff != "" {
		t.Errorf("slot file (-want +got):\n%s", diff)
	}

	again := o
	again.Out = filepath.Join(t.TempDir(), "again")
	if _, err := Image(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	first, second := contents(t, o.Out), contents(t, again.Out)
	for name := range first {
		if first[name] != second[name] {
			t.Errorf("%s differs between two builds of one commit", name)
		}
	}
}

func gunzip(t *testing.T, packed []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// A board with a device tree of its own has none in the slot file.
func TestUBootWithoutTree(t *testing.T) {
	s := newUBootSource(t)
	s.board.UBoot.DeviceTree, s.board.UBoot.DeviceTreeAt = "", "${fdt_addr}"
	r, err := Image(t.Context(), s.options(t, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	d, err := disk.Open(r.Image)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := fit.Parse(d.Partitions[2].Files[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(parts, func(p fit.Part) bool { return p.Kind == fit.Tree }) {
		t.Error("there is a device tree in the slot file")
	}
}

func TestUBootFails(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(t *testing.T, s *source)
		want   []string
	}{
		{"no U-Boot", func(_ *testing.T, s *source) { delete(s.boot, s.board.UBoot.Program) }, []string{"unpack: ", "has no usr/lib/u-boot/test/u-boot.bin"}},
		{"no device tree", func(_ *testing.T, s *source) { delete(s.kernel, testTree) }, []string{`has no device tree "vendor/test.dtb"`}},
		{"edit of nothing", func(_ *testing.T, s *source) { s.board.UBoot.TreeEdits[0].Node = "/otg" }, []string{"the device tree has no /otg"}},
		{
			"driver is not in the image", func(_ *testing.T, s *source) { s.board.Modules = []string{"soundcore"} },
			[]string{"the device tree of test has devices without a driver in the image", "/sound (vendor,sound): in the kernel's package: snd_test"},
		},
		{
			"driver is nowhere", func(t *testing.T, s *source) { s.kernel[testTree] = deviceTree(t, "vendor,clock-2", "vendor,sound") },
			[]string{"/clock-2 (vendor,clock-2): in the kernel's package: none"},
		},
		{"module is missing", func(_ *testing.T, s *source) { s.board.Modules = []string{"e1000e"} }, []string{"has no module e1000e"}},
		{"command line", func(_ *testing.T, s *source) { s.board.Cmdline = "quiet; reset" }, []string{"kernel: ", "mean something to U-Boot"}},
		{"unknown method", func(_ *testing.T, s *source) { s.board.Boot = "coreboot" }, []string{`boots by "coreboot", which is not known`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newUBootSource(t)
			test.change(t, s)
			_, err := Image(t.Context(), s.options(t, io.Discard))
			wantError(t, err, test.want...)
		})
	}
}

// What is measured against boots as the appliance does.
func TestUBootBare(t *testing.T) {
	o := newUBootSource(t).options(t, io.Discard)
	name := filepath.Join(t.TempDir(), "bare.img")
	if err := Bare(t.Context(), o, []byte("an init"), name); err != nil {
		t.Fatal(err)
	}
	d, err := disk.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := fit.Parse(d.Partitions[2].Files[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(parts, func(p fit.Part) bool { return p.Kind == fit.Ramdisk })
	want := map[string]node{
		"dev": {Mode: "040755"}, "dev/console": {Mode: "020600", Major: 5, Min: 1}, "init": {Mode: "100755", Data: "an init"},
	}
	if diff := cmp.Diff(want, unpack(t, parts[i].Data)); diff != "" {
		t.Errorf("system (-want +got):\n%s", diff)
	}
}
