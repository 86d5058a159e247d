package sbom

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/licensecheck"
)

// spdx lists the identifiers of the SPDX licence list that occur, and the only
// licences that texts are compared with: comparing with all takes seconds. What has
// another licence is told as unknown, and gets its line here.
func spdx() []string {
	return []string{
		"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "GPL-2.0-only", "GPL-2.0-or-later",
		"GPL-3.0-only", "GPL-3.0-or-later", "ISC", "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only",
		"LGPL-3.0-or-later", "MIT", "MIT-0", "MPL-2.0", "OpenSSL", "Python-2.0", "Unicode-DFS-2016", "Unlicense", "X11", "Zlib",
	}
}

// licenses puts names into the form of CycloneDX. A name that is not SPDX's stays a
// name; no names at all is NOASSERTION.
func licenses(names []string) *cdx.Licenses {
	if len(names) == 0 {
		names = []string{"NOASSERTION"}
	}
	known := spdx()
	var l cdx.Licenses
	for _, name := range names {
		if slices.Contains(known, name) {
			l = append(l, cdx.LicenseChoice{License: &cdx.License{ID: name}})
		} else {
			l = append(l, cdx.LicenseChoice{License: &cdx.License{Name: name}})
		}
	}
	return &l
}

// kernelLicense translates MODULE_LICENSE, of which the kernel's documentation says
// that "GPL" and "GPL v2" mean the same.
func kernelLicense(s string) []string {
	switch s {
	case "":
		return nil
	case "GPL", "GPL v2":
		return []string{"GPL-2.0-only"}
	}
	return []string{s}
}

// found is what was learned of modules' licences.
type found struct {
	of      map[string][]string // SPDX identifiers by the module's path
	notices []byte
}

// licenseFile matches the names of files with a licence, as people write them.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([-._].*)?$`)

// moduleLicenses reads the licences of modules, given by their paths, and of Go.
func moduleLicenses(ctx context.Context, source string, paths []string) (*found, error) {
	f := &found{of: map[string][]string{}}
	goroot, err := goTool(ctx, source, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(goroot), "LICENSE"))
	if err != nil {
		return nil, fmt.Errorf("the licence of Go: %w", err)
	}
	f.notice("Go", text)
	if len(paths) == 0 {
		return f, nil
	}
	scanner, err := newScanner()
	if err != nil {
		return nil, err
	}
	list, err := goTool(ctx, source, append([]string{"list", "-m", "-mod=readonly", "-f", "{{.Path}}\t{{.Version}}\t{{.Dir}}"}, paths...)...)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(list) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 3 || fields[2] == "" {
			continue // not downloaded: its licence is unknown
		}
		path, version, dir := fields[0], fields[1], fields[2]
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("the licence of %s: %w", path, err)
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || !licenseFile.MatchString(e.Name()) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, fmt.Errorf("the licence of %s: %w", path, err)
			}
			f.of[path] = append(f.of[path], recognize(scanner, text)...)
			f.notice(path+" "+version, text)
		}
		slices.Sort(f.of[path])
		f.of[path] = slices.Compact(f.of[path])
	}
	return f, nil
}

func (f *found) notice(of string, text []byte) {
	f.notices = fmt.Appendf(f.notices, "==== %s ====\n\n%s\n\n", of, bytes.TrimSpace(text))
}

func newScanner() (*licensecheck.Scanner, error) {
	known := spdx()
	// The texts of these three are the same whatever may be chosen with "or later".
	known = append(known, "GPL-2.0", "GPL-3.0", "LGPL-2.1")
	return licensecheck.NewScanner(slices.DeleteFunc(licensecheck.BuiltinLicenses(), func(l licensecheck.License) bool {
		return !slices.Contains(known, l.ID)
	}))
}

// recognize names the licences of a text. It names none when more than a quarter of
// the text is something else.
func recognize(s *licensecheck.Scanner, text []byte) []string {
	const enough = 75 // percent
	c := s.Scan(text)
	if c.Percent < enough {
		return nil
	}
	var names []string
	for _, m := range c.Match {
		names = append(names, m.ID)
	}
	return names
}

// goTool runs the go command in dir and returns what it prints.
func goTool(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
