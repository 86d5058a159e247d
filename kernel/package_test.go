package kernel

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// entry is a member of an ar or tar archive under construction.
type entry struct {
	name string
	data []byte
}

func makeAr(entries ...entry) []byte {
	var b bytes.Buffer
	b.WriteString(arMagic)
	for _, e := range entries {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", e.name, 0, 0, 0, 0o100644, len(e.data))
		b.Write(e.data)
		if len(e.data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func makeTar(t testing.TB, headers ...tarEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range headers {
		h := tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.data)), Typeflag: e.kind, Linkname: e.link}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type tarEntry struct {
	name string
	data []byte
	kind byte
	link string
}

// file is a regular file in a tar archive.
func file(name, data string) tarEntry { return tarEntry{name: name, data: []byte(data)} }

// pack compresses data as suffix says.
func pack(t testing.TB, suffix string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w interface {
		Write([]byte) (int, error)
		Close() error
	}
	var err error
	switch suffix {
	case ".xz":
		w, err = xz.NewWriter(&b)
	case ".zst":
		w, err = zstd.NewWriter(&b)
	case ".gz":
		w = gzip.NewWriter(&b)
	case "":
		return data
	default:
		t.Fatalf("no compression is called %q", suffix)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// makeDeb makes a package called name, version 1.0-1.
func makeDeb(t testing.TB, name, suffix string, files ...tarEntry) []byte {
	t.Helper()
	control := makeTar(t, file("./control", "Package: "+name+"\nVersion: 1.0-1\nDescription: a test\n of packages\n"))
	return makeAr(
		entry{"debian-binary", []byte("2.0\n")},
		entry{"control.tar" + suffix, pack(t, suffix, control)},
		entry{"data.tar" + suffix, pack(t, suffix, makeTar(t, files...))},
	)
}

// onDisk writes a package to a temporary directory.
func onDisk(t testing.TB, name string, deb []byte) Package {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".deb")
	if err := os.WriteFile(path, deb, 0o644); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(deb)
	return Package{
		Name: name, Concrete: name, Version: "1.0-1", Arch: "amd64",
		SHA256: hex.EncodeToString(sum[:]), Size: int64(len(deb)), Path: path,
	}
}

// makeModule makes a 64-bit little-endian ELF file with .modinfo and __versions.
func makeModule(versions map[string]uint32, modinfo ...string) []byte {
	var info, table bytes.Buffer
	for _, line := range modinfo {
		info.WriteString(line + "\x00")
	}
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		symbol := make([]byte, 64)
		binary.LittleEndian.PutUint32(symbol, versions[name])
		copy(symbol[8:], name)
		table.Write(symbol)
	}
	const size = 64 // of the header, and of an entry in the table of sections
	names := "\x00.modinfo\x00__versions\x00.shstrtab\x00"
	body := slices.Concat(info.Bytes(), table.Bytes(), []byte(names))
	versionsAt := uint64(size + info.Len())
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: size, Size: uint64(info.Len())},
		{Name: 10, Type: uint32(elf.SHT_PROGBITS), Off: versionsAt, Size: uint64(table.Len())},
		{Name: 21, Type: uint32(elf.SHT_STRTAB), Off: versionsAt + uint64(table.Len()), Size: uint64(len(names))},
	}
	header := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Shoff: uint64(size + len(body)), Ehsize: size, Shentsize: size,
		Shnum: uint16(len(sections)), Shstrndx: uint16(len(sections) - 1),
	}
	var ko bytes.Buffer
	binary.Write(&ko, binary.LittleEndian, header)
	ko.Write(body)
	binary.Write(&ko, binary.LittleEndian, sections)
	return ko.Bytes()
}
