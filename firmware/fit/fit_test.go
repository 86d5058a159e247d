package fit

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var made = time.Date(2026, 11, 22, 18, 19, 36, 0, time.UTC)

func parts() []Part {
	return []Part{
		{Name: "cmdline", Kind: Script, Data: []byte("setenv bootargs quiet\n")},
		{Name: "kernel", Title: "6.12", Kind: Kernel, Data: bytes.Repeat([]byte("kernel"), 1001), Compression: "gzip", Load: 0x40400000},
		{Name: "fdt", Kind: Tree, Data: []byte("tree"), Load: 0x4fa00000},
		{Name: "initramfs", Kind: Ramdisk, Data: []byte("initramfs!")},
	}
}

func assemble(t testing.TB, parts ...Part) []byte {
	t.Helper()
	image, err := Assemble("aes67os 1", made, parts...)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestAssembleAndParse(t *testing.T) {
	image := assemble(t, parts()...)
	if !bytes.Equal(image, assemble(t, parts()...)) {
		t.Error("two images of the same parts differ")
	}
	got, err := Parse(image)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parts(), got); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
}

// U-Boot's own tools take the image for what it is, and get the parts out of it.
func TestTools(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "image.itb")
	if err := os.WriteFile(file, assemble(t, parts()...), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = append(os.Environ(), "TZ=UTC")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	list := run("mkimage", "-l", file)
	for _, want := range []string{
		`FIT description: aes67os 1`, `Created: +Sun Nov 22 18:19:36 2026`,
		`Image 0 \(cmdline\)(?s:.*)Type: +Script`,
		`Image 1 \(kernel\)(?s:.*)Type: +Kernel Image\n +Compression: +gzip compressed\n +Data Size: +6006 Bytes(?s:.*)` +
			`Architecture: +AArch64\n +OS: +Linux\n +Load Address: +0x40400000\n +Entry Point: +0x40400000\n +Hash algo: +sha256`,
		`Image 2 \(fdt\)(?s:.*)Type: +Flat Device Tree(?s:.*)Load Address: +0x4fa00000`,
		`Image 3 \(initramfs\)\n +Description: *\n(?s:.*)Type: +RAMDisk Image`,
		`Default Configuration: 'conf'\n Configuration 0 \(conf\)\n +Description: +aes67os 1\n +Kernel: +kernel\n +Init Ramdisk: +initramfs\n +FDT: +fdt`,
	} {
		if !regexp.MustCompile(want).MatchString(list) {
			t.Errorf("mkimage -l does not show %q:\n%s", want, list)
		}
	}
	for i, p := range parts() {
		out := filepath.Join(dir, p.Name)
		run("dumpimage", "-T", "flat_dt", "-p", string(rune('0'+i)), "-o", out, file)
		if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, p.Data) {
			t.Errorf("dumpimage gives %d bytes of part %s, %v; want %d", len(got), p.Name, err, len(p.Data))
		}
	}
}

func TestAssembleRefuses(t *testing.T) {
	kernel := Part{Name: "kernel", Kind: Kernel, Data: []byte("k")}
	for _, test := range []struct {
		name, want string
		parts      []Part
	}{
		{"no kernel", "no kernel", []Part{{Name: "fdt", Kind: Tree, Data: []byte("t")}}},
		{"no name", "a name of its own", []Part{{Kind: Kernel, Data: []byte("k")}}},
		{"same name", "a name of its own", []Part{kernel, kernel}},
		{"empty", "it has 0 bytes", []Part{kernel, {Name: "initramfs", Kind: Ramdisk}}},
	} {
		if _, err := Assemble("x", made, test.parts...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Assemble = %v; want %q", test.name, err, test.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := assemble(t, parts()...)
	damaged := bytes.Clone(good)
	damaged[bytes.Index(good, []byte("initramfs!"))] ^= 1
	long := bytes.Clone(good) // of a part that is longer than the file
	binary.BigEndian.PutUint32(long[bytes.Index(good, []byte("initramfs!"))-8:], 1<<31)
	for _, test := range []struct {
		name, want string
		image      []byte
	}{
		{"text", "not an image", bytes.Repeat([]byte("text"), 20)},
		{"empty", "EOF", nil},
		{"cut off", "of which", good[:len(good)-1]},
		{"damaged", "part initramfs: its SHA-256 is another", damaged},
		{"too long a part", "unexpected EOF", long},
		{"no parts", "no parts", bytes.ReplaceAll(good, []byte("images\x00"), []byte("images!"))},
		{"no hash", "no SHA-256", bytes.ReplaceAll(good, []byte("sha256"), []byte("sha999"))},
		{"no data", "no data", bytes.ReplaceAll(good, []byte("data\x00"), []byte("date\x00"))},
	} {
		if _, err := Parse(test.image); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Parse = %v; want %q", test.name, err, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	good := assemble(f, parts()...)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(bytes.ReplaceAll(good, []byte("load"), []byte("data")))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = Parse(data) })
}
