package flash

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/firmware/flash/image"
)

// size is three chunks and a bit, so that there is a first, a whole and a last.
const size = 3*chunk + 4096

// imageFile makes an image with content everywhere.
func imageFile(t *testing.T) (*image.Image, []byte) {
	var data []byte
	for n := byte(1); len(data) < size; n++ {
		data = append(data, bytes.Repeat([]byte{n}, 1<<16)...)
	}
	data = data[:size]
	table := data[512:1024]
	copy(table, "EFI PART")
	binary.LittleEndian.PutUint32(table[12:], 92)
	binary.LittleEndian.PutUint32(table[16:], 0)
	binary.LittleEndian.PutUint64(table[32:], size/512-1)
	binary.LittleEndian.PutUint32(table[16:], crc32.ChecksumIEEE(table[:92]))
	name := filepath.Join(t.TempDir(), "aes67os.img")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	i, err := image.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return i, data
}

// card is a disk that is a file, full of what was on it before. Its hooks make it bad.
type card struct {
	*os.File
	calls []string
	write func(p []byte, at int64) error
	read  func(p []byte, at int64) error
}

func newCard(t *testing.T) *card {
	f, err := os.Create(filepath.Join(t.TempDir(), "card"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(bytes.Repeat([]byte("old data"), (size+chunk)/8)); err != nil {
		t.Fatal(err)
	}
	nothing := func([]byte, int64) error { return nil }
	return &card{File: f, write: nothing, read: nothing}
}

func (c *card) WriteAt(p []byte, at int64) (int, error) {
	c.calls = append(c.calls, "write")
	if err := c.write(p, at); err != nil {
		return 0, err
	}
	return c.File.WriteAt(p, at)
}

func (c *card) ReadAt(p []byte, at int64) (int, error) {
	c.calls = append(c.calls, "read")
	n, err := c.File.ReadAt(p, at)
	return n, errors.Join(err, c.read(p, at))
}

func (c *card) Push() error   { c.calls = append(c.calls, "push"); return nil }
func (c *card) Sync() error   { c.calls = append(c.calls, "sync"); return nil }
func (c *card) Forget() error { c.calls = append(c.calls, "forget"); return nil }
func (c *card) Reread() error { c.calls = append(c.calls, "reread"); return nil }

// content is what is on the card.
func (c *card) content(t *testing.T) []byte {
	data, err := os.ReadFile(c.Name())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func target() Target { return Target{Device: "/dev/sdx", Size: 1 << 30} }

func TestWrite(t *testing.T) {
	i, data := imageFile(t)
	c := newCard(t)
	type step struct {
		Step        string
		Done, Total int64
	}
	var progress []step
	err := write(t.Context(), i, target(), c, func(s string, done, total int64) { progress = append(progress, step{s, done, total}) })
	if err != nil {
		t.Fatal(err)
	}
	got := c.content(t)
	if !bytes.Equal(got[:size], data) {
		t.Error("the card has something else than the image")
	}
	if !bytes.Equal(got[size:], bytes.Repeat([]byte("old data"), chunk/8)) {
		t.Error("something was written behind the image")
	}
	wantProgress := []step{
		{Writing, chunk, size}, {Writing, 2 * chunk, size}, {Writing, 2*chunk + 4096, size}, {Writing, size, size},
		{Verifying, chunk, size}, {Verifying, 2 * chunk, size}, {Verifying, 3 * chunk, size}, {Verifying, size, size},
	}
	if diff := cmp.Diff(wantProgress, progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	wantCalls := slices.Concat(
		slices.Repeat([]string{"write", "push"}, 4), []string{"sync", "write", "push", "sync", "forget"},
		slices.Repeat([]string{"read"}, 4), []string{"reread"})
	if diff := cmp.Diff(wantCalls, c.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestWriteFails(t *testing.T) {
	broken := errors.New("input/output error")
	at := func(where int64, err error) func([]byte, int64) error {
		return func(_ []byte, at int64) error {
			if at == where {
				return err
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name, want string
		// bad makes the card bad, or the image, or ends the context.
		bad func(c *card, i *image.Image, cancel func())
		is  error
		// written tells that the image is whole on the card all the same.
		written bool
	}{
		{name: "writing", want: "does not boot now: write at byte 8388608: input/output error", is: broken,
			bad: func(c *card, _ *image.Image, _ func()) { c.write = at(2*chunk, broken) }},
		{name: "reading", want: "is unusable: read back at byte 4194304: input/output error; the card is probably broken", is: broken,
			bad: func(c *card, _ *image.Image, _ func()) { c.read = at(chunk, broken) }},
		{name: "a bit lost", want: "is unusable: between byte 8388608 and 12582912 it gives back something else",
			bad: func(c *card, _ *image.Image, _ func()) {
				c.read = func(p []byte, at int64) error {
					if at == 2*chunk {
						p[len(p)-1] ^= 1
					}
					return nil
				}
			}},
		{name: "smaller than it says", want: "between byte 4194304 and 8388608", // writes wrap around
			bad: func(c *card, _ *image.Image, _ func()) {
				c.read = func(p []byte, at int64) error { _, err := c.File.ReadAt(p, at%chunk); return err }
			}},
		{name: "source cut", want: "does not boot now: ", bad: func(_ *card, i *image.Image, _ func()) {
			if err := os.Truncate(i.Name, 2*chunk); err != nil {
				panic(err)
			}
		}},
		{name: "interrupted while writing", want: "at most a part of the image", is: context.Canceled,
			bad: func(c *card, _ *image.Image, cancel func()) {
				c.write = func(_ []byte, at int64) error {
					if at == chunk {
						cancel()
					}
					return nil
				}
			}},
		{name: "interrupted while reading", want: "has the image, but it was not all read back", is: context.Canceled, written: true,
			bad: func(c *card, _ *image.Image, cancel func()) {
				c.read = func(_ []byte, at int64) error { cancel(); return nil }
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			i, data := imageFile(t)
			c := newCard(t)
			tt.bad(c, i, cancel)
			err := write(ctx, i, target(), c, func(string, int64, int64) {})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "/dev/sdx ") || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("write = %v; want %q", err, tt.want)
			}
			got := c.content(t)
			switch {
			case tt.written && !bytes.Equal(got[:size], data):
				t.Error("the card has not the image")
			case !tt.written && !bytes.Equal(got[:chunk], make([]byte, chunk)):
				t.Error("the beginning of the card is not blank")
			}
		})
	}
}

func TestWriteOpens(t *testing.T) {
	i, _ := imageFile(t)
	// It is there, but not the disk that was checked.
	err := Write(t.Context(), i, Target{Device: "/dev/null", number: 1}, nil)
	if err == nil || !strings.Contains(err.Error(), "another disk than a moment ago") {
		t.Errorf("Write to an exchanged disk = %v", err)
	}
}
