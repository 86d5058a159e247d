package storage

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
)

// bootPartition makes a disk whose boot partition has these files.
func bootPartition(t *testing.T, files map[string][]byte) (sys, dev string) {
	t.Helper()
	const size = 64 << 20
	sys, dev = t.TempDir(), t.TempDir()
	fakeDisk(t, sys, "sda", map[string]string{"sda1": "PARTN=1\nPARTNAME=aes67os-boot\n"})
	f, err := os.Create(filepath.Join(dev, "sda1"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	fat, err := fat32.Create(file.New(f, false), size, 0, 512, "AES67OS", true)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		w, err := fat.OpenFile("/"+name, os.O_CREATE|os.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		w.Close()
	}
	return sys, dev
}

func TestReadBootFile(t *testing.T) {
	want := []byte(`{"hostname": "studio-1"}`)
	long := bytes.Repeat([]byte("long "), 180)
	sys, dev := bootPartition(t, map[string][]byte{"aes67os.json": want, "long.txt": long, "empty.txt": nil})
	for name, want := range map[string][]byte{"aes67os.json": want, "long.txt": long, "empty.txt": {}} {
		if got, err := ReadBootFile(sys, dev, name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("ReadBootFile(%s) = %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := ReadBootFile(sys, dev, "missing.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadBootFile of a file that is not there = %v; want fs.ErrNotExist", err)
	}
	if _, err := ReadBootFile(t.TempDir(), dev, "aes67os.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadBootFile without the partition = %v; want fs.ErrNotExist", err)
	}
}

func TestReadBootFileRefuses(t *testing.T) {
	sys, dev := bootPartition(t, map[string][]byte{"aes67os.json": make([]byte, maxBootFile+1)})
	if _, err := ReadBootFile(sys, dev, "aes67os.json"); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("ReadBootFile of a huge file = %v; want an error about its size", err)
	}
	if err := os.WriteFile(filepath.Join(dev, "sda1"), bytes.Repeat([]byte("no FAT "), 100_000), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadBootFile(sys, dev, "aes67os.json"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadBootFile of a damaged partition = %v; want an error that says so", err)
	}
}
