package inspect

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"

	"aes67os/firmware/disk"
	"aes67os/firmware/fit"
	"aes67os/firmware/initramfs"
	"aes67os/firmware/slot"
	"aes67os/firmware/uboot"
	"aes67os/firmware/uki"
)

func newSlot(f disk.File) Slot {
	sum := sha256.Sum256(f.Data)
	return Slot{Path: f.Name, Size: len(f.Data), SHA256: hex.EncodeToString(sum[:])}
}

// ukiSlot takes a unified kernel image apart.
func ukiSlot(f disk.File) (Slot, error) {
	s := newSlot(f)
	sections, err := uki.Parse(f.Data)
	if err != nil {
		return s, err
	}
	s.Stub = loaderInfo(sections)
	var packed []byte
	for _, section := range sections {
		s.Sections = append(s.Sections, Section{section.Name, len(section.Data)})
		switch section.Name {
		case ".uname":
			s.Kernel = string(section.Data)
		case ".cmdline":
			s.Cmdline = string(section.Data)
		case ".initrd":
			packed = section.Data
		}
	}
	return s, s.addInitramfs(packed)
}

// fitSlot takes a FIT image apart.
func fitSlot(f disk.File) (Slot, error) {
	s := newSlot(f)
	parts, err := fit.Parse(f.Data)
	if err != nil {
		return s, err
	}
	var packed []byte
	for _, p := range parts {
		s.Sections = append(s.Sections, Section{p.Name, len(p.Data)})
		switch p.Kind {
		case fit.Kernel:
			s.Kernel = p.Title
		case fit.Script:
			s.Cmdline = uboot.ParseArguments(string(p.Data))
		case fit.Ramdisk:
			packed = p.Data
		}
	}
	return s, s.addInitramfs(packed)
}

func (s *Slot) addInitramfs(packed []byte) error {
	if packed == nil {
		return errors.New("it has no initramfs")
	}
	s.Packed = len(packed)
	files, err := initramfs.Read(packed)
	if err != nil {
		return err
	}
	return s.addFiles(files)
}

// state reads which slot is to start.
func state(data []byte) *State {
	var both [slot.Size]byte
	copy(both[:], data)
	s, err := slot.Parse(both)
	if err != nil {
		s = slot.First()
		return &State{s.Slot, s.Good, s.Left, err.Error()}
	}
	return &State{Slot: s.Slot, Good: s.Good, Left: s.Left}
}

// ubootName is how U-Boot says its version, and the time it was built, in its own code.
var ubootName = regexp.MustCompile(`U-Boot (?:SPL )?([0-9]{4}\.[0-9]{2}[0-9A-Za-z.+~-]*) \(`)

func ubootVersion(program []byte) string {
	if found := ubootName.FindSubmatch(program); found != nil {
		return "U-Boot " + string(found[1])
	}
	return "of an unknown version"
}

// loaderInfo finds what systemd's boot programs say of themselves, in a section that
// is there for that: "#### LoaderInfo: systemd-boot 257.9 ####".
func loaderInfo(sections []uki.Section) string {
	for _, s := range sections {
		if s.Name != ".sdmagic" {
			continue
		}
		_, after, ok := strings.Cut(string(s.Data), "LoaderInfo: ")
		if version, _, end := strings.Cut(after, " ####"); ok && end {
			return version
		}
	}
	return "of an unknown version"
}
