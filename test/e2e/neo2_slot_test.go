package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/board"
	"aes67os/firmware/devicetree"
	"aes67os/firmware/fit"
	"aes67os/firmware/initramfs"
	"aes67os/firmware/slot"
	"aes67os/firmware/uboot"
	"aes67os/kernel"
)

// TestNEO2Boot checks the script, the slots' state, and the slot file.
func TestNEO2Boot(t *testing.T) {
	t.Parallel()
	b, _, d := neo2(t)
	boot, _ := d.Partition(board.BootPartition)
	if len(boot.Files) != 1 || boot.Files[0].Name != "boot.scr" {
		t.Fatalf("the boot partition has %d files; want boot.scr alone", len(boot.Files))
	}
	script, err := uboot.Parse(boot.Files[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := uboot.Script(b, uboot.Partitions{State: 2, SlotA: 3, SlotB: 4}); err != nil || script != want {
		t.Errorf("boot.scr is\n%s\n%v; want\n%s", script, err, want)
	}
	state, _ := d.Partition(board.StatePartition)
	if s, err := slot.Parse([slot.Size]byte(state.Data)); err != nil || s != slot.First() {
		t.Errorf("the state is %+v, %v; want %+v", s, err, slot.First())
	}
	slotB, _ := d.Partition(board.SlotBPartition)
	if len(slotB.Files) != 0 {
		t.Errorf("slot b has %d files; want none", len(slotB.Files))
	}
	slotA, _ := d.Partition(board.SlotAPartition)
	if len(slotA.Files) != 1 || slotA.Files[0].Name != "image.itb" {
		t.Fatalf("slot a has %d files; want image.itb alone", len(slotA.Files))
	}
	checkSlotFile(t, b, slotA.Files[0].Data)
}

func checkSlotFile(t *testing.T, b board.Board, file []byte) {
	t.Helper()
	if most := 45_000_000; len(file) > most {
		t.Errorf("the slot file has %d bytes; want %d at most", len(file), most)
	}
	name := filepath.Join(t.TempDir(), "image.itb")
	if err := os.WriteFile(name, file, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "dumpimage", "-l", name).CombinedOutput()
	if err != nil {
		t.Fatalf("dumpimage: %v\n%s", err, out)
	}
	list := string(out)
	for _, want := range []string{"Type:         Kernel Image", "Compression:  gzip compressed", "Type:         Flat Device Tree", "Type:         RAMDisk Image", "Default Configuration: 'conf'"} {
		if !strings.Contains(list, want) {
			t.Errorf("dumpimage does not show %q:\n%s", want, list)
		}
	}
	parts, err := fit.Parse(file) // which checks every hash
	if err != nil {
		t.Fatal(err)
	}
	k, _ := packages(t, b)
	var names []string
	for _, p := range parts {
		names = append(names, p.Name)
		if shown := fmt.Sprintf("%x", sha256.Sum256(p.Data)); !strings.Contains(list, shown) {
			t.Errorf("dumpimage shows another hash of %s than %s", p.Name, shown)
		}
		switch p.Kind {
		case fit.Script:
			if want := "setenv bootargs \"" + b.Cmdline + " aes67os.slot=${slot}\"\n"; string(p.Data) != want {
				t.Errorf("the command line is %q; want %q", p.Data, want)
			}
		case fit.Kernel:
			checkKernel(t, k, p)
		case fit.Tree:
			checkTree(t, b, k, p.Data)
		case fit.Ramdisk:
			checkInitramfs(t, b, k, p.Data)
		}
	}
	if diff := cmp.Diff([]string{"cmdline", "kernel", "fdt", "initramfs"}, names); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
}

func checkKernel(t *testing.T, k *kernel.Kernel, p fit.Part) {
	t.Helper()
	gunzip := exec.CommandContext(t.Context(), "gzip", "-dc")
	gunzip.Stdin = bytes.NewReader(p.Data)
	got, err := gunzip.Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := k.Image()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the kernel is not Debian's")
	}
	// Documentation/arch/arm64/booting.rst: the image tells how much memory it takes,
	// and the script's own data are behind that.
	size := binary.LittleEndian.Uint64(got[16:])
	if string(got[56:60]) != "ARM\x64" || p.Load%(2<<20) != 0 || uint64(p.Load)+size > 0x4a000000 {
		t.Errorf("the kernel takes %#x bytes from %#x; want a multiple of 2 MiB, and an end within U-Boot's bootm_size", size, p.Load)
	}
}

func checkTree(t *testing.T, b board.Board, k *kernel.Kernel, tree []byte) {
	t.Helper()
	original, err := k.DTB(b.UBoot.DeviceTree)
	if err != nil {
		t.Fatal(err)
	}
	before, err := devicetree.Devices(original)
	if err != nil {
		t.Fatal(err)
	}
	after, err := devicetree.Devices(tree)
	if err != nil {
		t.Fatal(err)
	}
	var gone []string
	for _, d := range before {
		if !slices.ContainsFunc(after, func(a devicetree.Device) bool { return a.Path == d.Path }) {
			gone = append(gone, d.Path)
		}
	}
	if diff := cmp.Diff([]string{"/soc/usb@1c1a000", "/soc/usb@1c1a400"}, gone); diff != "" {
		t.Errorf("devices that the appliance does not have (-want +got):\n%s", diff)
	}
	// What the board says it does without is there, and nothing drives it already.
	for name := range b.UBoot.NoDriver {
		if !slices.ContainsFunc(after, func(d devicetree.Device) bool { return slices.Contains(d.Compatible, name) }) {
			t.Errorf("NoDriver has %s, which the device tree has not", name)
		}
	}
	name := filepath.Join(t.TempDir(), "fdt")
	if err := os.WriteFile(name, tree, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "fdtget", name, "/soc/usb@1c19000", "dr_mode").CombinedOutput()
	if err != nil || string(out) != "peripheral\n" {
		t.Errorf("the micro-USB port is %q, %v; want peripheral", out, err)
	}
}

func checkInitramfs(t *testing.T, b board.Board, k *kernel.Kernel, packed []byte) {
	t.Helper()
	files, err := initramfs.Read(packed)
	if err != nil {
		t.Fatal(err)
	}
	sizes, sum := map[string]int{}, 0
	for _, f := range files {
		sum += len(f.Data)
		name := f.Name
		if dir := "lib/modules/" + k.Release + "/"; strings.HasPrefix(name, dir) {
			name = path.Base(name)
		}
		sizes[name] = len(f.Data)
	}
	if most := 120_000_000; sum > most {
		t.Errorf("the initramfs is %d bytes unpacked; want %d at most", sum, most)
	}
	for _, name := range []string{
		"init", "bin/aes67d", "bin/webui", "modules.dep", "modules.alias",
		"dwmac-sun8i.ko.lz4", "realtek.ko.lz4", "sunxi-mmc.ko.lz4", "fixed.ko.lz4", "sunxi_wdt.ko.lz4", "leds-gpio.ko.lz4", "ledtrig-timer.ko.lz4",
		"musb_hdrc.ko.lz4", "sunxi.ko.lz4", "phy-sun4i-usb.ko.lz4", "ehci-platform.ko.lz4", "ohci-platform.ko.lz4",
		"usb_f_uac2.ko.lz4", "snd-usb-audio.ko.lz4", "sun8i_thermal.ko.lz4", "ext4.ko.lz4",
	} {
		if sizes[name] == 0 {
			t.Errorf("there is no %s in the initramfs", name)
		}
	}
}
