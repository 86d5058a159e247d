// Package initramfs packs the appliance's root file system: a cpio archive that the
// kernel unpacks into RAM.
//
// It is compressed with LZ4, in the legacy format that the kernel reads. Zstandard
// would make it a quarter smaller, but unpacking is on the way to the page: LZ4 takes
// a fifth of the time.
//
// The same content gives the same bytes: records are sorted, have no times and
// belong to root.
package initramfs

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/pierrec/lz4/v4"
	"github.com/u-root/u-root/pkg/cpio"
)

// Files is what goes into the archive. The zero value is empty and ready to use.
type Files struct {
	records map[string]cpio.Record
}

// Add puts a regular file at name, a path without leading slash.
func (f *Files) Add(name string, data []byte, perm uint64) {
	f.put(cpio.StaticFile(name, string(data), perm))
}

// Dir puts an empty directory at name. Parents of files need not be added.
func (f *Files) Dir(name string, perm uint64) { f.put(cpio.Directory(name, perm)) }

// Link puts a symbolic link to target at name.
func (f *Files) Link(name, target string) { f.put(cpio.Symlink(name, target)) }

// Device puts a character device at name.
func (f *Files) Device(name string, perm, major, minor uint64) {
	f.put(cpio.CharDev(name, perm, major, minor))
}

func (f *Files) put(r cpio.Record) {
	if f.records == nil {
		f.records = map[string]cpio.Record{}
	}
	f.records[r.Name] = r
	for dir := path.Dir(r.Name); dir != "."; dir = path.Dir(dir) {
		if _, ok := f.records[dir]; !ok {
			f.records[dir] = cpio.Directory(dir, 0o755)
		}
	}
}

// Size is the sum of the files' sizes in bytes.
func (f *Files) Size() int64 {
	var n int64
	for _, r := range f.records {
		n += int64(r.FileSize)
	}
	return n
}

// Write writes the compressed archive to w.
func (f *Files) Write(w io.Writer) error {
	records := make([]cpio.Record, 0, len(f.records))
	for _, r := range f.records {
		records = append(records, r)
	}
	// A directory sorts before what is in it, which the kernel needs.
	slices.SortFunc(records, func(a, b cpio.Record) int { return cmp.Compare(a.Name, b.Name) })

	out := &counter{w: w}
	z := lz4.NewWriter(out)
	if err := z.Apply(lz4.LegacyOption(true), lz4.CompressionLevelOption(lz4.Level9), lz4.ConcurrencyOption(2)); err != nil {
		return err
	}
	archive := cpio.Newc.Writer(z)
	for i, r := range records {
		r = cpio.MakeReproducible(r)
		r.Ino = uint64(i + 1)
		if err := archive.WriteRecord(r); err != nil {
			return fmt.Errorf("pack %s: %w", r.Name, err)
		}
	}
	if err := cpio.WriteTrailer(archive); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	// The boot stub puts archives of its own behind this one. The legacy format has no
	// end; the kernel takes a block of size 0 for it, and wants the next archive at a
	// multiple of 4.
	_, err := w.Write(make([]byte, 4+(4-out.n%4)%4))
	return err
}

// counter counts the bytes written to w.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// endOf finds the end that Write puts behind the blocks: the magic number, then each
// block with its size before it. Of data cut off, the end is where it ends.
func endOf(data []byte) int {
	const word = 4
	for at := word; at+word <= len(data); {
		size := binary.LittleEndian.Uint32(data[at:])
		if size == 0 {
			return at
		}
		if uint64(size) > uint64(len(data)-at-word) {
			break
		}
		at += word + int(size)
	}
	return len(data)
}

// maxSize bounds what Read unpacks, in bytes.
const maxSize = 1 << 30

// File is a file of a packed archive.
type File struct {
	Name string
	Data []byte
	Dir  bool
}

// Read unpacks an archive that Write made.
func Read(data []byte) ([]File, error) {
	plain, err := io.ReadAll(io.LimitReader(lz4.NewReader(bytes.NewReader(data[:endOf(data)])), maxSize))
	if err != nil {
		return nil, fmt.Errorf("unpack the initramfs: %w", err)
	}
	var files []File
	err = cpio.ForEachRecord(cpio.Newc.Reader(bytes.NewReader(plain)), func(r cpio.Record) error {
		if r.Name == cpio.Trailer {
			return nil
		}
		f := File{Name: strings.TrimPrefix(r.Name, "/"), Dir: r.Mode&cpio.S_IFMT == cpio.S_IFDIR}
		if !f.Dir && r.ReaderAt != nil {
			f.Data = make([]byte, r.FileSize)
			if _, err := io.ReadFull(io.NewSectionReader(r, 0, int64(r.FileSize)), f.Data); err != nil {
				return fmt.Errorf("unpack %s: %w", r.Name, err)
			}
		}
		files = append(files, f)
		return nil
	})
	return files, err
}
