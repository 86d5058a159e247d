package ravenna

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// MaxSize bounds a module, decompressed, in bytes. The real one has about a
// hundredth of it.
const MaxSize = 64 << 20

// unpack decompresses a module that is packed with xz, zstd or gzip, as its first
// bytes tell, and returns any other file as it is.
func unpack(file []byte) ([]byte, error) {
	var plain io.Reader
	var err error
	switch packed := bytes.NewReader(file); {
	case bytes.HasPrefix(file, []byte("\xfd7zXZ\x00")):
		plain, err = xz.NewReader(packed)
	case bytes.HasPrefix(file, []byte("\x28\xb5\x2f\xfd")):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(packed, zstd.WithDecoderMaxWindow(MaxSize), zstd.WithDecoderConcurrency(1)); err == nil {
			defer z.Close()
			plain = z
		}
	case bytes.HasPrefix(file, []byte("\x1f\x8b")):
		plain, err = gzip.NewReader(packed)
	default:
		plain = packed
	}
	if err != nil {
		return nil, notModule("it does not decompress: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(plain, MaxSize+1))
	switch {
	case err != nil:
		return nil, notModule("it does not decompress: %w", err)
	case len(data) > MaxSize:
		return nil, fmt.Errorf("%w: more than %d MiB decompressed", ErrTooLarge, MaxSize>>20)
	}
	return data, nil
}

// module is what Check judges of a module.
type module struct {
	machine  elf.Machine
	modinfo  map[string]string
	versions map[string]uint32
}

// readModule reads an ELF file that has the marks of a kernel module. Its errors
// are ErrNotModule.
func readModule(ko []byte) (*module, error) {
	if len(ko) == 0 {
		return nil, notModule("the file is empty")
	}
	if !bytes.HasPrefix(ko, []byte(elf.ELFMAG)) {
		return nil, notModule("it is no ELF file")
	}
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return nil, notModule("its ELF structure is damaged or cut short: %w", err)
	}
	if f.Type != elf.ET_REL {
		return nil, notModule("it is an ELF file of type %s, a module has %s", f.Type, elf.ET_REL)
	}
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOBITS && (s.Offset > uint64(len(ko)) || s.FileSize > uint64(len(ko))-s.Offset) {
			return nil, notModule("it is cut short: section %s ends beyond the file", s.Name)
		}
	}
	sections := make(map[string][]byte)
	for _, name := range []string{".modinfo", ".gnu.linkonce.this_module", "__versions"} {
		s := f.Section(name)
		if s == nil {
			continue
		}
		if s.Flags&elf.SHF_COMPRESSED != 0 {
			return nil, notModule("section %s is compressed", name)
		}
		if sections[name], err = s.Data(); err != nil {
			return nil, notModule("section %s: %w", name, err)
		}
	}
	for _, name := range []string{".modinfo", ".gnu.linkonce.this_module"} {
		if len(sections[name]) == 0 {
			return nil, notModule("it has no section %s", name)
		}
	}
	return &module{
		machine:  f.Machine,
		modinfo:  parseModinfo(sections[".modinfo"]),
		versions: parseVersions(sections["__versions"]),
	}, nil
}

// parseModinfo reads strings "key=value", each ended by NULs. Of a key that comes
// more than once the first value stays; none that we read does.
func parseModinfo(section []byte) map[string]string {
	info := make(map[string]string)
	for entry := range strings.SplitSeq(string(section), "\x00") {
		key, value, ok := strings.Cut(entry, "=")
		if _, twice := info[key]; ok && !twice {
			info[key] = strings.TrimSpace(value)
		}
	}
	return info
}

// parseVersions reads the kernel's struct modversion_info: 8 bytes with the CRC of
// an imported symbol, and its name in 56.
func parseVersions(section []byte) map[string]uint32 {
	const entry = 64
	crcs := make(map[string]uint32)
	for ; len(section) >= entry; section = section[entry:] {
		name, _, _ := bytes.Cut(section[8:entry], []byte{0})
		if len(name) > 0 {
			crcs[string(name)] = binary.LittleEndian.Uint32(section)
		}
	}
	return crcs
}
