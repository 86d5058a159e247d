package ravennatest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"maps"
	"slices"
)

// Module describes an ELF file to craft.
type Module struct {
	// Type is elf.ET_REL for a module.
	Type    elf.Type
	Machine elf.Machine
	// Modinfo are the strings "key=value" of .modinfo. There is no such section
	// without them.
	Modinfo []string
	// Name goes into struct module. There is no such section without it.
	Name string
	// Versions are the symbols of __versions. There is no such section without
	// them.
	Versions map[string]uint32
}

// Craft makes a 64-bit little-endian ELF file with the sections of a module and no
// code. The table of sections is at its end, as in those that a linker writes.
func Craft(m Module) []byte {
	type part struct {
		name string
		data []byte
	}
	parts := []part{{}}
	if m.Modinfo != nil {
		var text bytes.Buffer
		for _, entry := range m.Modinfo {
			text.WriteString(entry + "\x00")
		}
		parts = append(parts, part{modinfo, text.Bytes()})
	}
	if m.Name != "" {
		// struct module begins with its state and two pointers of a list.
		structure := make([]byte, 1024)
		copy(structure[24:24+nameSize], m.Name)
		parts = append(parts, part{thisModule, structure})
	}
	if m.Versions != nil {
		var table bytes.Buffer
		for _, name := range slices.Sorted(maps.Keys(m.Versions)) {
			entry := make([]byte, 64)
			binary.LittleEndian.PutUint32(entry, m.Versions[name])
			copy(entry[8:63], name)
			table.Write(entry)
		}
		parts = append(parts, part{"__versions", table.Bytes()})
	}
	parts = append(parts, part{name: ".shstrtab"})
	var names []byte
	for _, p := range parts {
		names = append(names, p.name+"\x00"...)
	}
	parts[len(parts)-1].data = names

	const headerSize, sectionSize = 64, 64
	var body bytes.Buffer
	sections := make([]elf.Section64, len(parts))
	nameAt := uint32(1)
	for i, p := range parts[1:] {
		sections[i+1] = elf.Section64{
			Name: nameAt, Type: uint32(elf.SHT_PROGBITS),
			Off: headerSize + uint64(body.Len()), Size: uint64(len(p.data)), Addralign: 1,
		}
		nameAt += uint32(len(p.name)) + 1
		body.Write(p.data)
	}
	sections[len(sections)-1].Type = uint32(elf.SHT_STRTAB)

	header := elf.Header64{
		Type: uint16(m.Type), Machine: uint16(m.Machine), Version: uint32(elf.EV_CURRENT),
		Shoff: headerSize + uint64(body.Len()), Ehsize: headerSize,
		Shentsize: sectionSize, Shnum: uint16(len(sections)), Shstrndx: uint16(len(sections) - 1),
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	header.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	header.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)

	var file bytes.Buffer
	// Writing structures of fixed size to a Buffer cannot fail.
	binary.Write(&file, binary.LittleEndian, header)
	file.Write(body.Bytes())
	binary.Write(&file, binary.LittleEndian, sections)
	return file.Bytes()
}
