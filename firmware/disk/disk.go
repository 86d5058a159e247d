// Package disk writes and reads the appliance's disk image: a GUID partition table
// (UEFI 2.10 §5.3), its partitions, and before them, for boards whose processor looks for
// it there, a boot loader.
//
// The data partition is left blank. init makes its file system on first boot, so
// that each appliance has one of its own, and grows it to the card's end.
//
// Every identifier is fixed and times come from SOURCE_DATE_EPOCH: the same files
// give the same image. The image file is sparse.
package disk

import (
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"aes67os/board"
)

const (
	sector = 512
	// Partitions begin on a boundary that suits every flash card.
	boundary = 4 << 20
	// tail is left free behind the last partition for the backup table.
	tail = 1 << 20
	// LoaderOffset is where Allwinner's processors look for a boot loader, in bytes,
	// when there is none at 8 KiB: there the partition table is.
	LoaderOffset = 128 << 10

	diskGUID = "6AE567C5-0001-4D15-8A67-000000000000"
)

// Label is the name of FAT file systems for people; those of the slots have the slot's
// behind it.
const Label = "AES67OS"

// kinds are the partitions there can be. Their identifiers are part of the format.
var kinds = map[string]struct {
	guid, label string
	kind        gpt.Type
}{
	board.BootPartition:  {"6AE567C5-0001-4D15-8A67-000000000001", Label, gpt.MicrosoftBasicData},
	board.DataPartition:  {"6AE567C5-0001-4D15-8A67-000000000002", "", gpt.LinuxFilesystem},
	board.StatePartition: {"6AE567C5-0001-4D15-8A67-000000000003", "", gpt.LinuxReserved},
	// Linux's, so that nobody's computer offers slots to write to.
	board.SlotAPartition: {"6AE567C5-0001-4D15-8A67-000000000004", Label + "-A", gpt.LinuxFilesystem},
	board.SlotBPartition: {"6AE567C5-0001-4D15-8A67-000000000005", Label + "-B", gpt.LinuxFilesystem},
}

// File is a file of a FAT file system; Name is its path from the root.
type File struct {
	Name string
	Data []byte
}

// Content is a partition to make.
type Content struct {
	// Name is one of those in package board.
	Name string
	// Size is in bytes, whole MiB.
	Size int64
	// Files are put on a FAT file system, which is made for a partition of that kind
	// even if there are none. Data is put at the beginning of any other.
	Files []File
	Data  []byte
}

// Layout is what an image consists of.
type Layout struct {
	// Loader goes to LoaderOffset; it may be empty.
	Loader []byte
	// Partitions are in the order of their places and numbers, which begin at 1.
	Partitions []Content
}

// Size is the image's size in bytes.
func (l Layout) Size() int64 {
	size := int64(boundary + tail)
	for _, p := range l.Partitions {
		size += align(p.Size)
	}
	return size
}

// Create writes an image of the layout to name, which it replaces.
func Create(name string, l Layout) (err error) {
	if len(l.Loader) > boundary-LoaderOffset {
		return fmt.Errorf("the boot loader has %d bytes, and there is room for %d", len(l.Loader), boundary-LoaderOffset)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(l.Size()); err != nil {
		return err
	}
	table := gpt.Table{GUID: diskGUID, ProtectiveMBR: true, LogicalSectorSize: sector, PhysicalSectorSize: sector}
	start := int64(boundary)
	for i, p := range l.Partitions {
		k, ok := kinds[p.Name]
		if !ok {
			return fmt.Errorf("there is no partition called %q", p.Name)
		}
		if p.Name == board.BootPartition && len(l.Loader) == 0 {
			k.kind = gpt.EFISystemPartition // a PC's firmware finds its loader by that
		}
		table.Partitions = append(table.Partitions, &gpt.Partition{
			Index: i + 1, Start: uint64(start / sector), Size: uint64(p.Size), Type: k.kind, Name: p.Name, GUID: k.guid,
		})
		if err := fill(f, start, p); err != nil {
			return fmt.Errorf("write the partition %s: %w", p.Name, err)
		}
		start += align(p.Size)
	}
	if err := table.Write(f, l.Size()); err != nil {
		return fmt.Errorf("write the partition table: %w", err)
	}
	if _, err := f.WriteAt(l.Loader, LoaderOffset); err != nil {
		return fmt.Errorf("write the boot loader: %w", err)
	}
	return nil
}

// fill writes what is in a partition.
func fill(f *os.File, start int64, p Content) error {
	if int64(len(p.Data)) > p.Size {
		return fmt.Errorf("%d bytes do not fit into %d", len(p.Data), p.Size)
	}
	if label := kinds[p.Name].label; label != "" {
		return writeFAT(file.New(f, false), start, label, p)
	}
	_, err := f.WriteAt(p.Data, start)
	return err
}

func writeFAT(b backend.Storage, start int64, label string, p Content) error {
	fat, err := fat32.Create(b, p.Size, start, sector, label, true)
	if err != nil {
		return err
	}
	made := map[string]bool{".": true}
	for _, f := range p.Files {
		if err := mkdirs(fat, path.Dir(f.Name), made); err != nil {
			return err
		}
		w, err := fat.OpenFile("/"+f.Name, os.O_CREATE|os.O_RDWR)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if _, err := w.Write(f.Data); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if err := w.Close(); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return fat.Close()
}

func mkdirs(fat *fat32.FileSystem, dir string, made map[string]bool) error {
	if made[dir] {
		return nil
	}
	if err := mkdirs(fat, path.Dir(dir), made); err != nil {
		return err
	}
	made[dir] = true
	return fat.Mkdir("/" + dir)
}

// align rounds a size up, so that what is behind begins on the boundary.
func align(size int64) int64 { return (size + boundary - 1) / boundary * boundary }
