package uki

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stub makes a PE file like systemd's: one section, with room in its headers for
// more of them.
func stub(t *testing.T, headers uint32, subsystem uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	dos := make([]byte, 64)
	copy(dos, "MZ")
	binary.LittleEndian.PutUint32(dos[lfanew:], 64)
	b.Write(dos)
	b.WriteString("PE\x00\x00")
	for _, part := range []any{
		pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: 1, SizeOfOptionalHeader: 240},
		pe.OptionalHeader64{
			Magic: 0x20b, SectionAlignment: 0x1000, FileAlignment: 0x200, SizeOfImage: 0x2000, SizeOfHeaders: headers,
			SizeOfInitializedData: 5, Subsystem: subsystem, NumberOfRvaAndSizes: 16,
		},
		pe.SectionHeader32{Name: [8]uint8{'.', 't', 'e', 'x', 't'}, VirtualSize: 5, VirtualAddress: 0x1000, SizeOfRawData: 0x200, PointerToRawData: headers},
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	b.Write(make([]byte, int(headers)-b.Len()))
	b.Write(append([]byte("stub!"), make([]byte, 0x200-5)...))
	return b.Bytes()
}

func TestAssemble(t *testing.T) {
	sections := []Section{
		{".osrel", []byte("ID=aes67os\n")},
		{".linux", bytes.Repeat([]byte("k"), 0x1234)},
		{".initrd", []byte("i")},
	}
	image, err := Assemble(stub(t, 0x600, pe.IMAGE_SUBSYSTEM_EFI_APPLICATION), sections...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(image)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]Section{{".text", []byte("stub!")}}, sections...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sections (-want +got):\n%s", diff)
	}

	file, err := pe.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	next := uint32(0x1000)
	for _, s := range file.Sections {
		if s.VirtualAddress != next {
			t.Errorf("%s is at address %#x; want %#x", s.Name, s.VirtualAddress, next)
		}
		if s.Offset%0x200 != 0 || s.Size%0x200 != 0 {
			t.Errorf("%s is not aligned in the file: offset %#x, size %#x", s.Name, s.Offset, s.Size)
		}
		next = align(s.VirtualAddress+s.VirtualSize, 0x1000)
	}
	opt := file.OptionalHeader.(*pe.OptionalHeader64)
	if opt.SizeOfImage != next {
		t.Errorf("SizeOfImage = %#x; want %#x", opt.SizeOfImage, next)
	}
	if want := uint32(5 + 0x200 + 0x1400 + 0x200); opt.SizeOfInitializedData != want {
		t.Errorf("SizeOfInitializedData = %#x; want %#x", opt.SizeOfInitializedData, want)
	}
}

func TestAssembleRefuses(t *testing.T) {
	good := stub(t, 0x600, pe.IMAGE_SUBSYSTEM_EFI_APPLICATION)
	one := Section{".linux", []byte("k")}
	for _, test := range []struct {
		name     string
		stub     []byte
		sections []Section
		want     string
	}{
		{"no PE file", []byte("#!/bin/sh\n"), []Section{one}, "not a PE file"},
		{"no EFI application", stub(t, 0x600, pe.IMAGE_SUBSYSTEM_WINDOWS_CUI), []Section{one}, "not a 64-bit EFI application"},
		{"no room", stub(t, 0x200, pe.IMAGE_SUBSYSTEM_EFI_APPLICATION), []Section{one, {".initrd", []byte("i")}, {".uname", []byte("u")}, {".osrel", []byte("o")}}, "no room for 4 more"},
		{"there already", good, []Section{{".text", []byte("x")}}, "already"},
		{"name too long", good, []Section{{".cmdlines", []byte("x")}}, "at most 8 bytes"},
		{"empty", good, []Section{{".linux", nil}}, "it has 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Assemble(test.stub, test.sections...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Assemble(%s) = %v; want an error with %q", test.name, err, test.want)
			}
		})
	}
}

func TestAssembleLeavesTheStubAlone(t *testing.T) {
	original := stub(t, 0x600, pe.IMAGE_SUBSYSTEM_EFI_APPLICATION)
	before := bytes.Clone(original)
	if _, err := Assemble(original, Section{".linux", []byte("k")}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, original) {
		t.Error("Assemble changed its argument")
	}
}
