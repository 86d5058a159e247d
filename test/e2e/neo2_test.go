package e2e

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/board"
	"aes67os/firmware/build"
	"aes67os/firmware/disk"
	"aes67os/kernel"
)

// neo2 is the board that no machine of ours is like: its image is read back, part by
// part, with other people's tools where there are any.
func neo2(t *testing.T) (board.Board, string, disk.Disk) {
	t.Helper()
	b := boardNamed(t, "nanopi-neo2")
	image := built(t, b.Name)
	d, err := disk.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	return b, image, d
}

// packages returns the kernel of a board and the package of its boot loader, from the
// cache of the build.
func packages(t *testing.T, b board.Board) (*kernel.Kernel, kernel.Package) {
	t.Helper()
	archive := kernel.Archive{
		Arch: b.DebianArch, Cache: filepath.Join(build.DefaultCache(), "packages"),
		LockFile: filepath.Join("..", "..", "kernel", "lock.json"),
	}
	found, err := archive.Fetch(t.Context(), b.KernelPackage, b.BootPackage)
	if err != nil {
		t.Fatal(err)
	}
	k, err := kernel.Open(t.Context(), found[0], filepath.Join(build.DefaultCache(), "kernels"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return k, found[1]
}

// TestNEO2Disk checks what is where: what the processor's own program looks for, the
// partitions, and that none of them overlap.
func TestNEO2Disk(t *testing.T) {
	t.Parallel()
	b, image, d := neo2(t)
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head := make([]byte, 4<<20)
	if _, err := io.ReadFull(f, head); err != nil {
		t.Fatal(err)
	}

	// A header of Allwinner's at 8 KiB would be taken before the one at 128 KiB.
	if at := head[8<<10 : 16<<10]; !bytes.Equal(at, make([]byte, len(at))) {
		t.Errorf("at 8 KiB is %q; want zeros", at[:16])
	}
	loader := head[128<<10:]
	if string(loader[4:12]) != "eGON.BT0" {
		t.Errorf("at 128 KiB is %q; want eGON.BT0 behind a jump", loader[:16])
	}
	if sum, want := egonSum(loader), binary.LittleEndian.Uint32(loader[12:]); sum != want {
		t.Errorf("the checksum of the first program is %#x; want %#x", sum, want)
	}
	_, bootPackage := packages(t, b)
	files, err := bootPackage.Extract(b.UBoot.Program)
	if err != nil {
		t.Fatal(err)
	}
	program := files[b.UBoot.Program]
	if !bytes.Equal(loader[:len(program)], program) {
		t.Error("the loader is not Debian's")
	}
	end := int64(disk.LoaderOffset + len(program))
	if rest := head[end:]; !bytes.Equal(rest, make([]byte, len(rest))) {
		t.Error("there is something between the loader and the first partition")
	}

	const basicData, reserved, linuxData = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "8DA63339-0007-60C0-C436-083AC8230908", "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
	want := []disk.Partition{
		{Name: "aes67os-boot", Start: 4 << 20, Size: 48 << 20, Type: basicData},
		{Name: "aes67os-state", Start: 52 << 20, Size: 1 << 20, Type: reserved},
		{Name: "aes67os-slot-a", Start: 56 << 20, Size: 128 << 20, Type: linuxData},
		{Name: "aes67os-slot-b", Start: 184 << 20, Size: 128 << 20, Type: linuxData},
		{Name: "aes67os-data", Start: 312 << 20, Size: 64 << 20, Type: linuxData},
	}
	var got []disk.Partition
	for _, p := range d.Partitions {
		if p.Start < end {
			t.Errorf("%s begins at %d, and what is before ends at %d", p.Name, p.Start, end)
		}
		end = p.Start + p.Size
		got = append(got, disk.Partition{Name: p.Name, Start: p.Start, Size: p.Size, Type: p.Type})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
	if info, err := f.Stat(); err != nil || info.Size() != end+1<<20 {
		t.Errorf("the image has %d bytes; want %d, and 1 MiB for the table's copy", info.Size(), end)
	}
	for _, p := range d.Partitions {
		if p.Name == board.BootPartition || p.Name == board.SlotAPartition || p.Name == board.SlotBPartition {
			checkFAT(t, f, p)
		}
	}
}

// egonSum is the checksum of the first program of Allwinner's processors: the sum of its
// words, where that of the checksum itself counts as 0x5f0a6c39.
func egonSum(program []byte) uint32 {
	var sum uint32
	for i := uint32(0); i < binary.LittleEndian.Uint32(program[16:]); i += 4 {
		sum += binary.LittleEndian.Uint32(program[i:])
	}
	return sum - binary.LittleEndian.Uint32(program[12:]) + 0x5f0a6c39
}

// checkFAT has dosfstools look at a file system, and mtools at its files.
func checkFAT(t *testing.T, image *os.File, p disk.Partition) {
	t.Helper()
	name := filepath.Join(t.TempDir(), p.Name)
	fat, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer fat.Close()
	if _, err := io.Copy(fat, io.NewSectionReader(image, p.Start, p.Size)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "fsck.fat", "-n", name).CombinedOutput(); err != nil {
		t.Errorf("fsck.fat of %s: %v\n%s", p.Name, err, out)
	}
	for _, f := range p.Files {
		got, err := exec.CommandContext(t.Context(), "mcopy", "-i", name, "::"+f.Name, "-").Output()
		if err != nil || !bytes.Equal(got, f.Data) {
			t.Errorf("mcopy of %s on %s gives %d bytes, %v; want %d", f.Name, p.Name, len(got), err, len(f.Data))
		}
	}
}
