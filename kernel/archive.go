package kernel

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DefaultSuite is the release of Debian that packages are taken from.
const DefaultSuite = "trixie"

// DebianKeyring is where Debian's package debian-archive-keyring keeps the keys
// that sign its archive.
const DebianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Archive gets packages from Debian's archive. The zero values of all but Arch,
// Cache and LockFile are fine.
type Archive struct {
	// Arch is Debian's name of the architecture, which need not be the host's.
	Arch string
	// Suite is the release by code name; empty is the lock file's, or
	// DefaultSuite.
	Suite string
	// Mirror is the archive's URL; empty is the one the host's apt uses.
	Mirror string
	// Keyring holds the keys that the archive must be signed with; empty is
	// DebianKeyring.
	Keyring string
	// Cache is the directory that packages are kept in.
	Cache string
	// LockFile names the packages of this commit.
	LockFile string
	// UpdateLock takes what the archive has now, and writes that to LockFile.
	UpdateLock bool
	// Progress is told of downloads. It may be nil.
	Progress Progress
}

// Package is a Debian package on disk.
type Package struct {
	// Name is what was asked for. Concrete is the package itself: for a kernel
	// metapackage (linux-image-rt-amd64) the one it depends on.
	Name, Concrete string
	Version, Arch  string
	// SHA256 is in hexadecimal, Size in bytes.
	SHA256 string
	Size   int64
	// Path is the .deb.
	Path string
}

// Fetch returns the packages called names, in that order. One that is in the cache
// as locked is used as it is; for others the host's apt is asked. Errors that a
// caller may tell apart are *LockError and *NotLockedError.
func (a *Archive) Fetch(ctx context.Context, names ...string) ([]Package, error) {
	lock, err := readLock(a.LockFile)
	if err != nil {
		return nil, err
	}
	suite := cmp.Or(a.Suite, lock.Suite, DefaultSuite)
	if !a.UpdateLock {
		if lock.Suite != "" && lock.Suite != suite {
			return nil, fmt.Errorf("the lock file %s is of suite %s, not %s", a.LockFile, lock.Suite, suite)
		}
		var unknown []error
		for _, name := range names {
			if _, ok := lock.Packages[a.Arch][name]; !ok {
				unknown = append(unknown, &NotLockedError{name, a.Arch})
			}
		}
		if unknown != nil {
			return nil, errors.Join(unknown...)
		}
	}

	packages := make([]Package, len(names))
	var wanting []int
	for i, name := range names {
		if entry, ok := lock.Packages[a.Arch][name]; ok && !a.UpdateLock {
			packages[i] = a.pkg(name, entry)
			if packages[i].verify() == nil {
				continue
			}
		}
		wanting = append(wanting, i)
	}
	if len(wanting) == 0 {
		return packages, nil
	}

	if err := os.MkdirAll(a.Cache, 0o755); err != nil {
		return nil, err
	}
	apt, err := a.newApt(ctx, suite)
	if err != nil {
		return nil, err
	}
	defer apt.close()
	for _, i := range wanting {
		entry, err := a.resolve(ctx, apt, lock, names[i])
		if err != nil {
			return nil, err
		}
		packages[i] = a.pkg(names[i], entry)
		if packages[i].verify() == nil {
			continue
		}
		if err := a.download(ctx, apt, packages[i]); err != nil {
			return nil, err
		}
	}
	if a.UpdateLock {
		lock.Suite = suite
		if err := lock.write(a.LockFile); err != nil {
			return nil, fmt.Errorf("write lock file: %w", err)
		}
	}
	return packages, nil
}

// resolve asks the archive what name stands for now. It must be what the lock has,
// unless the lock is to be updated.
func (a *Archive) resolve(ctx context.Context, apt *apt, lock *lockFile, name string) (locked, error) {
	found, err := apt.show(ctx, name)
	if err != nil {
		return locked{}, err
	}
	if a.UpdateLock {
		lock.set(a.Arch, name, found)
		return found, nil
	}
	if entry := lock.Packages[a.Arch][name]; entry != found {
		return locked{}, &LockError{Name: name, Arch: a.Arch, Locked: entry.String(), Archive: found.String()}
	}
	return found, nil
}

// String is for messages. The hash is in it because an archive could, against its
// own rules, change a package without changing its version.
func (l locked) String() string {
	return fmt.Sprintf("%s %s (sha256 %.12s)", l.Package, l.Version, l.SHA256)
}

// download gets a package into the cache. It has its name there only once it is
// complete and has been verified.
func (a *Archive) download(ctx context.Context, apt *apt, p Package) error {
	step := "download " + p.Concrete
	progress := a.Progress
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	file, err := apt.download(ctx, p.Concrete, p.Version, func(percent float64) {
		progress(step, int64(percent/100*float64(p.Size)), p.Size)
	})
	if err != nil {
		return err
	}
	got := p
	got.Path = file
	if err := got.verify(); err != nil {
		return fmt.Errorf("downloaded %s: %w", p.Concrete, err)
	}
	if err := os.Rename(file, p.Path); err != nil {
		return err
	}
	progress(step, p.Size, p.Size)
	return nil
}

// pkg is where a locked package is, or will be.
func (a *Archive) pkg(name string, l locked) Package {
	// A colon, as in versions with an epoch, is no character for file names
	// everywhere; apt writes it the same way.
	file := strings.ReplaceAll(l.Package+"_"+l.Version+"_"+a.Arch+".deb", ":", "%3a")
	return Package{
		Name: name, Concrete: l.Package, Version: l.Version, Arch: a.Arch,
		SHA256: l.SHA256, Size: l.Size, Path: filepath.Join(a.Cache, file),
	}
}

// verify checks the file against size and hash.
func (p Package) verify() error {
	f, err := os.Open(p.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() || st.Size() != p.Size {
		return fmt.Errorf("%s has %d bytes, must have %d", p.Path, st.Size(), p.Size)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != p.SHA256 {
		return fmt.Errorf("%s has sha256 %s, must have %s", p.Path, got, p.SHA256)
	}
	return nil
}

// checkKeyring tells how to get the keys when they are not there.
func checkKeyring(file string) error {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no %s to check Debian's signatures with: install the package debian-archive-keyring", file)
	} else if err != nil {
		return err
	}
	return nil
}
