package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func layout() Layout {
	return Layout{ESPSize: 64 << 20, DataSize: 16 << 20, ESP: []File{
		{"EFI/BOOT/BOOTX64.EFI", []byte("loader")},
		{"EFI/Linux/aes67os_2026.11.22-1140.0123abc.efi", bytes.Repeat([]byte("0123456789"), 100_000)},
		{"loader/loader.conf", []byte("timeout 0\n")},
	}}
}

func create(t *testing.T, name string) string {
	t.Helper()
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	path := filepath.Join(t.TempDir(), name)
	if err := Create(path, layout()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCreateAndOpen(t *testing.T) {
	path := create(t, "a.img")
	partitions, files, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	wantPartitions := []Partition{{"aes67os-boot", 4 << 20, 64 << 20}, {"aes67os-data", 68 << 20, 16 << 20}}
	if diff := cmp.Diff(wantPartitions, partitions); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(layout().ESP, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestCreateIsReproducible(t *testing.T) {
	first, err := os.ReadFile(create(t, "a.img"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(create(t, "b.img"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two images of the same layout differ")
	}
}

func TestImageIsSparse(t *testing.T) {
	info, err := os.Stat(create(t, "a.img"))
	if err != nil {
		t.Fatal(err)
	}
	if used := info.Sys().(*syscall.Stat_t).Blocks * 512; used > 8<<20 {
		t.Errorf("an image of 1 MB of files takes %d bytes of the disk", used)
	}
}

func TestOpenRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no image\n"), 10_000), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(path); err == nil || !strings.Contains(err.Error(), "no partition table") {
		t.Errorf("Open of a text file = %v; want an error about the partition table", err)
	}
}
