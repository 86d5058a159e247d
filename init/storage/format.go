package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/ext4"
	"golang.org/x/sys/unix"

	"aes67os/board"
)

// A new file system is small, so that making it takes a moment on any card; the
// kernel grows it to the partition's size. Inodes are few: an appliance keeps dozens
// of files, and every inode table is written out when the file system grows.
const (
	newSize        = 64 << 20
	blockSize      = 4096
	bytesPerInode  = 256 << 10
	superblockArea = 4096 // the superblock is the 1024 bytes at 1024
)

// formatBlank makes an ext4 file system on a partition whose first block is blank.
// The block with the superblock is written last: a power cut before that leaves a
// partition that is still blank, and the next boot begins again.
func formatBlank(p partition) (made bool, err error) {
	f, err := os.OpenFile(p.node, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	head := make([]byte, superblockArea)
	if _, err := io.ReadFull(f, head); err != nil {
		return false, err
	}
	if !bytes.Equal(head, make([]byte, superblockArea)) {
		return false, nil
	}
	last := &lastBlock{WritableFile: f, head: head}
	_, err = ext4.Create(storage{file.New(f, false), last}, min(newSize, p.size), 0, 512, &ext4.Params{
		VolumeName: board.DataPartition, SectorsPerBlock: blockSize / 512, InodeRatio: bytesPerInode,
		Features: []ext4.FeatureOpt{
			// Room to grow is not set aside: with 64-bit block numbers the kernel puts
			// new group descriptors into the groups that it adds (meta_bg).
			ext4.WithFeatureReservedGDTBlocksForExpansion(false),
			ext4.WithFeatureMetadataChecksums(true),
		},
	})
	if err != nil {
		return false, err
	}
	if err := f.Sync(); err != nil {
		return false, err
	}
	if _, err := f.WriteAt(last.head, 0); err != nil {
		return false, err
	}
	return true, f.Sync()
}

// storage is a partition whose first block is held back.
type storage struct {
	backend.Storage
	last *lastBlock
}

func (s storage) Writable() (backend.WritableFile, error) { return s.last, nil }

func (s storage) ReadAt(b []byte, off int64) (int, error) { return s.last.ReadAt(b, off) }

// lastBlock keeps what is written to the first block in memory.
type lastBlock struct {
	backend.WritableFile
	head []byte
}

func (l *lastBlock) WriteAt(b []byte, off int64) (int, error) {
	if off >= int64(len(l.head)) {
		return l.WritableFile.WriteAt(b, off)
	}
	n := copy(l.head[off:], b)
	if n == len(b) {
		return n, nil
	}
	m, err := l.WritableFile.WriteAt(b[n:], off+int64(n))
	return n + m, err
}

func (l *lastBlock) ReadAt(b []byte, off int64) (int, error) {
	n, err := l.WritableFile.ReadAt(b, off)
	if off < int64(len(l.head)) {
		copy(b[:n], l.head[off:])
	}
	return n, err
}

// growFilesystem makes the mounted ext4 file system fill its partition of size
// bytes, and returns its size in bytes before and after.
func growFilesystem(target string, size int64) (before, after int64, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(target, &fs); err != nil {
		return 0, 0, err
	}
	dir, err := os.Open(target)
	if err != nil {
		return 0, 0, err
	}
	defer dir.Close()
	before = int64(fs.Blocks) * fs.Bsize
	blocks := uint64(size / fs.Bsize)
	// _IOW('f', 16, __u64) of ext4(5). It does nothing when the size is reached.
	const ext4IOCResizeFS = 0x40086610
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), ext4IOCResizeFS, uintptr(unsafe.Pointer(&blocks))); errno != 0 {
		return before, before, fmt.Errorf("grow to %d MB: %w", size>>20, errno)
	}
	if err := unix.Statfs(target, &fs); err != nil {
		return before, before, err
	}
	return before, int64(fs.Blocks) * fs.Bsize, nil
}

// resizeInKernel makes the kernel see a partition's new size without reading the
// table anew, which it refuses for a disk in use (BLKPG_RESIZE_PARTITION).
func resizeInKernel(disk *os.File, number int, start, size int64) error {
	const blkpg, resize = 0x1269, 3
	type blkpgPartition struct {
		start, length int64
		number        int32
		_             [64 + 64]byte // names, not used
	}
	type blkpgIoctlArg struct {
		op, flags, datalen int32
		data               unsafe.Pointer
	}
	part := blkpgPartition{start: start, length: size, number: int32(number)}
	arg := blkpgIoctlArg{op: resize, datalen: int32(unsafe.Sizeof(part)), data: unsafe.Pointer(&part)}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, disk.Fd(), blkpg, uintptr(unsafe.Pointer(&arg))); errno != 0 {
		return errno
	}
	return nil
}
