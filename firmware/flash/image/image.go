// Package image reads disk images from files, plain or compressed with zstd.
//
// Both kinds look the same to the caller: a size known before anything is read, and
// a stream of that many bytes. The size comes from the image's own partition table,
// for a compressed file need not tell it.
package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// ErrNot is wrapped by the error of a file that has no disk image in it.
var ErrNot = errors.New("not a disk image")

// Image is a disk image in a file.
type Image struct {
	Name string
	// Size is that of the plain image, in bytes.
	Size int64
	// Compressed tells that the file is compressed.
	Compressed bool
}

const (
	sector = 512
	// maxSize bounds what a partition table may claim: 16 TiB.
	maxSize = 16 << 40
	// maxWindow bounds the memory of decompression.
	maxWindow = 512 << 20
)

// Open reads what kind of image a file is.
func Open(name string) (*Image, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	i := &Image{Name: name}
	magic := make([]byte, 4)
	if _, err := f.ReadAt(magic, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	i.Compressed = bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) // RFC 8878 §3.1.1
	plain, err := i.plain(f)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	head := make([]byte, 2*sector)
	if _, err := io.ReadFull(plain, head); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrNot, err)
	}
	if i.Size, err = tableSize(head[sector:]); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if st, err := f.Stat(); err == nil && !i.Compressed && st.Mode().IsRegular() && st.Size() != i.Size {
		return nil, fmt.Errorf("%s: the image is of %d bytes and the file has %d: it was not copied whole", name, i.Size, st.Size())
	}
	return i, nil
}

// Reader opens the plain image. Reading it to the end fails when there are not
// exactly Size bytes.
func (i *Image) Reader() (io.ReadCloser, error) {
	f, err := os.Open(i.Name)
	if err != nil {
		return nil, err
	}
	plain, err := i.plain(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &reader{plain, f, i, 0}, nil
}

// Unpack writes the plain image to f, leaving holes where it is zero. f must be
// empty. progress, if not nil, is told how many bytes are done.
func (i *Image) Unpack(ctx context.Context, f *os.File, progress func(done, total int64)) error {
	r, err := i.Reader()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := f.Truncate(i.Size); err != nil {
		return err
	}
	buf, zero := make([]byte, 1<<20), make([]byte, 1<<20)
	for at := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(r, buf)
		if !bytes.Equal(buf[:n], zero[:n]) {
			if _, err := f.WriteAt(buf[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if progress != nil {
			progress(at, i.Size)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (i *Image) plain(f *os.File) (io.ReadCloser, error) {
	if !i.Compressed {
		return io.NopCloser(f), nil
	}
	z, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", i.Name, err)
	}
	return z.IOReadCloser(), nil
}

// reader counts, and closes the decoder and the file.
type reader struct {
	plain io.ReadCloser
	file  *os.File
	image *Image
	n     int64
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.plain.Read(p)
	r.n += int64(n)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return n, fmt.Errorf("%s: %w", r.image.Name, err)
	case r.n > r.image.Size, err != nil && r.n < r.image.Size:
		return n, fmt.Errorf("%s: the image is of %d bytes and ends at %d: it was not copied whole", r.image.Name, r.image.Size, r.n)
	}
	return n, err
}

func (r *reader) Close() error { return errors.Join(r.plain.Close(), r.file.Close()) }

// tableSize finds the size of a disk in the header of its partition table (UEFI 2.10
// table 5.5): the backup header is in the last sector.
func tableSize(header []byte) (int64, error) {
	const minHeader = 92
	le := binary.LittleEndian
	size := le.Uint32(header[12:])
	if !bytes.HasPrefix(header, []byte("EFI PART")) || size < minHeader || int(size) > len(header) {
		return 0, fmt.Errorf("%w: it has no partition table (GPT)", ErrNot)
	}
	sum := bytes.Clone(header[:size])
	le.PutUint32(sum[16:], 0)
	if crc32.ChecksumIEEE(sum) != le.Uint32(header[16:]) {
		return 0, fmt.Errorf("%w: the checksum of its partition table is wrong", ErrNot)
	}
	last := le.Uint64(header[32:])
	if last < 2 || last >= maxSize/sector {
		return 0, fmt.Errorf("%w: its partition table says that it ends at sector %d", ErrNot, last)
	}
	return int64(last+1) * sector, nil
}
