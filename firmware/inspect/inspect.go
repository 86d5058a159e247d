// Package inspect tells what is inside an image: from the partitions of the disk down
// to the programs in the initramfs.
//
// It believes nothing but the image. What it reports is read back from the file that
// would be flashed, with the readers beside the builder's writers; so it is also the
// check that a build wrote what it meant to.
package inspect

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"aes67os/board"
	"aes67os/firmware/disk"
	"aes67os/firmware/flash/image"
	"aes67os/firmware/initramfs"
	"aes67os/firmware/slot"
	"aes67os/firmware/uboot"
	"aes67os/firmware/uki"
)

// ErrNotOurs is wrapped by the error of a disk that is not an image of aes67os.
var ErrNotOurs = errors.New("not an image of aes67os")

// Report is what is in an image. Sizes and offsets are in bytes.
type Report struct {
	Image      string      `json:"image"`
	Size       int64       `json:"size_bytes,omitempty"`
	Partitions []Partition `json:"partitions"`
	Loader     *Loader     `json:"loader,omitempty"`
	// State says which slot is to start, on boards where U-Boot does that.
	State *State `json:"state,omitempty"`
	// Slots has each whole system that is in the image.
	Slots []Slot `json:"slots"`
}

// State is which slot U-Boot starts.
type State struct {
	Slot slot.Name `json:"slot"`
	Good slot.Name `json:"good"`
	Left uint8     `json:"tries_left"`
	// Damaged says what is wrong with the state on the disk; the rest is then what
	// U-Boot falls back to.
	Damaged string `json:"damaged,omitempty"`
}

// Partition is a line of the partition table.
type Partition struct {
	Name   string `json:"name"`
	Offset int64  `json:"offset_bytes"`
	Size   int64  `json:"size_bytes"`
}

// Loader is the boot loader.
type Loader struct {
	// Path is the file, or the place on the disk.
	Path string `json:"path"`
	// Version is as the loader says it, for example "systemd-boot 257.9-1~deb13u1".
	Version string `json:"version"`
	Size    int    `json:"size_bytes"`
}

// Slot is a system: one file, on the EFI system partition or on a partition of its own.
type Slot struct {
	// Partition is the slot's own; empty where slots share the EFI system partition.
	Partition string    `json:"partition,omitempty"`
	Path      string    `json:"path"`
	Size      int       `json:"size_bytes"`
	SHA256    string    `json:"sha256"`
	Sections  []Section `json:"sections"`
	// Stub is the version of the program that starts the kernel, where that is not the
	// boot loader.
	Stub    string        `json:"stub,omitempty"`
	Kernel  string        `json:"kernel"`
	Cmdline string        `json:"cmdline"`
	Release board.Release `json:"release"`
	// Packed and Unpacked are the sizes of the initramfs.
	Packed   int       `json:"initramfs_packed_bytes"`
	Unpacked int64     `json:"initramfs_unpacked_bytes"`
	Programs []Program `json:"programs"`
	Modules  []Module  `json:"modules"`
}

// Section is a part of a slot file.
type Section struct {
	Name string `json:"name"`
	Size int    `json:"size_bytes"`
}

// Program is a Go program.
type Program struct {
	Path string `json:"path"`
	Size int    `json:"size_bytes"`
	// Go is the compiler's version, Modules how many modules are compiled in.
	Go      string `json:"go"`
	Modules int    `json:"modules"`
}

// Module is a kernel module.
type Module struct {
	// Path is below /lib/modules/RELEASE.
	Path string `json:"path"`
	Size int    `json:"size_bytes"`
}

// Inspect looks into name, which is an image, plain or compressed, or a block device.
// progress, if not nil, is told how much of a compressed image is unpacked. The error
// is ErrNotOurs when the disk is of something else.
func Inspect(ctx context.Context, name string, progress func(done, total int64)) (*Report, error) {
	i, err := image.Open(name)
	switch {
	case errors.Is(err, image.ErrNot):
		return nil, fmt.Errorf("%w: %w", ErrNotOurs, err)
	case err != nil:
		return nil, err
	}
	plain := name
	if i.Compressed {
		f, err := os.CreateTemp("", "aes67os-inspect-")
		if err != nil {
			return nil, err
		}
		defer os.Remove(f.Name())
		defer f.Close()
		if err := i.Unpack(ctx, f, progress); err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		plain = f.Name()
	}
	d, err := disk.Open(plain)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNotOurs, name, err)
	}
	r := &Report{Image: name, Size: i.Size}
	if len(d.Loader) > 0 {
		r.Loader = &Loader{fmt.Sprintf("at %d KiB", disk.LoaderOffset>>10), ubootVersion(d.Loader), len(d.Loader)}
	}
	for _, p := range d.Partitions {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.addPartition(p); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(r.Slots) == 0 {
		return nil, fmt.Errorf("%w: %s has no system", ErrNotOurs, name)
	}
	return r, nil
}

// addPartition reports a partition and what is on it.
func (r *Report) addPartition(p disk.Partition) error {
	r.Partitions = append(r.Partitions, Partition{p.Name, p.Start, p.Size})
	switch p.Name {
	case board.BootPartition:
		for _, f := range p.Files {
			if err := r.addFile(f); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
	case board.StatePartition:
		r.State = state(p.Data)
	case board.SlotAPartition, board.SlotBPartition:
		for _, f := range p.Files {
			if f.Name != uboot.SlotFile {
				continue
			}
			s, err := fitSlot(f)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", p.Name, f.Name, err)
			}
			s.Partition = p.Name
			r.Slots = append(r.Slots, s)
		}
	}
	return nil
}

// addFile reports a file of the EFI system partition. FAT does not mind the case of
// names.
func (r *Report) addFile(f disk.File) error {
	dir, base := path.Split(strings.ToLower(f.Name))
	switch {
	case path.Ext(base) != ".efi":
		return nil
	case dir == "efi/boot/":
		sections, err := uki.Parse(f.Data)
		if err != nil {
			return err
		}
		r.Loader = &Loader{Path: f.Name, Version: loaderInfo(sections), Size: len(f.Data)}
	case dir == "efi/linux/":
		s, err := ukiSlot(f)
		if err != nil {
			return err
		}
		r.Slots = append(r.Slots, s)
	}
	return nil
}

// addFiles reports what is in the initramfs.
func (s *Slot) addFiles(files []initramfs.File) error {
	modules := "lib/modules/" + s.Kernel + "/"
	for _, f := range files {
		s.Unpacked += int64(len(f.Data))
		name, isModule := strings.CutPrefix(f.Name, modules)
		switch {
		case "/"+f.Name == board.ReleasePath:
			if err := json.Unmarshal(f.Data, &s.Release); err != nil {
				return fmt.Errorf("%s in the initramfs: %w", board.ReleasePath, err)
			}
		case isModule && strings.HasSuffix(name, board.ModuleSuffix):
			s.Modules = append(s.Modules, Module{strings.TrimSuffix(name, board.ModuleSuffix), len(f.Data)})
		default:
			if info, err := buildinfo.Read(bytes.NewReader(f.Data)); err == nil {
				s.Programs = append(s.Programs, Program{f.Name, len(f.Data), info.GoVersion, len(info.Deps)})
			}
		}
	}
	if s.Release.Board == "" {
		return fmt.Errorf("%w: the initramfs has no %s", ErrNotOurs, board.ReleasePath)
	}
	slices.SortFunc(s.Modules, func(a, b Module) int { return strings.Compare(a.Path, b.Path) })
	return nil
}
