package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aes67os/board"
)

// blank makes a partition that is a file.
func blank(t *testing.T) partition {
	t.Helper()
	p := partition{node: filepath.Join(t.TempDir(), "part"), size: newSize}
	f, err := os.Create(p.node)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(p.size); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFormatBlank(t *testing.T) {
	p := blank(t)
	if made, err := formatBlank(p); err != nil || !made {
		t.Fatalf("formatBlank of a blank partition = %v, %v; want it made", made, err)
	}
	if out, err := exec.Command("/sbin/e2fsck", "-fn", p.node).CombinedOutput(); err != nil {
		t.Errorf("e2fsck: %v\n%s", err, out)
	}
	before, err := os.ReadFile(p.node)
	if err != nil {
		t.Fatal(err)
	}
	if made, err := formatBlank(p); err != nil || made {
		t.Errorf("formatBlank of a partition with a file system = %v, %v; want it left alone", made, err)
	}
	after, err := os.ReadFile(p.node)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("a partition with a file system was written to")
	}
}

func TestFormatLeavesForeignDataAlone(t *testing.T) {
	p := blank(t)
	random := make([]byte, p.size)
	rand.Read(random)
	if err := os.WriteFile(p.node, random, 0o600); err != nil {
		t.Fatal(err)
	}
	if made, err := formatBlank(p); err != nil || made {
		t.Errorf("formatBlank of a partition with other data = %v, %v; want it left alone", made, err)
	}
	after, err := os.ReadFile(p.node)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(random, after) {
		t.Error("a partition with other data was written to")
	}
}

// A power cut while formatting must leave a partition that is formatted next time.
func TestLastBlockIsHeldBack(t *testing.T) {
	p := blank(t)
	f, err := os.OpenFile(p.node, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l := &lastBlock{WritableFile: f, head: make([]byte, superblockArea)}
	// Across the end of the first block, within it, and behind it.
	for off, data := range map[int64]string{superblockArea - 3: "abcdef", 1024: "super", 9000: "inode"} {
		if n, err := l.WriteAt([]byte(data), off); n != len(data) || err != nil {
			t.Fatalf("WriteAt(%q, %d) = %d, %v", data, off, n, err)
		}
		got := make([]byte, len(data))
		if _, err := l.ReadAt(got, off); err != nil || string(got) != data {
			t.Errorf("ReadAt(%d) = %q, %v; want %q", off, got, err, data)
		}
	}
	disk, err := os.ReadFile(p.node)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(disk[:superblockArea], make([]byte, superblockArea)) {
		t.Error("the first block was written")
	}
	if got := string(disk[superblockArea:][:3]) + string(disk[9000:9005]); got != "definode" {
		t.Errorf("behind the first block is %q; want what was written", got)
	}
}

// fakeDisk makes what sysfs has for a disk with partitions, as links into devices/.
func fakeDisk(t *testing.T, sys, disk string, partitions map[string]string) {
	t.Helper()
	dir := filepath.Join(sys, "devices/pci0", disk)
	class := filepath.Join(sys, "class/block")
	for _, d := range []string{dir, class} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(class, name)); err != nil {
			t.Fatal(err)
		}
	}
	link(dir, disk)
	for name, uevent := range partitions {
		sub := filepath.Join(dir, name)
		if err := os.Mkdir(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string]string{"uevent": uevent, "start": "1056768\n", "size": "131072\n"} {
			if err := os.WriteFile(filepath.Join(sub, file), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		link(sub, name)
	}
}

func TestLookup(t *testing.T) {
	sys := t.TempDir()
	fakeDisk(t, sys, "sda", map[string]string{"sda1": "PARTN=1\nPARTNAME=Windows\n"})
	if p, ok := lookup(sys, "/dev", board.DataPartition); ok {
		t.Fatalf("found %+v on a foreign disk", p)
	}
	fakeDisk(t, sys, "mmcblk0", map[string]string{
		"mmcblk0p1": "PARTN=1\nPARTNAME=aes67os-boot\n",
		"mmcblk0p2": "DEVNAME=mmcblk0p2\nPARTN=2\nPARTNAME=aes67os-data\n",
	})
	p, ok := lookup(sys, "/dev", board.DataPartition)
	if !ok {
		t.Fatal("the data partition was not found")
	}
	want := partition{name: "mmcblk0p2", node: "/dev/mmcblk0p2", disk: "/dev/mmcblk0", number: 2, start: 516 << 20, size: 64 << 20}
	if diff := cmp.Diff(want, p, cmp.AllowUnexported(partition{})); diff != "" {
		t.Errorf("partition (-want +got):\n%s", diff)
	}
}

func TestFindWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sys := t.TempDir()
		appeared := make(chan struct{})
		d := &Data{opt: Options{Sys: sys, Dev: "/dev", Wait: 10 * time.Second, Appeared: appeared}}
		go func() {
			time.Sleep(3 * time.Second)
			appeared <- struct{}{} // another disk
			time.Sleep(3 * time.Second)
			fakeDisk(t, sys, "sdb", map[string]string{"sdb2": "PARTN=2\nPARTNAME=aes67os-data\n"})
			appeared <- struct{}{}
		}()
		began := time.Now()
		p, err := d.find(context.Background())
		if err != nil || p.node != "/dev/sdb2" {
			t.Errorf("find = %q, %v; want /dev/sdb2", p.node, err)
		}
		if waited := time.Since(began); waited != 6*time.Second {
			t.Errorf("waited %v; want to be told after 6 s", waited)
		}
	})
}

func TestFindGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &Data{opt: Options{Sys: t.TempDir(), Dev: "/dev", Wait: 10 * time.Second}}
		if _, err := d.find(context.Background()); !errors.Is(err, errMissing) {
			t.Errorf("find on a machine without the disk = %v; want %v", err, errMissing)
		}
	})
}
