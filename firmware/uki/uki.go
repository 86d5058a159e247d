// Package uki assembles unified kernel images (UAPI.5): one EFI program that holds
// a kernel, its initramfs, its command line and its name.
//
// systemd's EFI stub is the program; what it boots lies in PE sections appended to
// it. Assembling is therefore a matter of the PE headers: a section table entry and
// an address in memory for each part. Nothing of the stub itself is moved, so its
// relocations stay valid.
package uki

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Section is a part of the image. The names the stub knows are in UAPI.5: .osrel,
// .cmdline, .uname, .linux and .initrd are those used here.
type Section struct {
	Name string // at most 8 bytes
	Data []byte
}

// The places that are written, from Microsoft's PE format, revision 11.
const (
	lfanew          = 0x3c // file offset of the PE signature, in the DOS header
	coffSize        = 20
	sectionSize     = 40
	optInitialized  = 8  // SizeOfInitializedData, from the optional header's start
	optSizeOfImage  = 56 // likewise
	readOnlyContent = pe.IMAGE_SCN_CNT_INITIALIZED_DATA | pe.IMAGE_SCN_MEM_READ
)

var le = binary.LittleEndian

// Assemble returns stub with the sections appended in their order. It fails on a
// stub that is not a 64-bit EFI application, has no room in its headers for the
// section table to grow, or has one of the sections already.
func Assemble(stub []byte, sections ...Section) ([]byte, error) {
	file, err := pe.NewFile(bytes.NewReader(stub))
	if err != nil {
		return nil, fmt.Errorf("the EFI stub is not a PE file: %w", err)
	}
	opt, ok := file.OptionalHeader.(*pe.OptionalHeader64)
	if !ok || opt.Subsystem != pe.IMAGE_SUBSYSTEM_EFI_APPLICATION {
		return nil, errors.New("the EFI stub is not a 64-bit EFI application")
	}

	coff := int(le.Uint32(stub[lfanew:])) + len("PE\x00\x00")
	optional := coff + coffSize
	table := optional + int(file.SizeOfOptionalHeader)
	end := table + sectionSize*(len(file.Sections)+len(sections))
	first := opt.SizeOfHeaders
	for _, s := range file.Sections {
		if s.Size > 0 {
			first = min(first, s.Offset)
		}
	}
	if end > int(first) {
		return nil, fmt.Errorf("the EFI stub has no room for %d more sections", len(sections))
	}

	out := bytes.NewBuffer(bytes.Clone(stub))
	header := out.Bytes()[:first]
	address, initialized := opt.SizeOfImage, opt.SizeOfInitializedData
	for i, s := range sections {
		if len(s.Name) > 8 || len(s.Data) == 0 || uint64(len(s.Data)) > math.MaxUint32/2 {
			return nil, fmt.Errorf("section %q: needs a name of at most 8 bytes, and 1 byte to 2 GiB of data; it has %d", s.Name, len(s.Data))
		}
		if file.Section(s.Name) != nil {
			return nil, fmt.Errorf("the EFI stub has a section %q already", s.Name)
		}
		pad(out, opt.FileAlignment)
		raw := align(uint32(len(s.Data)), opt.FileAlignment)
		address = align(address, opt.SectionAlignment)
		entry := header[table+sectionSize*(len(file.Sections)+i):][:sectionSize]
		clear(entry)
		copy(entry, s.Name)
		le.PutUint32(entry[8:], uint32(len(s.Data))) // VirtualSize: the stub takes it for the length
		le.PutUint32(entry[12:], address)
		le.PutUint32(entry[16:], raw)
		le.PutUint32(entry[20:], uint32(out.Len()))
		le.PutUint32(entry[36:], readOnlyContent)
		out.Write(s.Data)
		pad(out, opt.FileAlignment)
		header = out.Bytes()[:first] // the buffer may have moved
		address += uint32(len(s.Data))
		initialized += raw
	}
	le.PutUint16(header[coff+2:], uint16(len(file.Sections)+len(sections)))
	le.PutUint32(header[optional+optInitialized:], initialized)
	le.PutUint32(header[optional+optSizeOfImage:], align(address, opt.SectionAlignment))
	return out.Bytes(), nil
}

// Parse returns the sections of an image, without the padding of the file.
func Parse(image []byte) ([]Section, error) {
	file, err := pe.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, fmt.Errorf("not a unified kernel image: %w", err)
	}
	var sections []Section
	for _, s := range file.Sections {
		data, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("section %s: %w", s.Name, err)
		}
		sections = append(sections, Section{s.Name, data[:min(len(data), int(s.VirtualSize))]})
	}
	return sections, nil
}

func align(n, to uint32) uint32 { return (n + to - 1) / to * to }

func pad(b *bytes.Buffer, to uint32) {
	b.Write(make([]byte, int(align(uint32(b.Len()), to))-b.Len()))
}
