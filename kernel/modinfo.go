package kernel

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// maxSection bounds a section of a module that is read into memory.
const maxSection = 16 << 20

// Modinfo is what a module says about itself in its .modinfo section. Names are as
// written there, with '-' or '_'.
type Modinfo struct {
	Name     string `json:"name,omitempty"`
	License  string `json:"license,omitempty"`
	Version  string `json:"version,omitempty"`
	Vermagic string `json:"vermagic,omitempty"`
	// Depends names the modules whose symbols this one uses.
	Depends []string `json:"depends,omitempty"`
	// Softdeps are lines as in modprobe.d(5), for example "pre: a b post: c".
	Softdeps []string `json:"softdeps,omitempty"`
	// Aliases are shell patterns of the devices and services the module is for.
	Aliases []string `json:"aliases,omitempty"`
}

// ParseModinfo reads the contents of a .modinfo section: strings "key=value", each
// ended by one or more NULs.
func ParseModinfo(section []byte) Modinfo {
	var info Modinfo
	for entry := range strings.SplitSeq(string(section), "\x00") {
		key, value, _ := strings.Cut(entry, "=")
		switch key {
		case "name":
			info.Name = value
		case "license":
			info.License = value
		case "version":
			info.Version = value
		case "vermagic":
			// The kernel's own string ends in a blank.
			info.Vermagic = strings.TrimSpace(value)
		case "depends":
			info.Depends = strings.FieldsFunc(value, func(r rune) bool { return r == ',' })
		case "softdep":
			info.Softdeps = append(info.Softdeps, value)
		case "alias":
			info.Aliases = append(info.Aliases, value)
		}
	}
	return info
}

// softdeps lists the names or aliases that lines of softdep want loaded before or
// after a module. Words before the first "pre:" or "post:" mean nothing, as to
// modprobe.
func softdeps(lines []string) []string {
	var all []string
	for _, line := range lines {
		inside := false
		for _, word := range strings.Fields(line) {
			if word == "pre:" || word == "post:" {
				inside = true
			} else if inside {
				all = append(all, word)
			}
		}
	}
	return all
}

// readModule reads what a decompressed module says about itself and the CRCs of
// the symbols it imports.
func readModule(ko []byte) (Modinfo, map[string]uint32, error) {
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return Modinfo{}, nil, fmt.Errorf("not an ELF file: %w", err)
	}
	section, err := sectionData(f, ".modinfo")
	if err != nil {
		return Modinfo{}, nil, err
	}
	if section == nil {
		return Modinfo{}, nil, errors.New("no kernel module: it has no .modinfo section")
	}
	versions, err := sectionData(f, "__versions")
	if err != nil {
		return Modinfo{}, nil, err
	}
	return ParseModinfo(section), parseVersions(versions), nil
}

// sectionData reads a section; it is nil when there is none of that name.
func sectionData(f *elf.File, name string) ([]byte, error) {
	s := f.Section(name)
	if s == nil || s.Type == elf.SHT_NOBITS {
		return nil, nil
	}
	if s.Flags&elf.SHF_COMPRESSED != 0 || s.Size > maxSection {
		return nil, fmt.Errorf("section %s is not one the kernel's build writes", name)
	}
	data, err := s.Data()
	if err != nil {
		return nil, fmt.Errorf("section %s: %w", name, err)
	}
	return data, nil
}

// parseVersions reads the contents of a __versions section: for each imported
// symbol 64 bytes, an unsigned long with its CRC and the name, padded with NULs
// (struct modversion_info of the kernel, on 64-bit little-endian machines).
func parseVersions(section []byte) map[string]uint32 {
	const entry = 64
	crcs := make(map[string]uint32, len(section)/entry)
	for ; len(section) >= entry; section = section[entry:] {
		name, _, _ := bytes.Cut(section[8:entry], []byte{0})
		if len(name) > 0 {
			crcs[string(name)] = binary.LittleEndian.Uint32(section)
		}
	}
	return crcs
}
