package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"

	"aes67os/board"
)

// maxBootFile bounds what ReadBootFile reads, in bytes.
const maxBootFile = 64 << 10

// ReadBootFile reads a file from the root of the boot partition. Its error is
// fs.ErrNotExist when the file, or the partition, is not there. The partition is not
// mounted: it is read once, here, and a file system driver takes longer to load.
func ReadBootFile(sys, dev, name string) (data []byte, err error) {
	p, ok := lookup(sys, dev, board.BootPartition)
	if !ok {
		return nil, fs.ErrNotExist
	}
	f, err := os.Open(p.node)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fat, err := fat32.Read(file.New(f, true), p.size, 0, 512)
	if err != nil {
		return nil, fmt.Errorf("the boot partition %s: %w", p.node, err)
	}
	entries, err := fat.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("the boot partition %s: %w", p.node, err)
	}
	for _, e := range entries {
		if e.Name() != name {
			continue
		}
		info, err := e.Info()
		if err != nil || info.Size() > maxBootFile {
			return nil, errors.Join(err, fmt.Errorf("%s on the card is larger than %d bytes", name, maxBootFile))
		}
		in, err := fat.OpenFile(filepath.Join("/", name), os.O_RDONLY)
		if err != nil {
			return nil, err
		}
		defer in.Close()
		// In one go: the library's reader, begun within a cluster, goes on to the cluster's
		// end, which may be behind the file's.
		data := make([]byte, info.Size())
		_, err = io.ReadFull(in, data)
		return data, err
	}
	return nil, fs.ErrNotExist
}
