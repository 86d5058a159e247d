// Package disk writes and reads the appliance's disk image: a GUID partition table
// (UEFI 2.10 §5.3) with an EFI system partition and a data partition.
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
	"io/fs"
	"os"
	"path"
	"slices"

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

	diskGUID = "6AE567C5-0001-4D15-8A67-000000000000"
	espGUID  = "6AE567C5-0001-4D15-8A67-000000000001"
	dataGUID = "6AE567C5-0001-4D15-8A67-000000000002"
)

// File is a file of the EFI system partition; Name is its path from the root.
type File struct {
	Name string
	Data []byte
}

// Layout is what an image consists of. Sizes are in bytes, whole MiB.
type Layout struct {
	ESPSize, DataSize int64
	ESP               []File
}

// Create writes an image of the layout to name, which it replaces.
func Create(name string, l Layout) (err error) {
	size := boundary + l.ESPSize + l.DataSize + tail
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(size); err != nil {
		return err
	}
	b := file.New(f, false)
	espStart := int64(boundary)
	dataStart := espStart + l.ESPSize
	table := gpt.Table{
		GUID: diskGUID, ProtectiveMBR: true, LogicalSectorSize: sector, PhysicalSectorSize: sector,
		Partitions: []*gpt.Partition{
			{Index: 1, Start: uint64(espStart / sector), Size: uint64(l.ESPSize), Type: gpt.EFISystemPartition, Name: board.BootPartition, GUID: espGUID},
			{Index: 2, Start: uint64(dataStart / sector), Size: uint64(l.DataSize), Type: gpt.LinuxFilesystem, Name: board.DataPartition, GUID: dataGUID},
		},
	}
	if err := table.Write(f, size); err != nil {
		return fmt.Errorf("write the partition table: %w", err)
	}
	if err := writeESP(b, espStart, l); err != nil {
		return fmt.Errorf("write the EFI system partition: %w", err)
	}
	return nil
}

func writeESP(b backend.Storage, start int64, l Layout) error {
	esp, err := fat32.Create(b, l.ESPSize, start, sector, "AES67OS", true)
	if err != nil {
		return err
	}
	made := map[string]bool{".": true}
	for _, f := range l.ESP {
		if err := mkdirs(esp, path.Dir(f.Name), made); err != nil {
			return err
		}
		w, err := esp.OpenFile("/"+f.Name, os.O_CREATE|os.O_RDWR)
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
	return esp.Close()
}

func mkdirs(esp *fat32.FileSystem, dir string, made map[string]bool) error {
	if made[dir] {
		return nil
	}
	if err := mkdirs(esp, path.Dir(dir), made); err != nil {
		return err
	}
	made[dir] = true
	return esp.Mkdir("/" + dir)
}

// Partition is a line of the partition table, in bytes.
type Partition struct {
	Name        string
	Start, Size int64
}

// Open reads the partition table and the files of the EFI system partition of an image
// or a block device.
func Open(name string) ([]Partition, []File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	table, err := gpt.Read(f, sector, sector)
	if err != nil {
		return nil, nil, fmt.Errorf("%s has no partition table of an appliance: %w", name, err)
	}
	var partitions []Partition
	for _, p := range table.Partitions {
		if p.Type == gpt.Unused {
			continue
		}
		partitions = append(partitions, Partition{p.Name, int64(p.Start) * sector, int64(p.Size)})
	}
	i := slices.IndexFunc(partitions, func(p Partition) bool { return p.Name == board.BootPartition })
	if i < 0 {
		return nil, nil, fmt.Errorf("%s has no partition called %s: not an image of aes67os", name, board.BootPartition)
	}
	esp, err := fat32.Read(file.New(f, true), partitions[i].Size, partitions[i].Start, sector)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: EFI system partition: %w", name, err)
	}
	var files []File
	err = fs.WalkDir(esp, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(esp, p)
		files = append(files, File{p, data})
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: EFI system partition: %w", name, err)
	}
	return partitions, files, nil
}
