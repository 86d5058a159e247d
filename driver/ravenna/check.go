package ravenna

import (
	"cmp"
	"debug/elf"
	"fmt"
	"slices"
	"strings"
)

// Target is the kernel that a module must fit.
type Target struct {
	// Arch is the architecture as Debian and Go call it: amd64 or arm64.
	Arch string
	// Vermagic is what the kernel's own modules have; its first word is the
	// kernel's release.
	Vermagic string
	// Symbols has the CRCs of the kernel's symbols, as far as they are known. Those
	// that are not here are not judged.
	Symbols map[string]uint32
}

// Info is what a module that fits says about itself.
type Info struct {
	// Name is as lsmod prints it.
	Name, Version, License, Vermagic string
	// Depends names the modules to be loaded before.
	Depends []string
	Machine elf.Machine
	// Data is the ELF file, decompressed.
	Data []byte
}

// machines are the ELF machines of the architectures we build for.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// Check tells whether the module in file, plain or packed with xz, zstd or gzip,
// can be loaded by the kernel of target, and what it says about itself. Its errors
// are ErrNotModule, ErrTooLarge, *MachineError, *VermagicError and *SymbolError.
func Check(file []byte, target Target) (Info, error) {
	machine, ok := machines[target.Arch]
	if !ok {
		return Info{}, fmt.Errorf("no kernel module can be checked for architecture %q", target.Arch)
	}
	data, err := unpack(file)
	if err != nil {
		return Info{}, err
	}
	m, err := readModule(data)
	if err != nil {
		return Info{}, err
	}
	release, _, _ := strings.Cut(target.Vermagic, " ")
	headers := "linux-headers-" + release
	if m.machine != machine {
		return Info{}, &MachineError{m.machine, machine, headers}
	}
	if vermagic := m.modinfo["vermagic"]; vermagic != strings.TrimSpace(target.Vermagic) {
		return Info{}, &VermagicError{cmp.Or(vermagic, "none"), target.Vermagic, headers}
	}
	if differ := differing(m.versions, target.Symbols); differ != nil {
		return Info{}, &SymbolError{differ, headers}
	}
	return Info{
		Name:     strings.ReplaceAll(m.modinfo["name"], "-", "_"),
		Version:  m.modinfo["version"],
		License:  m.modinfo["license"],
		Vermagic: m.modinfo["vermagic"],
		Depends:  strings.FieldsFunc(m.modinfo["depends"], func(r rune) bool { return r == ',' }),
		Machine:  m.machine,
		Data:     data,
	}, nil
}

// differing lists the symbols that both sides know with another CRC.
func differing(module, image map[string]uint32) []SymbolMismatch {
	var all []SymbolMismatch
	for name, crc := range module {
		if want, known := image[name]; known && want != crc {
			all = append(all, SymbolMismatch{name, crc, want})
		}
	}
	slices.SortFunc(all, func(a, b SymbolMismatch) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
