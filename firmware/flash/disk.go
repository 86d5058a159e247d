package flash

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// hostDisk is a block device of this machine.
type hostDisk struct{ *os.File }

// openDisk opens the disk that was checked. While it is open nobody else can mount
// it: that is what O_EXCL means for a block device, open(2).
func openDisk(t Target) (disk, error) {
	f, err := os.OpenFile(t.Device, os.O_RDWR|unix.O_EXCL, 0)
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("%s is in use by now; nothing was written", t.Device)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%w: writing a disk takes root; try again with sudo", err)
	case err != nil:
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Rdev != t.number {
		f.Close()
		return nil, errors.Join(fmt.Errorf("%s is another disk than a moment ago; nothing was written", t.Device), err)
	}
	return hostDisk{f}, nil
}

// Push does not make the disk empty its own memory, as fsync does: that takes some
// cards long, and is not needed for each part.
func (d hostDisk) Push() error {
	const all = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	return unix.SyncFileRange(int(d.Fd()), 0, 0, all)
}

func (d hostDisk) Forget() error { return ioctl(d.File, "BLKFLSBUF", unix.BLKFLSBUF) }

func (d hostDisk) Reread() error { return ioctl(d.File, "BLKRRPART", unix.BLKRRPART) }

func ioctl(f *os.File, name string, request uint) error {
	if err := unix.IoctlSetInt(int(f.Fd()), request, 0); err != nil {
		return fmt.Errorf("%s %s: %w", name, f.Name(), err)
	}
	return nil
}
