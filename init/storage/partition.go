package storage

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"golang.org/x/sys/unix"

	"aes67os/board"
)

var errMissing = errors.New("this machine has no disk with a partition called " + board.DataPartition)

// sysSector is the unit of sizes in sysfs, whatever the disk's own sectors are.
const sysSector = 512

type partition struct {
	name   string // "sda2"
	node   string // "/dev/sda2"
	disk   string // "/dev/sda"
	number int
	start  int64 // bytes
	size   int64 // bytes
}

// find waits for the partition to appear.
func (d *Data) find(ctx context.Context) (partition, error) {
	late := time.NewTimer(d.opt.Wait)
	defer late.Stop()
	for {
		if p, ok := lookup(d.opt.Sys, d.opt.Dev, board.DataPartition); ok {
			return p, nil
		}
		select {
		case <-d.opt.Appeared:
		case <-late.C:
			return partition{}, errMissing
		case <-ctx.Done():
			return partition{}, errMissing
		}
	}
}

// Present tells whether the data partition's disk has appeared in sysfs.
func Present(sys string) bool {
	_, ok := lookup(sys, "/dev", board.DataPartition)
	return ok
}

// lookup finds a partition by its name among the block devices of sysfs. Where two
// disks have one (a second card is plugged in), the first disk by name is taken.
func lookup(sys, dev, name string) (partition, bool) {
	blocks, _ := os.ReadDir(filepath.Join(sys, "class/block"))
	for _, b := range blocks {
		dir := filepath.Join(sys, "class/block", b.Name())
		vars := readVars(filepath.Join(dir, "uevent"))
		if vars["PARTNAME"] != name {
			continue
		}
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			continue
		}
		number, _ := strconv.Atoi(vars["PARTN"])
		return partition{
			name:   b.Name(),
			node:   filepath.Join(dev, b.Name()),
			disk:   filepath.Join(dev, filepath.Base(filepath.Dir(real))),
			number: number,
			start:  readInt(filepath.Join(dir, "start")) * sysSector,
			size:   readInt(filepath.Join(dir, "size")) * sysSector,
		}, true
	}
	return partition{}, false
}

// growPartition makes the partition reach to the end of its disk, on the disk and in the
// kernel, and returns it as it is then. It must be the disk's last.
func growPartition(o Options, p partition) (partition, error) {
	f, err := os.OpenFile(p.disk, os.O_RDWR, 0)
	if err != nil {
		return p, err
	}
	defer f.Close()
	sector, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKSSZGET)
	if err != nil {
		return p, fmt.Errorf("sector size of %s: %w", p.disk, err)
	}
	size, err := f.Seek(0, 2)
	if err != nil {
		return p, err
	}
	table, err := gpt.Read(f, sector, sector)
	if err != nil {
		return p, fmt.Errorf("partition table of %s: %w", p.disk, err)
	}
	i := slices.IndexFunc(table.Partitions, func(t *gpt.Partition) bool { return t.Name == board.DataPartition })
	if i < 0 {
		return p, fmt.Errorf("partition table of %s: has no %s", p.disk, board.DataPartition)
	}
	ours := table.Partitions[i]
	for _, t := range table.Partitions {
		if t.Type != gpt.Unused && t.Start > ours.Start {
			return p, fmt.Errorf("%s has another partition behind it", p.node)
		}
	}
	table.Resize(uint64(size))
	// Whole MiB, and one left over, as the builder does.
	const mib = 1 << 20
	end := (uint64(size)/mib - 1) * mib / uint64(sector)
	if end <= ours.End+1 {
		return p, nil
	}
	ours.End = end - 1
	ours.Size = (end - ours.Start) * uint64(sector)
	if err := table.Write(f, size); err != nil {
		return p, fmt.Errorf("partition table of %s: %w", p.disk, err)
	}
	if err := resizeInKernel(f, p.number, p.start, int64(ours.Size)); err != nil {
		return p, fmt.Errorf("tell the kernel that %s has grown: %w", p.node, err)
	}
	p.size = int64(ours.Size)
	return p, nil
}

// readVars reads the KEY=VALUE lines of a uevent file.
func readVars(path string) map[string]string {
	b, _ := os.ReadFile(path)
	vars := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		if k, v, ok := strings.Cut(lines.Text(), "="); ok {
			vars[k] = v
		}
	}
	return vars
}

func readInt(path string) int64 {
	b, _ := os.ReadFile(path)
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n
}
