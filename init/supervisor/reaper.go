package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Reap waits for orphans until ctx ends: processes whose parent has died, which
// the kernel gives to process 1 (or to the nearest subreaper, prctl(2)
// PR_SET_CHILD_SUBREAPER) and which stay as zombies until that waits for them.
// reaped, which may be nil, is told of each.
//
// The rule that keeps it from taking the exit status of a child which other code
// waits for: a child belongs to whoever holds a pidfd of it. os.StartProcess, and
// with it all of os/exec, has the kernel make one along with the child and holds
// it until Wait has the status, so every child started that way is safe without
// having to be made known here. A child given up by Process.Release, without
// Wait, becomes the reaper's. What starts children by other means has to hold a
// pidfd as long as it cares (syscall.SysProcAttr.PidFD).
//
// The error tells that the kernel has no pidfds (before Linux 5.4) or that /proc
// cannot be read; then nothing was reaped that should not be.
func Reap(ctx context.Context, reaped func(pid int)) error {
	if err := requirePidfds(); err != nil {
		return err
	}
	// The kernel makes one signal of several that come close together, which
	// does not matter: one look finds all.
	died := make(chan os.Signal, 1)
	signal.Notify(died, unix.SIGCHLD)
	defer signal.Stop(died)
	for {
		if err := reapOnce(reaped); err != nil {
			return err
		}
		select {
		case <-died:
		case <-ctx.Done():
			return nil
		}
	}
}

// requirePidfds checks that os.StartProcess uses them. Asking also makes package
// os find that out now, for which it starts a child, and not while children are
// being reaped.
func requirePidfds() error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return fmt.Errorf("reaping needs pidfds: %w", err)
	}
	defer self.Release()
	if err := self.WithHandle(func(uintptr) {}); err != nil {
		return fmt.Errorf("reaping needs pidfds: %w", err)
	}
	return nil
}

func reapOnce(reaped func(pid int)) error {
	// In this order: a child that is a zombie now and that nobody holds later
	// is an orphan, or has just been waited for, in which case waiting again
	// finds no such child.
	zombies, err := zombies("/proc", os.Getpid())
	if err != nil {
		return fmt.Errorf("look for zombies: %w", err)
	}
	if len(zombies) == 0 {
		return nil
	}
	held, err := heldByPidfd("/proc/self/fdinfo")
	if err != nil {
		return fmt.Errorf("look for pidfds: %w", err)
	}
	for _, pid := range zombies {
		if held[pid] {
			continue
		}
		if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err == nil && got == pid && reaped != nil {
			reaped(pid)
		}
	}
	return nil
}

// zombies returns the children of parent that wait to be waited for.
func zombies(proc string, parent int) ([]int, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, err
	}
	var found []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(proc, e.Name(), "stat"))
		if err != nil {
			continue // it has ended meanwhile
		}
		if state, ppid, err := parseStat(string(stat)); err == nil && state == 'Z' && ppid == parent {
			found = append(found, pid)
		}
	}
	return found, nil
}

// parseStat returns the state and the parent of a process from proc_pid_stat(5).
// The name before them may hold anything, brackets and spaces included.
func parseStat(stat string) (state byte, parent int, err error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 || len(fields[0]) != 1 || fields[0] < "A" || fields[0] > "z" {
		return 0, 0, errors.New("process status: not in the form of proc_pid_stat(5)")
	}
	parent, err = strconv.Atoi(fields[1])
	if err != nil {
		return 0, 0, fmt.Errorf("process status: parent: %w", err)
	}
	return fields[0][0], parent, nil
}

// heldByPidfd returns the processes that this one has pidfds of: the line Pid: in
// the description of an open file (proc_pid_fdinfo(5)).
func heldByPidfd(fdinfo string) (map[int]bool, error) {
	entries, err := os.ReadDir(fdinfo)
	if err != nil {
		return nil, err
	}
	held := map[int]bool{}
	for _, e := range entries {
		info, err := os.ReadFile(filepath.Join(fdinfo, e.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		for line := range strings.Lines(string(info)) {
			value, found := strings.CutPrefix(line, "Pid:")
			if !found {
				continue
			}
			if pid, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
				held[pid] = true
			}
		}
	}
	return held, nil
}
