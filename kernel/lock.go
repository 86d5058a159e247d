package kernel

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// lockFile is kernel/lock.json: the packages that belong to a commit.
type lockFile struct {
	// Suite is the release of Debian, by code name.
	Suite string `json:"suite"`
	// Packages is by architecture and by the name asked for.
	Packages map[string]map[string]locked `json:"packages"`
}

// locked is one package as the lock has it.
type locked struct {
	Package string `json:"package"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
}

// LockError says that the archive no longer has what the lock file names.
type LockError struct {
	// Name is what was asked for, on architecture Arch.
	Name, Arch string
	// Locked and Archive are the concrete packages, each with its version.
	Locked, Archive string
}

// Error names both versions and what to do.
func (e *LockError) Error() string {
	return fmt.Sprintf("%s for %s: the lock file has %s, the archive has %s; to take the archive's, run `firmware build -update-lock`",
		e.Name, e.Arch, e.Locked, e.Archive)
}

// NotLockedError says that the lock file has no entry for a package.
type NotLockedError struct{ Name, Arch string }

// Error names the package and what to do.
func (e *NotLockedError) Error() string {
	return fmt.Sprintf("%s for %s is not in the lock file; to add it, run `firmware build -update-lock`", e.Name, e.Arch)
}

// readLock reads a lock file; one that is not there is empty.
func readLock(file string) (*lockFile, error) {
	var l lockFile
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil {
		if err := json.Unmarshal(data, &l); err != nil {
			return nil, fmt.Errorf("lock file %s: %w", file, err)
		}
	}
	if l.Packages == nil {
		l.Packages = make(map[string]map[string]locked)
	}
	return &l, nil
}

func (l *lockFile) set(arch, name string, entry locked) {
	if l.Packages[arch] == nil {
		l.Packages[arch] = make(map[string]locked)
	}
	l.Packages[arch][name] = entry
}

// write replaces the lock file.
func (l *lockFile) write(file string) error {
	data, err := json.MarshalIndent(l, "", "\t")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".lock-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := tmp.Chmod(0o644); err != nil {
		return err
	}
	if _, err := tmp.Write(append(data, '\n')); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
