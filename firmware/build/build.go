// Package build makes the appliance's image from source: the pipeline of
// docs/architecture.md, stage by stage.
//
// Everything in the image is either compiled from this source, taken from a Debian
// package that kernel/lock.json names by its hash, or a kernel module that the user
// brought. One commit therefore has one image, byte for byte.
package build

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"aes67os/board"
	"aes67os/driver/ravenna"
	"aes67os/firmware/disk"
	"aes67os/firmware/initramfs"
	"aes67os/firmware/shell"
	"aes67os/kernel"
)

// Options say what to build.
type Options struct {
	Board board.Board
	// Source is the root of the source, Out where the image goes, Cache where
	// downloads are kept between builds.
	Source, Out, Cache string
	// Mirror is a Debian mirror; empty is the one that the host's apt uses.
	Mirror string
	// UpdateLock takes the newest packages and records them in the lock file.
	UpdateLock bool
	// RavennaModule is a prebuilt kernel module to pack, or empty.
	RavennaModule string
	// Debug puts a root shell on the console.
	Debug bool
	// Progress gets a line a stage.
	Progress io.Writer
}

// Result names the files of a build.
type Result struct {
	Version Version
	// Image is the disk image, Compressed the same for downloads.
	Image, Compressed string
}

// build is what the stages hand on to each other.
type build struct {
	Options
	*stages
	version  Version
	release  board.Release
	packages []kernel.Package
	kernel   *kernel.Kernel
	// copyrights are the packages' own statements.
	copyrights [][]byte
	boot       bootMethod
	programs   map[string][]byte
	modules    []string
	ravenna    *ravenna.Info
	shell      *shell.Shell
	initramfs  []byte
	slot       []byte
}

func newBuild(ctx context.Context, o Options) (*build, error) {
	version, err := SourceVersion(ctx, o.Source)
	if err != nil {
		return nil, err
	}
	// The file systems' libraries take their times from here.
	if err := os.Setenv("SOURCE_DATE_EPOCH", fmt.Sprint(version.Time.Unix())); err != nil {
		return nil, err
	}
	return &build{
		Options: o, stages: newStages(o.Progress), version: version,
		release: board.Release{Board: o.Board.Name, Version: version.Name, Time: version.Time, Debug: o.Debug},
		modules: o.Board.Modules,
	}, nil
}

// Image builds the image. Nothing is left at its place in Out when it fails.
func Image(ctx context.Context, o Options) (Result, error) {
	b, err := newBuild(ctx, o)
	if err != nil {
		return Result{}, err
	}
	fmt.Fprintf(o.Progress, "aes67os %s for %s\n", b.version.Name, o.Board.Title)
	for _, stage := range []struct {
		name string
		run  func(context.Context, func(string)) (string, error)
	}{
		{"fetch", b.fetch},
		{"unpack", b.unpack},
		{"programs", b.compile},
		{"initramfs", b.pack},
		{"kernel", b.assemble},
	} {
		if err := b.run(stage.name, func(p func(string)) (string, error) { return stage.run(ctx, p) }); err != nil {
			return Result{}, err
		}
	}
	return b.write(ctx)
}

// fetch gets the packages.
func (b *build) fetch(ctx context.Context, progress func(string)) (string, error) {
	archive := kernel.Archive{
		Arch: b.Board.DebianArch, Mirror: b.Mirror, Cache: filepath.Join(b.Cache, "packages"),
		LockFile: filepath.Join(b.Source, "kernel", "lock.json"), UpdateLock: b.UpdateLock,
		Progress: share(progress),
	}
	var err error
	names := append([]string{b.Board.KernelPackage, b.Board.BootPackage}, b.Board.WithinBoot...)
	b.packages, err = archive.Fetch(ctx, names...)
	if err != nil {
		return "", err
	}
	var list string
	for i, p := range b.packages {
		if i > 0 {
			list += ", "
		}
		list += p.Concrete + " " + p.Version
	}
	return list, nil
}

// unpack takes the packages apart and checks that the kernel is fit for the board.
func (b *build) unpack(ctx context.Context, progress func(string)) (string, error) {
	k, err := kernel.Open(ctx, b.packages[0], filepath.Join(b.Cache, "kernels"), share(progress))
	if err != nil {
		return "", err
	}
	config, err := k.Config()
	if err != nil {
		return "", err
	}
	if err := config.Check(b.Board.KernelConfig); err != nil {
		return "", err
	}
	if b.boot, err = newBootMethod(b.Board, b.packages[1], k); err != nil {
		return "", err
	}
	if b.copyrights, err = copyrights(k, b.packages[1:]); err != nil {
		return "", err
	}
	b.kernel = k
	if err := b.takeRavenna(); err != nil {
		return "", err
	}
	return "kernel " + k.Release, nil
}

// compile builds the programs.
func (b *build) compile(ctx context.Context, _ func(string)) (string, error) {
	work, err := os.MkdirTemp("", "aes67os-build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if b.programs, err = buildPrograms(ctx, b.Source, work, b.Board, b.version); err != nil {
		return "", err
	}
	return fmt.Sprintf("init %s, aes67d %s, webui %s", mb(len(b.programs["init"])), mb(len(b.programs["bin/aes67d"])), mb(len(b.programs["bin/webui"]))), nil
}

// pack makes the initramfs.
func (b *build) pack(ctx context.Context, _ func(string)) (string, error) {
	var files initramfs.Files
	if err := addSystem(&files, b.release, osRelease(b.Board, b.version)); err != nil {
		return "", err
	}
	for name, data := range b.programs {
		files.Add(name, data, 0o755)
	}
	n, err := addModules(&files, b.kernel, b.modules)
	if err != nil {
		return "", err
	}
	if b.Debug {
		if err := b.addShell(ctx, &files); err != nil {
			return "", err
		}
	}
	var packed bytes.Buffer
	if err := files.Write(&packed); err != nil {
		return "", err
	}
	b.initramfs = packed.Bytes()
	return fmt.Sprintf("%d modules, %s packed to %s", n, mb(files.Size()), mb(packed.Len())), nil
}

// assemble makes the slot file.
func (b *build) assemble(context.Context, func(string)) (string, error) {
	image, err := b.kernel.Image()
	if err != nil {
		return "", err
	}
	b.slot, err = b.boot.slot(system{
		Version: b.version, osRelease: osRelease(b.Board, b.version), cmdline: b.Board.Cmdline,
		release: b.kernel.Release, kernel: image, initramfs: b.initramfs,
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, the whole system in one file", mb(len(b.slot))), nil
}

// layout is the disk with the slot on it.
func (b *build) layout() (disk.Layout, error) { return b.boot.layout(b.version, b.slot) }

// DefaultCache is where downloads are kept between builds, of any checkout.
func DefaultCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "aes67os")
}

// share turns the kernel's progress into a line's.
func share(progress func(string)) kernel.Progress {
	return func(step string, done, total int64) {
		progress(fmt.Sprintf("%s %3d %% of %s", step, 100*done/max(total, 1), mb(total)))
	}
}
