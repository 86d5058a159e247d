// Package file replaces files so that a power cut leaves either the old or the new one,
// whole, and keeps damaged ones for whoever wants to look at them.
package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Replace gives the file this content. A file that exists keeps its permissions, a new
// one gets mode; where the name is a symbolic link, what it points to is replaced. When
// Replace returns nil, the content is on the disk.
func Replace(name string, content []byte, mode fs.FileMode) (err error) {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	if old, err := os.Stat(name); err == nil {
		mode = old.Mode().Perm()
	}
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("replace %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			f.Close() // a second time does no harm
			os.Remove(f.Name())
			err = fmt.Errorf("replace %s: %w", name, err)
		}
	}()
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	// The new name must survive a power cut, too.
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// kept is how many damaged versions of a file are kept.
const kept = 10

// SetAside renames a damaged file and returns its new name: the old one with ".damaged",
// and a number if there is such a file already.
func SetAside(name string) (aside string, err error) {
	for n := 1; n <= kept; n++ {
		aside = name + ".damaged"
		if n > 1 {
			aside += "-" + strconv.Itoa(n)
		}
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		}
		// When all are taken, the last one is overwritten: the first tells most.
	}
	if err := os.Rename(name, aside); err != nil {
		return "", fmt.Errorf("set the damaged file aside: %w", err)
	}
	return aside, nil
}
