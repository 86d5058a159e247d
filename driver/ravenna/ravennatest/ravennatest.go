// Package ravennatest makes modules for tests of what happens to a RAVENNA kernel
// module, without having one: it edits real modules of a kernel package, and
// crafts small ELF files that look like modules to everything but a kernel.
package ravennatest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
)

const (
	modinfo    = ".modinfo"
	thisModule = ".gnu.linkonce.this_module"
	// nameSize is MODULE_NAME_LEN of a 64-bit kernel.
	nameSize = 56
)

// Rename gives a module another name, in .modinfo and in its struct module. The
// name must be no longer than the one that the module has. A signature becomes
// invalid, see [StripSignature].
func Rename(ko []byte, name string) ([]byte, error) {
	ko = bytes.Clone(ko)
	old, err := setModinfo(ko, "name", name)
	if err != nil {
		return nil, err
	}
	structure, err := section(ko, thisModule)
	if err != nil {
		return nil, err
	}
	at := bytes.Index(structure, []byte(old+"\x00"))
	if at < 0 || at+nameSize > len(structure) {
		return nil, fmt.Errorf("no name %q in %s", old, thisModule)
	}
	clear(structure[at : at+nameSize])
	copy(structure[at:], name)
	return ko, nil
}

// SetVermagic changes for which kernel a module claims to be built. The string must
// be no longer than the one that the module has. A kernel with symbol versions
// ignores the first word, the release: one that it shall refuse must differ in the
// others.
func SetVermagic(ko []byte, vermagic string) ([]byte, error) {
	ko = bytes.Clone(ko)
	_, err := setModinfo(ko, "vermagic", vermagic)
	return ko, err
}

// SetMachine changes for which processor a module claims to be.
func SetMachine(ko []byte, machine elf.Machine) ([]byte, error) {
	const offset = 18 // of e_machine in Elf64_Ehdr
	if len(ko) < offset+2 {
		return nil, fmt.Errorf("%d bytes are no ELF file", len(ko))
	}
	ko = bytes.Clone(ko)
	binary.LittleEndian.PutUint16(ko[offset:], uint16(machine))
	return ko, nil
}

// StripSignature removes the signature that is appended to a signed module: its
// bytes, a struct module_signature whose last word is their number, and a line of
// text. A module without one is returned as it is.
func StripSignature(ko []byte) []byte {
	const structSize = 12
	body, signed := bytes.CutSuffix(ko, []byte("~Module signature appended~\n"))
	if !signed || len(body) < structSize {
		return ko
	}
	size := int(binary.BigEndian.Uint32(body[len(body)-4:]))
	body = body[:len(body)-structSize]
	if size > len(body) {
		return ko
	}
	return body[:len(body)-size]
}

// setModinfo replaces the value of a key in place, and returns the one before. What
// is left over is filled with NULs, which .modinfo may have between its strings.
func setModinfo(ko []byte, key, value string) (old string, err error) {
	info, err := section(ko, modinfo)
	if err != nil {
		return "", err
	}
	for len(info) > 0 {
		entry, rest, _ := bytes.Cut(info, []byte{0})
		if before, found := bytes.CutPrefix(entry, []byte(key+"=")); found {
			if len(value) > len(before) {
				return "", fmt.Errorf("%s %q is longer than %q", key, value, before)
			}
			old = string(before)
			clear(before)
			copy(before, value)
			return old, nil
		}
		info = rest
	}
	return "", fmt.Errorf("no %s in %s", key, modinfo)
}

// section returns the bytes of a section within ko.
func section(ko []byte, name string) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return nil, err
	}
	s := f.Section(name)
	if s == nil || s.Offset > uint64(len(ko)) || s.FileSize > uint64(len(ko))-s.Offset {
		return nil, fmt.Errorf("no section %s", name)
	}
	return ko[s.Offset : s.Offset+s.FileSize], nil
}
