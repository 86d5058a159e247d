package kernel

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

const (
	// maxUnpacked bounds what a package may amount to. Debian's kernels are a
	// tenth of it.
	maxUnpacked = 4 << 30
	// maxExtracted bounds a file that is read into memory.
	maxExtracted = 256 << 20
	maxControl   = 1 << 20
)

// deb is an open Debian binary package, deb(5): an ar archive of debian-binary,
// control.tar.* and data.tar.*.
type deb struct {
	members map[string]*io.SectionReader
	limit   int64 // of what a member unpacks to, in bytes
}

func newDeb(r io.ReaderAt, size int64) (*deb, error) {
	members, err := arMembers(r, size)
	if err != nil {
		return nil, err
	}
	version, ok := members["debian-binary"]
	if !ok {
		return nil, errors.New("not a Debian package: no debian-binary")
	}
	text, err := io.ReadAll(io.LimitReader(version, 16))
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(text, []byte("2.")) {
		return nil, fmt.Errorf("package format %q is not 2.x", text)
	}
	return &deb{members, maxUnpacked}, nil
}

// errStop ends walking a package without being an error of it.
var errStop = errors.New("stop")

// walk calls each for every regular file of the tar archive whose name begins with
// which ("control.tar" or "data.tar"). Other kinds of entries are passed over:
// nothing that we take from packages is a link or a device. consumed, if not nil,
// is told the compressed bytes read so far.
func (d *deb) walk(which string, consumed func(int64), each func(name string, size int64, r io.Reader) error) error {
	var member string
	for name := range d.members {
		if name == which || strings.HasPrefix(name, which+".") {
			member = name
		}
	}
	if member == "" {
		return fmt.Errorf("package has no %s", which)
	}
	packed := io.NewSectionReader(d.members[member], 0, d.members[member].Size())
	plain, err := decompress(member, &countingReader{r: packed, told: consumed})
	if err != nil {
		return err
	}
	defer plain.Close()
	archive := tar.NewReader(&boundedReader{r: plain, limit: d.limit})
	for {
		h, err := archive.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", member, err)
		case h.Typeflag != tar.TypeReg:
			continue
		}
		name := strings.TrimPrefix(h.Name, "./")
		if !fs.ValidPath(name) {
			return fmt.Errorf("%s: %q is not a path below the root", member, h.Name)
		}
		if err := each(name, h.Size, archive); err != nil {
			if errors.Is(err, errStop) {
				return nil
			}
			return fmt.Errorf("%s: %s: %w", member, name, err)
		}
	}
}

// control reads the package's control fields.
func (d *deb) control() (map[string]string, error) {
	var fields map[string]string
	err := d.walk("control.tar", nil, func(name string, _ int64, r io.Reader) error {
		if name != "control" {
			return nil
		}
		text, err := readAll(r, maxControl)
		if err != nil {
			return err
		}
		if stanzas := parseControl(text); len(stanzas) > 0 {
			fields = stanzas[0]
		}
		return errStop
	})
	if err == nil && fields == nil {
		err = errors.New("package has no control file")
	}
	return fields, err
}

// open opens the package's .deb, and checks that it is what it is taken for. The
// caller closes the file.
func (p Package) open() (*os.File, *deb, error) {
	f, err := os.Open(p.Path)
	if err != nil {
		return nil, nil, err
	}
	d, err := p.check(f)
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("%s: %w", p.Path, err)
	}
	return f, d, nil
}

func (p Package) check(f *os.File) (*deb, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	d, err := newDeb(f, st.Size())
	if err != nil {
		return nil, err
	}
	control, err := d.control()
	if err != nil {
		return nil, err
	}
	if control["Package"] != p.Concrete || control["Version"] != p.Version {
		return nil, fmt.Errorf("package is %s %s, not %s %s", control["Package"], control["Version"], p.Concrete, p.Version)
	}
	return d, nil
}

// Extract reads files out of the package, by paths without a leading slash or by
// shell patterns, for example usr/share/doc/*/copyright. Every pattern must match
// something, else the error names those that do not and is fs.ErrNotExist.
func (p Package) Extract(patterns ...string) (map[string][]byte, error) {
	for _, pattern := range patterns {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
	}
	f, d, err := p.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	files := make(map[string][]byte)
	unseen := slices.Clone(patterns)
	err = d.walk("data.tar", nil, func(name string, _ int64, r io.Reader) error {
		matches := func(pattern string) bool { ok, _ := path.Match(pattern, name); return ok }
		if !slices.ContainsFunc(patterns, matches) {
			return nil
		}
		unseen = slices.DeleteFunc(unseen, matches)
		data, err := readAll(r, maxExtracted)
		files[name] = data
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Path, err)
	}
	if len(unseen) > 0 {
		return nil, fmt.Errorf("package %s %s has no %s: %w", p.Concrete, p.Version, strings.Join(unseen, ", "), fs.ErrNotExist)
	}
	return files, nil
}

// countingReader tells how much of r was read.
type countingReader struct {
	r    io.Reader
	n    int64
	told func(int64)
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.told != nil {
		c.told(c.n)
	}
	return n, err
}
