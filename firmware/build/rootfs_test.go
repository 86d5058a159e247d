package build

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pierrec/lz4/v4"
	"github.com/u-root/u-root/pkg/cpio"

	"aes67os/board"
	"aes67os/firmware/initramfs"
)

// node is a file of an initramfs with what the kernel makes of it.
type node struct {
	Mode       string
	Data       string // or a link's target
	Major, Min uint64
}

// unlz4 unpacks LZ4's legacy format: a magic number, then blocks of up to 8 MiB, each
// with its size before it. A size of 0 ends it, as for the kernel.
func unlz4(t *testing.T, packed []byte) (plain []byte) {
	t.Helper()
	block := make([]byte, 8<<20)
	for rest := packed[4:]; len(rest) >= 4; {
		size := binary.LittleEndian.Uint32(rest)
		if size == 0 {
			break
		}
		n, err := lz4.UncompressBlock(rest[4:4+size], block)
		if err != nil {
			t.Fatal(err)
		}
		plain = append(plain, block[:n]...)
		rest = rest[4+size:]
	}
	return plain
}

// unpack reads an initramfs as the kernel does.
func unpack(t *testing.T, packed []byte) map[string]node {
	t.Helper()
	nodes := map[string]node{}
	err := cpio.ForEachRecord(cpio.Newc.Reader(bytes.NewReader(unlz4(t, packed))), func(r cpio.Record) error {
		if r.Name == cpio.Trailer {
			return nil
		}
		if r.UID != 0 || r.GID != 0 {
			t.Errorf("%s belongs to %d:%d; want root", r.Name, r.UID, r.GID)
		}
		n := node{Mode: fmt.Sprintf("%06o", r.Mode), Major: r.Rmajor, Min: r.Rminor}
		if r.FileSize > 0 {
			data, err := io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
			if err != nil {
				return err
			}
			n.Data = string(data)
		}
		nodes[r.Name] = n
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

func TestAddSystem(t *testing.T) {
	release := board.Release{Board: "test", Version: "1", Time: committed, RavennaModule: "MergingRavennaALSA"}
	var files initramfs.Files
	if err := addSystem(&files, release, "ID=test\n"); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	if err := files.Write(&packed); err != nil {
		t.Fatal(err)
	}
	got := unpack(t, packed.Bytes())

	// init reads it back into the same.
	var read board.Release
	if err := json.Unmarshal([]byte(got["etc/aes67os.json"].Data), &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(release, read); diff != "" {
		t.Errorf("release (-want +got):\n%s", diff)
	}
	delete(got, "etc/aes67os.json")

	const dir, file, link = "040755", "100644", "120777"
	want := map[string]node{
		"data": {Mode: dir}, "dev": {Mode: dir}, "etc": {Mode: dir}, "proc": {Mode: dir},
		"root": {Mode: dir}, "run": {Mode: dir}, "sys": {Mode: dir}, "tmp": {Mode: "041777"},
		"dev/console":     {Mode: "020600", Major: 5, Min: 1},
		"dev/null":        {Mode: "020666", Major: 1, Min: 3},
		"etc/os-release":  {Mode: file, Data: "ID=test\n"},
		"etc/hosts":       {Mode: file, Data: "127.0.0.1 localhost\n"},
		"etc/aes67d.conf": {Mode: file, Data: audioDefaults},
		"bin":             {Mode: dir},
		"bin/modprobe":    {Mode: link, Data: "/init"},
		"etc/resolv.conf": {Mode: link, Data: "/run/resolv.conf"},
		"etc/passwd": {Mode: file, Data: "root:x:0:0:root:/root:/bin/sh\n" +
			"aes67d:x:101:101::/:/\nwebui:x:102:102::/:/\n"},
		"etc/group": {Mode: file, Data: "root:x:0:\naes67d:x:101:\nwebui:x:102:\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
}

func TestOSRelease(t *testing.T) {
	got := osRelease(board.Board{Name: "x86-64"}, Version{Name: "2026.11.22-1140.0123abc", Time: time.Time{}})
	want := `ID=aes67os
NAME=aes67os
PRETTY_NAME="aes67os 2026.11.22-1140.0123abc"
VERSION_ID=2026.11.22-1140.0123abc
IMAGE_ID=aes67os
IMAGE_VERSION=2026.11.22-1140.0123abc
VARIANT_ID=x86-64
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("os-release (-want +got):\n%s", diff)
	}
}
