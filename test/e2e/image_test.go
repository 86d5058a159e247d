package e2e

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aes67os/firmware/disk"
	"aes67os/firmware/initramfs"
	"aes67os/firmware/uki"
)

// initramfsFiles lists the files of the system in an image.
func initramfsFiles(t *testing.T, image string) []string {
	t.Helper()
	d, err := disk.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range d.Partitions[0].Files {
		if !strings.HasPrefix(f.Name, "EFI/Linux/") {
			continue
		}
		sections, err := uki.Parse(f.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sections {
			if s.Name != ".initrd" {
				continue
			}
			content, err := initramfs.Read(s.Data)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range content {
				names = append(names, c.Name)
			}
		}
	}
	if len(names) == 0 {
		t.Fatal("the image has no system in it")
	}
	return names
}

// ownCopy copies an image, so that a guest may write to it, onto a disk larger by
// more bytes. Holes stay holes.
func ownCopy(t *testing.T, image string, more int64) string {
	t.Helper()
	in, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "disk.img"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := out.Truncate(info.Size() + more); err != nil {
		t.Fatal(err)
	}
	buf, zero := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); off < info.Size(); off += int64(len(buf)) {
		n, err := in.ReadAt(buf, off)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if string(buf[:n]) == string(zero[:n]) {
			continue
		}
		if _, err := out.WriteAt(buf[:n], off); err != nil {
			t.Fatal(err)
		}
	}
	return out.Name()
}

// partition tells where a partition of an image is, and what is on it.
func partition(t *testing.T, image, name string) disk.Partition {
	t.Helper()
	d, err := disk.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := d.Partition(name)
	if !ok {
		t.Fatalf("%s has no partition %s", image, name)
	}
	return p
}
