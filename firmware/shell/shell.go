// Package shell builds what a debug image has in addition: a shell and u-root's
// commands.
//
// They are many programs in one file, as busybox is, because each Go program of its
// own would carry the runtime again: 50 commands are 10 MB this way and 100 MB the
// other. u-root's gobusybox does it, by turning each command's package main into an
// ordinary package that registers its name, and writing a main that looks the name
// up. The result is compiled outside modules, from a copy of every source that
// go.mod picks; so versions and checksums hold, but the program carries no list of
// its modules, and Build returns one.
//
// u-root's own shell edits lines with a library that asks the terminal where its
// cursor is, to which a serial line may have no answer. The one here is in sh.
package shell

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/u-root/gobusybox/src/pkg/bb"
	"github.com/u-root/gobusybox/src/pkg/bb/findpkg"
	"github.com/u-root/gobusybox/src/pkg/golang"
	"github.com/u-root/uio/ulog"
)

// Place is where the program goes in the image. The names of the commands are links
// beside it, and /bin/sh is one too.
const Place = "bbin/bb"

// Shell is what goes into a debug image.
type Shell struct {
	// Program is to be put at Place, executable.
	Program []byte
	// Links has the target of each symbolic link, by its place in the image.
	Links map[string]string
	// Modules lists the Go modules that are in Program.
	Modules []*debug.Module
}

//go:embed commands.go
var commandsSource string

// Build compiles the commands for goarch. source is the checkout, work a directory
// that is created or emptied; builds in the same work are fast after the first,
// because the compiler's cache goes by the place of the source.
func Build(ctx context.Context, source, work, goarch string) (*Shell, error) {
	packages, err := commands()
	if err != nil {
		return nil, err
	}
	if work, err = filepath.Abs(work); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(work); err != nil {
		return nil, err
	}
	// A program built with -trimpath does not know it by itself.
	goroot, err := goTool(ctx, source, nil, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	env := golang.Default(golang.WithGOARCH(goarch), golang.WithGOOS("linux"), golang.WithGOROOT(strings.TrimSpace(goroot)),
		golang.DisableCGO(), golang.WithWorkingDir(source), golang.WithMod(golang.ModReadonly))
	tree := filepath.Join(work, "tree")
	err = bb.BuildBusybox(ulog.Null, &bb.Opts{
		Env: env,
		// Not from $GBB_PATH.
		LookupEnv: &findpkg.Env{},
		GenSrcDir: tree, CommandPaths: packages, GenerateOnly: true,
	})
	if err != nil {
		return nil, fmt.Errorf("gather the commands of the debug shell: %w", err)
	}

	program := filepath.Join(work, path.Base(Place))
	// gobusybox could compile too, but not be interrupted.
	if _, err := goTool(ctx, filepath.Join(tree, "src/bb.u-root.com/bb"),
		[]string{"GO111MODULE=off", "GOPATH=" + tree, "GOARCH=" + goarch},
		"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", program); err != nil {
		return nil, fmt.Errorf("compile the commands of the debug shell: %w", err)
	}
	s := &Shell{Links: links(packages)}
	if s.Program, err = os.ReadFile(program); err != nil {
		return nil, err
	}
	s.Modules, err = modules(ctx, source, goarch, packages)
	return s, err
}

// commands lists the packages that commands.go imports.
func commands() ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), "commands.go", commandsSource, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var packages []string
	for _, i := range f.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
	return packages, nil
}

// links names the commands.
func links(packages []string) map[string]string {
	bin := path.Dir(Place)
	l := map[string]string{"bin/sh": "/" + bin + "/sh"}
	for _, p := range packages {
		l[path.Join(bin, path.Base(p))] = path.Base(Place)
	}
	return l
}

// modules lists the modules of all that packages import, sorted by path.
func modules(ctx context.Context, source, goarch string, packages []string) ([]*debug.Module, error) {
	const format = `{{with .Module}}{{if not .Main}}{"Path":"{{.Path}}","Version":"{{.Version}}","Sum":"{{.Sum}}"}{{end}}{{end}}`
	out, err := goTool(ctx, source, []string{"GOARCH=" + goarch},
		append([]string{"list", "-deps", "-mod=readonly", "-f", format}, packages...)...)
	if err != nil {
		return nil, err
	}
	var all []*debug.Module
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		m := new(debug.Module)
		err := d.Decode(m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *debug.Module) int { return strings.Compare(a.Path, b.Path) })
	return slices.CompactFunc(all, func(a, b *debug.Module) bool { return a.Path == b.Path }), nil
}

// goTool runs the go command in dir and returns what it prints.
func goTool(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS="), env...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
