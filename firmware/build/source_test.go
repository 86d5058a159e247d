package build

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"debug/pe"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"aes67os/board"
	"aes67os/driver/ravenna/ravennatest"
	"aes67os/kernel"
)

const (
	testRelease  = "6.12-test"
	testVermagic = testRelease + " SMP preempt mod_unload modversions"
	bootDir      = "usr/lib/systemd/boot/efi/"
	modulesDir   = "usr/lib/modules/" + testRelease + "/kernel/"
)

// source is all that a build of a small board needs: a checkout and the cache with its
// packages. A test changes it before it calls options.
type source struct {
	board  board.Board
	files  map[string]string // the checkout
	kernel map[string]string // the files of the kernel's package
	boot   map[string]string // likewise of the boot loader's
}

func newSource(t *testing.T) *source {
	t.Helper()
	isolate(t)
	program := func(name string) string {
		return "package main\n\nvar version string\n\nfunc main() { println(\"" + name + "\", version) }\n"
	}
	return &source{
		board: board.Board{
			Name: "test", Title: "Test board", GOARCH: "amd64", DebianArch: "amd64",
			KernelPackage: "linux-image-test", BootPackage: "boot-test", Boot: board.UEFI,
			Cmdline:      "quiet panic=10",
			KernelConfig: map[string]string{"CONFIG_PREEMPT_RT": "y"},
			Modules:      []string{"snd_*"},
			BootSize:     36 << 20, DataSize: 1 << 20,
		},
		files: map[string]string{
			"go.mod":                   "module aes67os\n\ngo 1.26.0\n",
			"init/main.go":             program("init"),
			"aes67d/main.go":           program("aes67d"),
			"webui/main.go":            program("webui"),
			"webui/assets/htmx.min.js": `var htmx={version:"2.0.11"}`,
		},
		kernel: map[string]string{
			"boot/vmlinuz-" + testRelease:                             "the kernel",
			"boot/config-" + testRelease:                              "CONFIG_PREEMPT_RT=y\n",
			"usr/share/doc/linux-image-" + testRelease + "/copyright": "Format: 1.0\nLicense: GPL-2\n",
			modulesDir + "sound/snd-test.ko":                          module("snd_test", "depends=soundcore"),
			modulesDir + "sound/soundcore.ko":                         module("soundcore", "depends="),
			modulesDir + "net/not_asked_for.ko":                       module("not_asked_for", "depends="),
		},
		boot: map[string]string{
			bootDir + "systemd-bootx64.efi":            "the loader",
			bootDir + "linuxx64.efi.stub":              stub(t),
			"usr/share/doc/systemd-boot-efi/copyright": "Format: 1.0\nLicense: LGPL-2.1+\n",
		},
	}
}

// options puts the source on disk. No host's apt is asked, as all is in the cache.
func (s *source) options(t *testing.T, progress io.Writer) Options {
	t.Helper()
	checkout, cache := t.TempDir(), t.TempDir()
	type locked struct {
		Package string `json:"package"`
		Version string `json:"version"`
		SHA256  string `json:"sha256"`
		Size    int    `json:"size"`
	}
	packages := map[string]locked{}
	for name, p := range map[string]struct {
		concrete string
		files    map[string]string
	}{
		s.board.KernelPackage: {"linux-image-" + testRelease, s.kernel},
		s.board.BootPackage:   {"systemd-boot-efi", s.boot},
	} {
		deb := makeDeb(t, p.concrete, p.files)
		packages[name] = locked{p.concrete, "1.0-1", fmt.Sprintf("%x", sha256.Sum256(deb)), len(deb)}
		write(t, cache, map[string]string{"packages/" + p.concrete + "_1.0-1_amd64.deb": string(deb)})
	}
	lock, err := json.Marshal(map[string]any{"suite": kernel.DefaultSuite, "packages": map[string]any{"amd64": packages}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, checkout, map[string]string{"kernel/lock.json": string(lock)})
	write(t, checkout, s.files)
	commit(t, checkout)
	return Options{Board: s.board, Source: checkout, Out: filepath.Join(t.TempDir(), "out"), Cache: cache, Progress: progress}
}

// makeDeb makes a Debian package.
func makeDeb(t *testing.T, name string, files map[string]string) []byte {
	t.Helper()
	tree, deb := t.TempDir(), filepath.Join(t.TempDir(), "a.deb")
	write(t, tree, files)
	write(t, tree, map[string]string{"DEBIAN/control": "Package: " + name +
		"\nVersion: 1.0-1\nArchitecture: amd64\nMaintainer: nobody <nobody@localhost>\nDescription: a test\n"})
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", tree, deb).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	data, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// module makes a kernel module of the test's kernel.
func module(name string, modinfo ...string) string {
	return string(ravennatest.Craft(ravennatest.Module{
		Type: elf.ET_REL, Machine: elf.EM_X86_64, Name: "module",
		Modinfo: append([]string{"name=" + name, "license=GPL", "vermagic=" + testVermagic + " "}, modinfo...),
	}))
}

// stub makes an EFI program with room in its headers for more sections.
func stub(t *testing.T) string {
	t.Helper()
	const headers, text = 0x600, 0x200
	b := bytes.NewBuffer(append([]byte("MZ"), make([]byte, 62)...))
	b.Bytes()[0x3c] = 64 // where the next line goes
	b.WriteString("PE\x00\x00")
	for _, part := range []any{
		pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: 1, SizeOfOptionalHeader: 240},
		pe.OptionalHeader64{
			Magic: 0x20b, SectionAlignment: 0x1000, FileAlignment: 0x200, SizeOfImage: 0x2000, SizeOfHeaders: headers,
			Subsystem: pe.IMAGE_SUBSYSTEM_EFI_APPLICATION, NumberOfRvaAndSizes: 16,
		},
		pe.SectionHeader32{Name: [8]uint8{'.', 't', 'e', 'x', 't'}, VirtualSize: text, VirtualAddress: 0x1000, SizeOfRawData: text, PointerToRawData: headers},
	} {
		if err := binary.Write(b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	b.Write(make([]byte, headers+text-b.Len()))
	return b.String()
}
