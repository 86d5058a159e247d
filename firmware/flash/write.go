package flash

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"aes67os/firmware/flash/image"
)

// The steps that Progress is told of.
const (
	Writing   = "write"
	Verifying = "verify"
)

// Progress is told how many bytes of a step are on the disk, or were read back from
// it. Its last call of a step has done equal to total.
type Progress func(step string, done, total int64)

// chunk is what is written, or read, in one go. It is a multiple of the erase blocks
// of flash cards.
const chunk = 4 << 20

// disk is what is written to.
type disk interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Push returns when the disk was handed everything written, Sync when it has
	// also taken that out of its own memory.
	Push() error
	Sync() error
	// Forget makes what is read from now on come from the disk, not from memory.
	Forget() error
	// Reread makes the kernel look for partitions again.
	Reread() error
}

// Write writes an image to a disk and reads it back. When it ends early the error says
// in which state the disk is: not written, not bootable, or written and not verified.
func Write(ctx context.Context, i *image.Image, t Target, progress Progress) (err error) {
	d, err := openDisk(t)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return write(ctx, i, t, d, progress)
}

func write(ctx context.Context, i *image.Image, t Target, d disk, progress Progress) error {
	w := &writer{d, i.Size, progress}
	sums, err := w.write(ctx, i)
	if err != nil {
		return fmt.Errorf("%s has at most a part of the image and does not boot now: %w", t.Device, err)
	}
	err = w.verify(ctx, sums)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s has the image, but it was not all read back: %w", t.Device, err)
	case err != nil:
		// It must not be taken for a good one.
		return errors.Join(fmt.Errorf("%s is unusable: %w", t.Device, err), w.blank())
	}
	// Only for the convenience of whoever looks at the card next; it is well without.
	_ = d.Reread()
	return nil
}

// writer writes one image to one disk.
type writer struct {
	disk
	size     int64
	progress Progress
}

// write writes the image, and returns the hash of each chunk.
func (w *writer) write(ctx context.Context, i *image.Image) ([][sha256.Size]byte, error) {
	source, err := i.Reader()
	if err != nil {
		return nil, err
	}
	defer source.Close()
	if err := w.blank(); err != nil {
		return nil, err
	}
	first := make([]byte, min(chunk, w.size))
	if _, err := io.ReadFull(source, first); err != nil {
		return nil, err
	}
	sums := [][sha256.Size]byte{sha256.Sum256(first)}
	buf := make([]byte, chunk)
	for at := int64(len(first)); at < w.size; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := buf[:min(chunk, w.size-at)]
		if _, err := io.ReadFull(source, part); err != nil {
			return nil, err
		}
		if err := w.put(part, at); err != nil {
			return nil, err
		}
		sums = append(sums, sha256.Sum256(part))
		at += int64(len(part))
		w.progress(Writing, at-int64(len(first)), w.size)
	}
	// A source that goes on, or was damaged at its very end, is found out before the
	// disk becomes one that boots.
	if _, err := source.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return nil, errors.Join(errors.New("the image does not end where it should"), err)
	}
	if err := errors.Join(w.Sync(), w.put(first, 0), w.Sync()); err != nil {
		return nil, err
	}
	w.progress(Writing, w.size, w.size)
	return sums, nil
}

// put writes a part and waits until the disk has it: else progress would be that of
// filling memory.
func (w *writer) put(part []byte, at int64) error {
	if _, err := w.WriteAt(part, at); err != nil {
		return fmt.Errorf("write at byte %d: %w", at, err)
	}
	if err := w.Push(); err != nil {
		return fmt.Errorf("write at byte %d: %w; the card is probably broken", at, err)
	}
	return nil
}

// verify reads everything back.
func (w *writer) verify(ctx context.Context, sums [][sha256.Size]byte) error {
	if err := w.Forget(); err != nil {
		return err
	}
	buf := make([]byte, chunk)
	for n, want := range sums {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := int64(n) * chunk
		part := buf[:min(chunk, w.size-at)]
		if _, err := w.ReadAt(part, at); err != nil {
			return fmt.Errorf("read back at byte %d: %w; the card is probably broken", at, err)
		}
		if sha256.Sum256(part) != want {
			return fmt.Errorf("between byte %d and %d it gives back something else than was written; the card is probably broken", at, at+int64(len(part)))
		}
		w.progress(Verifying, at+int64(len(part)), w.size)
	}
	return nil
}

// blank takes the partition table away.
func (w *writer) blank() error { return w.put(make([]byte, min(chunk, w.size)), 0) }
