package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// disk makes an image of so many bytes with the header of a partition table.
func disk(size int) []byte {
	d := make([]byte, size)
	copy(d[sector:], header(uint64(size/sector-1)))
	copy(d[size-5:], "last.")
	return d
}

func header(last uint64) []byte {
	h := make([]byte, sector)
	copy(h, "EFI PART")
	binary.LittleEndian.PutUint32(h[12:], 92)
	binary.LittleEndian.PutUint64(h[32:], last)
	binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
	return h
}

func pack(t *testing.T, data []byte) []byte {
	var out bytes.Buffer
	// Streamed, so that the frame does not tell the size.
	z, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(z, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func write(t *testing.T, data []byte) string {
	name := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestImage(t *testing.T) {
	plain := disk(5<<20 + 512)
	for name, file := range map[string][]byte{"plain": plain, "compressed": pack(t, plain)} {
		t.Run(name, func(t *testing.T) {
			i, err := Open(write(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if i.Size != int64(len(plain)) || i.Compressed != (name == "compressed") {
				t.Errorf("Open = %+v", i)
			}
			r, err := i.Reader()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("read %d bytes, %v; want the %d of the image", len(got), err, len(plain))
			}
			f, err := os.Create(filepath.Join(t.TempDir(), "unpacked"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var done int64
			if err := i.Unpack(t.Context(), f, func(d, _ int64) { done = d }); err != nil {
				t.Fatal(err)
			}
			got, err = os.ReadFile(f.Name())
			if err != nil || !bytes.Equal(got, plain) || done != i.Size {
				t.Errorf("unpacked %d bytes, %v, told of %d; want the %d of the image", len(got), err, done, len(plain))
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	damaged := disk(1 << 20)
	damaged[sector+40]++
	for _, tt := range []struct {
		name, want string
		not        bool
		data       []byte
	}{
		{"empty", "EOF", true, nil},
		{"text", "no partition table", true, bytes.Repeat([]byte("text "), 1000)},
		{"damaged table", "checksum", true, damaged},
		{"short", "not copied whole", false, disk(1 << 20)[:1<<19]},
		{"compressed text", "no partition table", true, pack(t, bytes.Repeat([]byte("text "), 1000))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(write(t, tt.data))
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrNot) != tt.not {
				t.Errorf("Open = %v; want %q", err, tt.want)
			}
		})
	}
}

func TestReaderErrors(t *testing.T) {
	whole := disk(1 << 20)
	packed := pack(t, whole)
	for _, tt := range []struct {
		name, want string
		data       []byte
	}{
		{"cut image", "not copied whole", pack(t, whole[:1<<19])},
		{"longer image", "not copied whole", pack(t, append(bytes.Clone(whole), 1))},
		{"cut file", "unexpected EOF", packed[:len(packed)-6]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i, err := Open(write(t, tt.data))
			if err != nil {
				t.Fatal(err)
			}
			r, err := i.Reader()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, err := io.Copy(io.Discard, r); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("reading = %v; want %q", err, tt.want)
			}
		})
	}
}

func FuzzTableSize(f *testing.F) {
	f.Add(header(2047))
	f.Add(header(0))
	f.Add(header(1 << 60))
	f.Fuzz(func(t *testing.T, h []byte) {
		if len(h) != sector {
			return
		}
		if size, err := tableSize(h); err == nil && (size < 3*sector || size > maxSize || size%sector != 0) {
			t.Errorf("tableSize = %d", size)
		}
	})
}
