package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// maxModule bounds a decompressed module. The largest of Debian's is a tenth.
const maxModule = 256 << 20

// unpackInto unpacks pkg into a temporary directory in dir and then gives it the
// name entry, so that entry is there whole or not at all. Of two builds that do
// the same, the second to end drops its work.
func unpackInto(ctx context.Context, pkg Package, dir, entry string, progress Progress) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, ".unpack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := unpack(ctx, pkg, tmp, progress); err != nil {
		return err
	}
	if err := os.Rename(tmp, entry); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// unpack writes the tree and the index of pkg to dir. One goroutine decompresses
// the package, as many as there are processors decompress the modules in it.
func unpack(ctx context.Context, pkg Package, dir string, progress Progress) error {
	file, d, err := pkg.open()
	if err != nil {
		return err
	}
	defer file.Close()
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	step := "unpack " + pkg.Concrete

	u := &unpacker{dir: dir, index: index{Modules: make(map[string]Modinfo), symbols: make(map[string]uint32)}}
	workers, ctx := errgroup.WithContext(ctx)
	packed := make(chan packedModule)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() error {
			for m := range packed {
				if err := u.module(m); err != nil {
					return fmt.Errorf("module %s: %w", m.path, err)
				}
			}
			return nil
		})
	}
	workers.Go(func() error {
		defer close(packed)
		consumed := func(n int64) { progress(step, n, pkg.Size) }
		return d.walk("data.tar", consumed, func(name string, _ int64, r io.Reader) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			m, err := u.file(name, r)
			if err != nil || m.path == "" {
				return err
			}
			select {
			case packed <- m:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	if err := workers.Wait(); err != nil {
		return err
	}
	if err := u.check(); err != nil {
		return err
	}
	if err := u.index.write(dir); err != nil {
		return err
	}
	progress(step, pkg.Size, pkg.Size)
	return nil
}

// packedModule is a module on its way to be decompressed.
type packedModule struct {
	// path is as below /lib/modules/RELEASE, with the suffix of compression.
	path string
	data []byte
}

// unpacker sorts the files of a kernel package into a tree.
type unpacker struct {
	dir string

	mu    sync.Mutex // guards index, which several goroutines fill
	index index
	// image is the release in the kernel image's name; index.Release is that of
	// the modules.
	image string
}

// file stores one file of the package, if it is of use. A module is returned
// instead, for somebody else to decompress.
func (u *unpacker) file(name string, r io.Reader) (packedModule, error) {
	base := path.Base(name)
	if release, ok := strings.CutPrefix(name, "boot/vmlinuz-"); ok {
		u.image = release
		return packedModule{}, u.save(treeImage, r)
	}
	if strings.HasPrefix(name, "boot/config-") {
		return packedModule{}, u.save(treeConfig, r)
	}
	if strings.HasPrefix(name, "usr/share/doc/") && base == "copyright" {
		return packedModule{}, u.save(treeCopyright, r)
	}
	// Packages from before Debian's merged /usr have no usr/ in front.
	below, ok := strings.CutPrefix(strings.TrimPrefix(name, "usr/"), "lib/")
	if !ok {
		return packedModule{}, nil
	}
	if dtb, ok := strings.CutPrefix(below, "linux-image-"); ok && path.Ext(base) == ".dtb" {
		_, dtb, _ = strings.Cut(dtb, "/")
		return packedModule{}, u.save(path.Join(treeDTB, dtb), r)
	}
	if below, ok = strings.CutPrefix(below, "modules/"); !ok {
		return packedModule{}, nil
	}
	release, below, _ := strings.Cut(below, "/")
	switch {
	case below == "modules.builtin":
		list, err := readAll(r, maxModule)
		u.index.Builtin = strings.Fields(string(list))
		return packedModule{}, err
	case path.Ext(base) == ".ko" || strings.Contains(base, ".ko."):
		u.index.Release = release
		data, err := readAll(r, maxModule)
		return packedModule{below, data}, err
	}
	return packedModule{}, nil
}

// module decompresses a module, stores it and enters it into the index.
func (u *unpacker) module(m packedModule) error {
	plain, err := decompress(m.path, bytes.NewReader(m.data))
	if err != nil {
		return err
	}
	defer plain.Close()
	ko, err := readAll(plain, maxModule)
	if err != nil {
		return err
	}
	info, versions, err := readModule(ko)
	if err != nil {
		return err
	}
	name := m.path[:strings.LastIndex(m.path, ".ko")+len(".ko")]
	if err := u.save(path.Join(treeModules, name), bytes.NewReader(ko)); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.index.Modules[name] = info
	for symbol, crc := range versions {
		u.index.symbols[symbol] = crc
	}
	return nil
}

// save writes a file of the tree.
func (u *unpacker) save(name string, r io.Reader) error {
	file := filepath.Join(u.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, r); err != nil {
		return err
	}
	return f.Close()
}

// check tells whether everything a kernel must have was there.
func (u *unpacker) check() error {
	switch {
	case u.image == "":
		return errors.New("not a kernel package: it has no boot/vmlinuz-*")
	case len(u.index.Modules) == 0:
		return errors.New("not a kernel package: it has no modules")
	case u.image != u.index.Release:
		return fmt.Errorf("the kernel image is of release %s, the modules are of %s", u.image, u.index.Release)
	}
	return nil
}
