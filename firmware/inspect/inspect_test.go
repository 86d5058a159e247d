package inspect

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"

	"aes67os/board"
	"aes67os/firmware/disk"
	"aes67os/firmware/initramfs"
	"aes67os/firmware/uki"
)

var update = flag.Bool("update", false, "write the golden files")

const kernelRelease = "6.12.107+deb13-rt-amd64"

func release() board.Release {
	return board.Release{Board: "x86-64", Version: "2026.11.22-1140.0123abc", Time: time.Unix(1795000000, 0).UTC(), Debug: true, RavennaModule: "MergingRavennaALSA"}
}

// efi makes a PE program like systemd's, with sections.
func efi(t *testing.T, sections ...uki.Section) []byte {
	const headers = 0x800
	var b bytes.Buffer
	dos := make([]byte, 64)
	copy(dos, "MZ")
	dos[0x3c] = 64
	b.Write(dos)
	b.WriteString("PE\x00\x00")
	for _, part := range []any{
		pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_AMD64, SizeOfOptionalHeader: 240},
		pe.OptionalHeader64{
			Magic: 0x20b, SectionAlignment: 0x1000, FileAlignment: 0x200, SizeOfImage: 0x1000, SizeOfHeaders: headers,
			Subsystem: pe.IMAGE_SUBSYSTEM_EFI_APPLICATION, NumberOfRvaAndSizes: 16,
		},
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	b.Write(make([]byte, headers-b.Len()))
	program, err := uki.Assemble(b.Bytes(), sections...)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// system packs an initramfs.
func system(t *testing.T, r any, program []byte) []byte {
	var files initramfs.Files
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	files.Add("init", program, 0o755)
	files.Add(board.ReleasePath[1:], text, 0o644)
	for _, m := range []string{"kernel/drivers/net/igb/igb.ko", "kernel/drivers/net/phy/realtek.ko", "kernel/fs/fat/vfat.ko", "updates/MergingRavennaALSA.ko"} {
		files.Add("lib/modules/"+kernelRelease+"/"+m+board.ModuleSuffix, make([]byte, 1000), 0o644)
	}
	files.Link("bin/sh", "/bbin/sh")
	var packed bytes.Buffer
	if err := files.Write(&packed); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func slotFile(t *testing.T, r any, program []byte) disk.File {
	return disk.File{Name: "EFI/Linux/aes67os_1.efi", Data: efi(t,
		uki.Section{Name: ".sdmagic", Data: []byte("#### LoaderInfo: systemd-stub 257.13 ####")},
		uki.Section{Name: ".cmdline", Data: []byte("quiet")},
		uki.Section{Name: ".uname", Data: []byte(kernelRelease)},
		uki.Section{Name: ".linux", Data: []byte("kernel")},
		uki.Section{Name: ".initrd", Data: system(t, r, program)},
	)}
}

func create(t *testing.T, files ...disk.File) string {
	t.Setenv("SOURCE_DATE_EPOCH", "1795000000")
	name := filepath.Join(t.TempDir(), "aes67os.img")
	l := disk.Layout{Partitions: []disk.Content{
		{Name: board.BootPartition, Size: 64 << 20, Files: files}, {Name: board.DataPartition, Size: 8 << 20},
	}}
	if err := disk.Create(name, l); err != nil {
		t.Fatal(err)
	}
	return name
}

func compress(t *testing.T, name string) string {
	in, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(name + ".zst")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	z, err := zstd.NewWriter(out)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(z, in)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

func TestInspect(t *testing.T) {
	loader := disk.File{Name: "EFI/BOOT/BOOTX64.EFI", Data: efi(t, uki.Section{Name: ".sdmagic", Data: []byte("#### LoaderInfo: systemd-boot 257.13 ####\n\x00")})}
	small := filepath.Join(t.TempDir(), "hello")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", small, "../sbom/testdata/hello").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	program, err := os.ReadFile(small)
	if err != nil {
		t.Fatal(err)
	}
	slot := slotFile(t, release(), program)
	name := create(t, loader, slot, disk.File{Name: "loader/loader.conf", Data: []byte("timeout 0\n")})
	got, err := Inspect(t.Context(), name, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &Report{
		Image: name, Size: 77 << 20,
		Partitions: []Partition{{"aes67os-boot", 4 << 20, 64 << 20}, {"aes67os-data", 68 << 20, 8 << 20}},
		Loader:     &Loader{"EFI/BOOT/BOOTX64.EFI", "systemd-boot 257.13", len(loader.Data)},
		Slots: []Slot{{
			Path: slot.Name, Size: len(slot.Data), Stub: "systemd-stub 257.13", Kernel: kernelRelease, Cmdline: "quiet", Release: release(),
			Programs: []Program{{Path: "init", Size: len(program), Go: runtime.Version(), Modules: 1}},
			Modules: []Module{
				{"kernel/drivers/net/igb/igb.ko", 1000}, {"kernel/drivers/net/phy/realtek.ko", 1000},
				{"kernel/fs/fat/vfat.ko", 1000}, {"updates/MergingRavennaALSA.ko", 1000},
			},
		}},
	}
	// What depends on the program is only there or not.
	s := &got.Slots[0]
	if len(s.SHA256) != 64 || s.Packed == 0 || s.Unpacked < int64(s.Programs[0].Size) || len(s.Sections) != 5 {
		t.Errorf("slot is %+v", s)
	}
	ignore := cmpopts.IgnoreFields(Slot{}, "SHA256", "Packed", "Unpacked", "Sections")
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}

	t.Run("compressed", func(t *testing.T) {
		var done, total int64
		again, err := Inspect(t.Context(), compress(t, name), func(d, t int64) { done, total = d, t })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, again, cmpopts.IgnoreFields(Report{}, "Image")); diff != "" {
			t.Errorf("plain (-) and compressed (+):\n%s", diff)
		}
		if done != got.Size || total != got.Size {
			t.Errorf("progress ended at %d of %d; want %d", done, total, got.Size)
		}
	})
}

func TestInspectErrors(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("text "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, file, want string
		notOurs          bool
	}{
		{"missing", filepath.Join(t.TempDir(), "missing"), "no such file", false},
		{"text", text, "no partition table", true},
		{"no system", create(t, disk.File{Name: "a", Data: []byte("b")}), "has no system", true},
		{"system of something else", create(t, slotFile(t, struct{}{}, nil)), "has no /etc/aes67os.json", true},
		{"damaged release", create(t, slotFile(t, "x", nil)), "/etc/aes67os.json in the initramfs: json", false},
		{"no program", create(t, disk.File{Name: "EFI/Linux/x.efi", Data: []byte("x")}), "EFI/Linux/x.efi: not a unified kernel image", false},
		{"no initramfs", create(t, disk.File{Name: "EFI/Linux/x.efi", Data: efi(t, uki.Section{Name: ".linux", Data: []byte("x")})}), "no initramfs", false},
		{"damaged initramfs", create(t, disk.File{Name: "EFI/Linux/x.efi", Data: efi(t, uki.Section{Name: ".initrd", Data: []byte("x")})}), "EFI/Linux/x.efi: unpack", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Inspect(t.Context(), tt.file, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrNotOurs) != tt.notOurs {
				t.Errorf("Inspect = %v; want %q", err, tt.want)
			}
		})
	}
}

func TestPrint(t *testing.T) {
	r := &Report{
		Image: "out/aes67os-x86-64.img", Size: 609222656,
		Partitions: []Partition{{"aes67os-boot", 4 << 20, 512 << 20}, {"aes67os-data", 516 << 20, 64 << 20}},
		Loader:     &Loader{"EFI/BOOT/BOOTX64.EFI", "systemd-boot 257.13", 130000},
		Slots: []Slot{{
			Path: "EFI/Linux/aes67os_1.efi", Size: 32200000, SHA256: strings.Repeat("0123456789abcdef", 4),
			Sections: []Section{{".linux", 12100000}, {".initrd", 20000000}},
			Stub:     "systemd-stub 257.13", Kernel: kernelRelease, Cmdline: "quiet", Release: release(),
			Packed: 20000000, Unpacked: 71600000,
			Programs: []Program{{"init", 8100000, "go1.26.8", 12}},
			Modules:  []Module{{"kernel/lib/crc8.ko", 900}, {"kernel/lib/math/cordic.ko", 800}, {"kernel/lib/x.ko", 700}, {"updates/r.ko", 100}},
		}},
	}
	for golden, all := range map[string]bool{"testdata/report.txt": false, "testdata/report-all.txt": true} {
		var got bytes.Buffer
		if err := r.Print(&got, all); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
	}
}
