package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/board"
)

func layout() Layout {
	return Layout{Partitions: []Content{
		{Name: board.BootPartition, Size: 68 << 20, Files: []File{
			{"EFI/BOOT/BOOTX64.EFI", []byte("loader")},
			{"EFI/Linux/aes67os_2026.11.22-1140.0123abc.efi", bytes.Repeat([]byte("0123456789"), 100_000)},
			{"loader/loader.conf", []byte("timeout 0\n")},
		}},
		{Name: board.DataPartition, Size: 16 << 20},
	}}
}

// withLoader is a layout with a loader before it and all partitions there can be.
func withLoader() Layout {
	return Layout{Loader: []byte("loader\x00\x01"), Partitions: []Content{
		{Name: board.BootPartition, Size: 34 << 20, Files: []File{{"boot.scr", []byte("script")}}},
		{Name: board.StatePartition, Size: 1 << 20, Data: []byte("state")},
		{Name: board.SlotAPartition, Size: 40 << 20, Files: []File{{"image.itb", []byte("system")}}},
		{Name: board.SlotBPartition, Size: 40 << 20},
		{Name: board.DataPartition, Size: 16 << 20},
	}}
}

func create(t *testing.T, name string, l Layout) string {
	t.Helper()
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	path := filepath.Join(t.TempDir(), name)
	if err := Create(path, l); err != nil {
		t.Fatal(err)
	}
	return path
}

// The types of partitions, as UEFI 2.10 table 5.7 and the Discoverable Partitions
// Specification have them.
const (
	efiSystem     = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	basicData     = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
	linuxData     = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
	linuxReserved = "8DA63339-0007-60C0-C436-083AC8230908"
)

func TestCreateAndOpen(t *testing.T) {
	state := make([]byte, 4096)
	copy(state, "state")
	for _, test := range []struct {
		name   string
		layout Layout
		want   Disk
	}{
		{"a PC's", layout(), Disk{Partitions: []Partition{
			{Name: board.BootPartition, Start: 4 << 20, Size: 68 << 20, Type: efiSystem, Files: layout().Partitions[0].Files},
			{Name: board.DataPartition, Start: 72 << 20, Size: 16 << 20, Type: linuxData},
		}}},
		{"with a loader", withLoader(), Disk{Loader: withLoader().Loader, Partitions: []Partition{
			{Name: board.BootPartition, Start: 4 << 20, Size: 34 << 20, Type: basicData, Files: withLoader().Partitions[0].Files},
			{Name: board.StatePartition, Start: 40 << 20, Size: 1 << 20, Type: linuxReserved, Data: state},
			{Name: board.SlotAPartition, Start: 44 << 20, Size: 40 << 20, Type: linuxData, Files: withLoader().Partitions[2].Files},
			{Name: board.SlotBPartition, Start: 84 << 20, Size: 40 << 20, Type: linuxData},
			{Name: board.DataPartition, Start: 124 << 20, Size: 16 << 20, Type: linuxData},
		}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Open(create(t, "a.img", test.layout))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("disk (-want +got):\n%s", diff)
			}
			if _, ok := got.Partition("home"); ok {
				t.Error("there is a partition that nobody made")
			}
		})
	}
}

func TestCreateRefuses(t *testing.T) {
	for _, test := range []struct {
		name, want string
		layout     Layout
	}{
		{"loader too large", "there is room for 4063232", Layout{Loader: make([]byte, 4<<20)}},
		{"unknown partition", `no partition called "home"`, Layout{Partitions: []Content{{Name: "home", Size: 1 << 20}}}},
		{"data too large", "2097152 bytes do not fit into 1048576", Layout{Partitions: []Content{{Name: board.StatePartition, Size: 1 << 20, Data: make([]byte, 2<<20)}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Create(filepath.Join(t.TempDir(), "a.img"), test.layout)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Create = %v; want %q", err, test.want)
			}
		})
	}
}

func TestCreateIsReproducible(t *testing.T) {
	first, err := os.ReadFile(create(t, "a.img", layout()))
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(create(t, "b.img", layout()))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two images of the same layout differ")
	}
}

func TestImageIsSparse(t *testing.T) {
	info, err := os.Stat(create(t, "a.img", layout()))
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
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "no partition table") {
		t.Errorf("Open of a text file = %v; want an error about the partition table", err)
	}
}
