package inspect

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"aes67os/board"
	"aes67os/firmware/disk"
	"aes67os/firmware/fit"
	"aes67os/firmware/slot"
	"aes67os/firmware/uboot"
)

// fitFile makes a slot file as U-Boot starts it.
func fitFile(t *testing.T) []byte {
	t.Helper()
	arguments, err := uboot.Arguments("quiet")
	if err != nil {
		t.Fatal(err)
	}
	file, err := fit.Assemble("test", time.Unix(1795000000, 0),
		fit.Part{Name: uboot.CommandLine, Kind: fit.Script, Data: []byte(arguments)},
		fit.Part{Name: "kernel", Title: kernelRelease, Kind: fit.Kernel, Data: []byte("kernel"), Load: 1},
		fit.Part{Name: "initramfs", Kind: fit.Ramdisk, Data: system(t, release(), []byte("init"))})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// createUBoot makes an image of a board that boots by U-Boot.
func createUBoot(t *testing.T, state, file []byte) string {
	t.Helper()
	t.Setenv("SOURCE_DATE_EPOCH", "1795000000")
	name := filepath.Join(t.TempDir(), "aes67os.img")
	err := disk.Create(name, disk.Layout{
		Loader: []byte("\x01U-Boot SPL 2025.01-3+deb13u1 (Jun 24 2026 - 09:07:15 +0000)\x01"),
		Partitions: []disk.Content{
			{Name: board.BootPartition, Size: 36 << 20},
			{Name: board.StatePartition, Size: 1 << 20, Data: state},
			{Name: board.SlotAPartition, Size: 36 << 20, Files: []disk.File{{Name: "notes.txt"}}},
			{Name: board.SlotBPartition, Size: 36 << 20, Files: []disk.File{{Name: uboot.SlotFile, Data: file}}},
			{Name: board.DataPartition, Size: 4 << 20},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestInspectUBoot(t *testing.T) {
	sectors := slot.State{Slot: slot.B, Good: slot.A, Left: 3}.Sectors()
	file := fitFile(t)
	got, err := Inspect(t.Context(), createUBoot(t, sectors[:], file), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &Report{
		Size: 121 << 20,
		Partitions: []Partition{
			{"aes67os-boot", 4 << 20, 36 << 20}, {"aes67os-state", 40 << 20, 1 << 20}, {"aes67os-slot-a", 44 << 20, 36 << 20},
			{"aes67os-slot-b", 80 << 20, 36 << 20}, {"aes67os-data", 116 << 20, 4 << 20},
		},
		Loader: &Loader{"at 128 KiB", "U-Boot 2025.01-3+deb13u1", 61},
		State:  &State{Slot: slot.B, Good: slot.A, Left: 3},
		Slots: []Slot{{
			Partition: "aes67os-slot-b", Path: "image.itb", Size: len(file), Kernel: kernelRelease, Cmdline: "quiet", Release: release(),
			Modules: []Module{
				{"kernel/drivers/net/igb/igb.ko", 1000}, {"kernel/drivers/net/phy/realtek.ko", 1000},
				{"kernel/fs/fat/vfat.ko", 1000}, {"updates/MergingRavennaALSA.ko", 1000},
			},
		}},
	}
	ignore := cmp.Options{
		cmpopts.IgnoreFields(Report{}, "Image"),
		cmpopts.IgnoreFields(Slot{}, "SHA256", "Packed", "Unpacked", "Sections"),
	}
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}

	var text bytes.Buffer
	s := &got.Slots[0] // what differs with the compressor
	got.Image, s.SHA256, s.Packed, s.Size, s.Sections = "aes67os.img", "0123", 1000, 2000, nil
	if err := got.Print(&text, false); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/report-u-boot.txt"
	if *update {
		if err := os.WriteFile(golden, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	wantText, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(wantText), text.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}

func TestInspectDamagedUBoot(t *testing.T) {
	file := fitFile(t)
	r, err := Inspect(t.Context(), createUBoot(t, nil, file), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.State == nil || r.State.Slot != slot.A || !strings.Contains(r.State.Damaged, "neither copy") {
		t.Errorf("state is %+v; want slot a, and that none was found", r.State)
	}
	first := slot.First().Sectors()
	_, err = Inspect(t.Context(), createUBoot(t, first[:], file[:len(file)-1]), nil)
	if err == nil || !strings.Contains(err.Error(), "aes67os-slot-b: image.itb: not an image of U-Boot") {
		t.Errorf("Inspect of a slot that is cut off = %v", err)
	}
	_, err = Inspect(t.Context(), createUBoot(t, first[:], nil), nil)
	if err == nil || errors.Is(err, ErrNotOurs) {
		t.Errorf("Inspect of an empty slot file = %v", err)
	}
}
