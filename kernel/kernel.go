// Package kernel gets a Debian kernel and takes it apart for an image builder.
//
// The work is two steps, each cached, so that a build that changes nothing about
// the kernel neither asks the network nor decompresses anything:
//
//   - [Archive.Fetch] turns a package's name into a .deb on disk. apt of the host
//     downloads it and checks the archive's signature, with a state directory of
//     its own: another suite and a foreign architecture need no root and leave the
//     host's apt as it was. The lock file says which version and sha256 belong to
//     this commit; a .deb with that hash in the cache is used without any apt.
//   - [Open] unpacks a kernel package once, into a directory named by the
//     package's sha256. Modules are stored decompressed beside an index of what
//     their .modinfo sections say, because Debian leaves depmod to the installed
//     system and the index is what depmod would have to find out.
//
// A [Kernel] then answers what a board's list of modules amounts to
// ([Kernel.Closure]), writes the indexes that modprobe and init read
// ([Kernel.Indexes]), tells the options it was built with ([Config]) and what a
// foreign module must match to be loaded ([Kernel.Vermagic],
// [Kernel.SymbolVersions]).
package kernel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Progress is told how far a step that takes a while has come, in bytes of the
// package. The last call of a step has done equal to total.
type Progress func(step string, done, total int64)

// Kernel is an unpacked kernel package.
type Kernel struct {
	// Release is what uname -r will say, for example 6.12.107+deb13-rt-amd64.
	Release string
	// Version is that of the Debian package, for example 6.12.107-1.
	Version string
	// Arch is Debian's name of the architecture.
	Arch string

	dir      string
	modules  map[string]*Module // by normalized name
	builtin  map[string]string  // path by normalized name
	symbols  map[string]uint32
	vermagic string
}

// Module is a loadable module of a kernel.
type Module struct {
	// Name is as lsmod prints it: with '_', never '-'.
	Name string
	// Path is where the module lies, decompressed, below /lib/modules/RELEASE.
	Path string
	// Depends names every module that must be loaded before this one, in the
	// order of modules.dep: the last is loaded first.
	Depends []string
	// Info is what the module says about itself.
	Info Modinfo

	file string // where Data reads
	data []byte // instead of file, for a module added by With
}

// Data returns the module's ELF file, decompressed.
func (m Module) Data() ([]byte, error) {
	if m.data != nil {
		return m.data, nil
	}
	return os.ReadFile(m.file)
}

// Open unpacks the kernel package pkg into a directory of its own below dir, or
// finds it there already. Builds that run at the same time may share dir.
// progress may be nil.
func Open(ctx context.Context, pkg Package, dir string, progress Progress) (*Kernel, error) {
	if pkg.SHA256 == "" {
		return nil, fmt.Errorf("kernel package %s has no sha256 to keep it by", pkg.Concrete)
	}
	entry := filepath.Join(dir, fmt.Sprintf("%s-%d", pkg.SHA256, treeFormat))
	k, err := load(entry, pkg)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := unpackInto(ctx, pkg, dir, entry, progress); err != nil {
		return nil, fmt.Errorf("unpack %s: %w", pkg.Path, err)
	}
	return load(entry, pkg)
}

// load reads an unpacked tree. Its error is fs.ErrNotExist when there is none.
func load(entry string, pkg Package) (*Kernel, error) {
	if _, err := os.Stat(entry); err != nil {
		return nil, err
	}
	ix, err := readIndex(entry)
	if err != nil {
		// Not wrapped: a file that is missing here is not a missing tree.
		return nil, fmt.Errorf("the unpacked kernel in %s is damaged, remove it and build again: %v", entry, err)
	}
	k := &Kernel{
		Release: ix.Release,
		Version: pkg.Version,
		Arch:    pkg.Arch,
		dir:     entry,
		modules: make(map[string]*Module, len(ix.Modules)),
		builtin: make(map[string]string, len(ix.Builtin)),
		symbols: ix.symbols,
	}
	for path, info := range ix.Modules {
		name := moduleName(path)
		k.modules[name] = &Module{
			Name: name, Path: path, Info: info,
			file: filepath.Join(entry, treeModules, filepath.FromSlash(path)),
		}
		// One build of the kernel has one vermagic.
		k.vermagic = cmp.Or(k.vermagic, info.Vermagic)
	}
	for _, path := range ix.Builtin {
		k.builtin[moduleName(path)] = path
	}
	return k, nil
}

// With returns a kernel that has one more module: the ELF file ko, to be installed
// at path (for example updates/MergingRavennaALSA.ko). It replaces a module of the
// same name. k stays as it is.
func (k *Kernel) With(path string, ko []byte) (*Kernel, error) {
	info, _, err := readModule(ko)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", path, err)
	}
	more := *k
	more.modules = maps.Clone(k.modules)
	name := moduleName(path)
	more.modules[name] = &Module{Name: name, Path: path, Info: info, data: ko}
	return &more, nil
}

// Image returns the kernel image (vmlinuz): a PE program with EFI stub on amd64,
// an uncompressed Image with EFI stub on arm64.
func (k *Kernel) Image() ([]byte, error) {
	return os.ReadFile(filepath.Join(k.dir, treeImage))
}

// Copyright returns the package's statement of copyright and licences.
func (k *Kernel) Copyright() ([]byte, error) {
	return os.ReadFile(filepath.Join(k.dir, treeCopyright))
}

// DTB returns the device tree called name, with or without its vendor's directory:
// allwinner/sun50i-h5-nanopi-neo2.dtb or sun50i-h5-nanopi-neo2.dtb.
func (k *Kernel) DTB(name string) ([]byte, error) {
	trees := os.DirFS(filepath.Join(k.dir, treeDTB))
	for _, pattern := range []string{name, "*/" + name} {
		found, err := fs.Glob(trees, pattern)
		if err != nil {
			return nil, fmt.Errorf("device tree %q: %w", name, err)
		}
		if len(found) > 0 {
			return fs.ReadFile(trees, found[0])
		}
	}
	return nil, fmt.Errorf("kernel %s has no device tree %q: %w", k.Release, name, fs.ErrNotExist)
}

// Config returns the options that the kernel was built with.
func (k *Kernel) Config() (Config, error) {
	data, err := os.ReadFile(filepath.Join(k.dir, treeConfig))
	if err != nil {
		return nil, err
	}
	return ParseConfig(data), nil
}

// Modules returns every module of the package, sorted by path.
func (k *Kernel) Modules() []Module {
	all := make([]Module, 0, len(k.modules))
	for _, m := range k.modules {
		all = append(all, k.withDepends(m))
	}
	slices.SortFunc(all, func(a, b Module) int { return cmp.Compare(a.Path, b.Path) })
	return all
}

// SymbolVersions returns the CRC of every symbol that some module of the package
// imports. A symbol that none of them uses is not known.
func (k *Kernel) SymbolVersions() map[string]uint32 { return k.symbols }

// Vermagic returns the string that a module's own must equal for this kernel to
// load it.
func (k *Kernel) Vermagic() string { return k.vermagic }

// moduleName makes the name of a module from its file's path, or normalizes a
// name: the kernel and its tools take '-' and '_' for the same.
func moduleName(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	for _, suffix := range []string{".xz", ".zst", ".gz", ".ko"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return strings.ReplaceAll(name, "-", "_")
}
