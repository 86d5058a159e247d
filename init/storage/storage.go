// Package storage brings up the data partition, where settings and state are kept.
//
// The partition is found by its name in the partition table. On every boot it is
// brought to where it should be, in steps that each leave a working disk behind
// when the power fails in between: the partition reaches to the card's end; a blank
// one gets an ext4 file system; the file system is mounted and fills the partition.
// After the first boot none of these has anything to do.
//
// Whatever is wrong with it, the appliance goes on with a file system in RAM, and
// Result says so. A partition that holds anything but ext4 is never written to:
// somebody may want it back.
package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"aes67os/init/api"
)

// Options are where Mount works. All of them are needed.
type Options struct {
	// Sys is where sysfs is, Dev where device nodes are, Target the mount point.
	Sys, Dev, Target string
	// Wait bounds how long the partition may take to appear, as disks on USB do.
	Wait time.Duration
	// Appeared is told of block devices that come; a value means: look again.
	Appeared <-chan struct{}
	Log      *slog.Logger
}

// Data is the mounted data partition, or what stands in for it.
type Data struct {
	opt    Options
	device string // its node; empty when in RAM
	disk   string // name in /sys/class/block, for the error count
	state  api.DataState
	why    string
}

// Mount mounts the data partition, or a file system in RAM, at o.Target. The file
// system grows in the background, as that can take a minute on a large slow card.
func Mount(ctx context.Context, o Options) (*Data, error) {
	d := &Data{opt: o}
	part, err := d.bringUp(ctx)
	if err == nil {
		d.device, d.disk, d.state = part.node, part.name, api.DataMounted
		go d.fill(part)
		return d, nil
	}
	d.state, d.why = api.DataDamaged, err.Error()
	if errors.Is(err, errMissing) {
		d.state = api.DataMissing
	}
	o.Log.Error("settings will not be kept: " + d.why)
	if err := unix.Mount("data", o.Target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755,size=32m"); err != nil {
		return nil, fmt.Errorf("mount a file system in RAM at %s: %w", o.Target, err)
	}
	return d, nil
}

func (d *Data) bringUp(ctx context.Context) (partition, error) {
	part, err := d.find(ctx)
	if err != nil {
		return part, err
	}
	// A card that is full or write-protected still has its settings to read.
	if grown, err := growPartition(d.opt, part); err != nil {
		d.opt.Log.Warn("the data partition stays at its size: " + err.Error())
	} else {
		part = grown
	}
	made, err := formatBlank(part)
	if err != nil {
		return part, fmt.Errorf("make a file system on the data partition %s: %w", part.node, err)
	}
	if made {
		d.opt.Log.Info("made a file system on the data partition " + part.node)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME
	if err := unix.Mount(part.node, d.opt.Target, "ext4", flags, "errors=remount-ro"); err != nil {
		return part, fmt.Errorf("the data partition %s cannot be read as ext4 (%w); it is left as it is. Flash the card again to start afresh", part.node, err)
	}
	return part, nil
}

func (d *Data) fill(part partition) {
	before, after, err := growFilesystem(d.opt.Target, part.size)
	switch {
	case err != nil:
		d.opt.Log.Warn("the file system of the data partition stays at its size: " + err.Error())
	case after > before:
		d.opt.Log.Info(fmt.Sprintf("the data partition has grown from %d to %d MB", before>>20, after>>20))
	}
}

// Status tells the partition's condition now.
func (d *Data) Status() api.Data {
	s := api.Data{State: d.state, Device: d.device, Why: d.why}
	var fs unix.Statfs_t
	if unix.Statfs(d.opt.Target, &fs) == nil {
		s.Total = fs.Blocks * uint64(fs.Bsize)
		s.Free = fs.Bavail * uint64(fs.Bsize)
	}
	if d.state == api.DataMounted {
		if n := readInt(filepath.Join(d.opt.Sys, "fs/ext4", d.disk, "errors_count")); n > 0 {
			s.State = api.DataFailing
			s.Why = fmt.Sprintf("the kernel found %d errors on the data partition %s: save your settings and replace the card", n, d.device)
		}
	}
	return s
}

// Unmount writes everything out. The directory is empty afterwards.
func (d *Data) Unmount() error {
	unix.Sync()
	if err := unix.Unmount(d.opt.Target, 0); err == nil {
		return nil
	}
	// Somebody still has a file open; read-only is as safe for the card.
	if err := unix.Mount("", d.opt.Target, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("unmount %s: %w", d.opt.Target, err)
	}
	return nil
}

// MakeDirs makes the directories that services keep their files in, each for its
// owner alone. dirs maps a path below the mount point to a user id.
func (d *Data) MakeDirs(dirs map[string]int) error {
	for name, uid := range dirs {
		path := filepath.Join(d.opt.Target, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o700); err != nil {
			return err
		}
		if err := os.Chown(path, uid, uid); err != nil {
			return err
		}
	}
	return nil
}
