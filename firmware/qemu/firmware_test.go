package qemu

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/board"
	"aes67os/firmware/disk"
)

// A board that boots by U-Boot gets the one that is on its disk.
func TestBootROM(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1795000000")
	create := func(name string, loader []byte) string {
		t.Helper()
		image := filepath.Join(t.TempDir(), name)
		err := disk.Create(image, disk.Layout{Loader: loader, Partitions: []disk.Content{{Name: board.BootPartition, Size: 36 << 20}}})
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	b, dir := testBoard(t, ""), t.TempDir()
	b.Boot = board.UBoot
	got, err := firmware(Config{Board: b, Dir: dir, Image: create("a.img", []byte("U-Boot"))})
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "u-boot.bin")
	if diff := cmp.Diff([]string{"-bios", program}, got); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if data, err := os.ReadFile(program); err != nil || string(data) != "U-Boot" {
		t.Errorf("U-Boot is %q, %v", data, err)
	}
	for image, want := range map[string]string{create("b.img", nil): "b.img has no boot loader at 128 KiB", "/nonexistent.img": "no such file"} {
		if _, err := firmware(Config{Board: b, Dir: dir, Image: image}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("firmware of %s = %v; want %q", image, err, want)
		}
	}
}

func TestNoMachine(t *testing.T) {
	b := board.Board{Name: "nanopi-neo2"}
	_, err := Start(t.Context(), Config{Board: b, Dir: t.TempDir()})
	if want := "QEMU has no machine that is like nanopi-neo2"; err == nil || err.Error() != want {
		t.Errorf("Start = %v; want %s", err, want)
	}
}
