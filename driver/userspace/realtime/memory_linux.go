package realtime

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// LockMemory keeps all the program's memory from being swapped out or written back to
// where it was loaded from, now and later. The error says why it could not, and what
// to permit.
//
// Only pages in use are kept (MCL_ONFAULT): Go reserves address space by the hundred
// megabytes that it never touches, which would otherwise be made memory at once. A first
// touch is therefore a page fault as ever.
func LockMemory() error {
	// Where a limit holds, it is for address space, and mmap fails once that is used up:
	// Go takes it for the end of memory and dies. So there must be none.
	if may, err := unlimitedLock(); err != nil {
		return fmt.Errorf("memory is not locked: %w", err)
	} else if !may {
		return errors.New("memory is not locked, swapping makes audio late: give the program CAP_IPC_LOCK, or no limit for MEMLOCK")
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("memory is not locked, swapping makes audio late: %w", err)
	}
	return nil
}

// unlimitedLock tells whether the program may lock as much memory as it wants.
func unlimitedLock() (bool, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return false, fmt.Errorf("cannot read the limit for MEMLOCK: %w", err)
	}
	var data [2]unix.CapUserData // capabilities 0 to 31, and the others
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, fmt.Errorf("cannot read our capabilities: %w", err)
	}
	return limit.Cur == unix.RLIM_INFINITY || data[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0, nil
}
