package disk

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"aes67os/board"
)

// Partition is a line of the partition table, and what is in it. Numbers are in bytes.
type Partition struct {
	Name        string
	Start, Size int64
	// Type is the identifier of what it is for.
	Type string
	// Files are those of a FAT file system. Data is the beginning of the partition with
	// the slots' state.
	Files []File
	Data  []byte
}

// Disk is what was read of an image.
type Disk struct {
	Partitions []Partition
	// Loader is what is at LoaderOffset, without the zeros behind it.
	Loader []byte
}

// stateSize is how much is read of the partition with the slots' state, in bytes.
const stateSize = 4096

// Partition finds a partition by its name.
func (d Disk) Partition(name string) (Partition, bool) {
	i := slices.IndexFunc(d.Partitions, func(p Partition) bool { return p.Name == name })
	if i < 0 {
		return Partition{}, false
	}
	return d.Partitions[i], true
}

// Open reads an image or a block device.
func Open(name string) (Disk, error) {
	f, err := os.Open(name)
	if err != nil {
		return Disk{}, err
	}
	defer f.Close()
	table, err := gpt.Read(f, sector, sector)
	if err != nil {
		return Disk{}, fmt.Errorf("%s has no partition table of an appliance: %w", name, err)
	}
	var d Disk
	for _, t := range table.Partitions {
		if t.Type == gpt.Unused {
			continue
		}
		p := Partition{Name: t.Name, Type: string(t.Type), Start: int64(t.Start) * sector, Size: int64(t.Size)}
		if err := p.read(f); err != nil {
			return Disk{}, fmt.Errorf("%s: partition %s: %w", name, p.Name, err)
		}
		d.Partitions = append(d.Partitions, p)
	}
	if _, ok := d.Partition(board.BootPartition); !ok {
		return Disk{}, fmt.Errorf("%s has no partition called %s: not an image of aes67os", name, board.BootPartition)
	}
	d.Loader, err = readLoader(f, d.Partitions)
	return d, err
}

func (p *Partition) read(f *os.File) error {
	if kinds[p.Name].label != "" {
		return p.readFAT(f)
	}
	if p.Name == board.StatePartition {
		p.Data = make([]byte, min(stateSize, p.Size))
		_, err := f.ReadAt(p.Data, p.Start)
		return err
	}
	return nil
}

func (p *Partition) readFAT(f *os.File) error {
	fat, err := fat32.Read(file.New(f, true), p.Size, p.Start, sector)
	if err != nil {
		return err
	}
	return fs.WalkDir(fat, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := readWhole(fat, name, d)
		p.Files = append(p.Files, File{name, data})
		return err
	})
}

// readWhole reads a file in one go: the library's reader, begun within a cluster, goes on
// to the cluster's end, which may be behind the file's.
func readWhole(fat *fat32.FileSystem, name string, d fs.DirEntry) ([]byte, error) {
	info, err := d.Info()
	if err != nil {
		return nil, err
	}
	f, err := fat.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, info.Size())
	_, err = io.ReadFull(f, data)
	return data, err
}

// readLoader reads from LoaderOffset to where the first partition begins.
func readLoader(f *os.File, partitions []Partition) ([]byte, error) {
	end := slices.MinFunc(partitions, func(a, b Partition) int { return cmp.Compare(a.Start, b.Start) }).Start
	if end <= LoaderOffset || end > boundary {
		return nil, nil
	}
	area := make([]byte, end-LoaderOffset)
	if _, err := f.ReadAt(area, LoaderOffset); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if loader := bytes.TrimRight(area, "\x00"); len(loader) > 0 {
		return loader, nil
	}
	return nil, nil
}
