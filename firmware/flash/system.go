package flash

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// System is the machine that devices are looked up in.
type System struct {
	// Root is where /sys and /proc are below; "/" but in tests.
	Root string
	// Number returns the device number of the block device called name. It returns
	// an error that wraps ErrNotBlock when name is something else.
	Number func(name string) (uint64, error)
}

// ErrNotBlock is the error of a name that is not a block device's.
var ErrNotBlock = errors.New("not a block device")

// Host is the machine that this runs on.
func Host() System { return System{Root: "/", Number: number} }

func number(name string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return 0, ErrNotBlock
	}
	return st.Rdev, nil
}

// dev is a disk or a partition, known by its directory in /sys.
type dev struct {
	sys System
	dir string
}

// find looks up a device by its number, so that it may be named by any link.
func (s System) find(number uint64) (dev, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(s.Root, "sys/dev/block", fmt.Sprintf("%d:%d", unix.Major(number), unix.Minor(number))))
	return dev{s, dir}, err
}

// disks returns every disk.
func (s System) disks() ([]dev, error) {
	links, err := filepath.Glob(filepath.Join(s.Root, "sys/block/*"))
	if err != nil {
		return nil, err
	}
	var all []dev
	for _, link := range links {
		dir, err := filepath.EvalSymlinks(link)
		if err != nil {
			return nil, err
		}
		all = append(all, dev{s, dir})
	}
	return all, nil
}

// name is the kernel's name of the device.
func (d dev) name() string { return filepath.Base(d.dir) }

// attr reads an attribute. One that is not there is empty.
func (d dev) attr(name string) string {
	text, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// size is in bytes. The kernel counts sectors of 512 whatever the disk's are.
func (d dev) size() int64 {
	sectors, err := strconv.ParseInt(d.attr("size"), 10, 64)
	if err != nil {
		return 0
	}
	return sectors * 512
}

// disk returns the disk that a partition is on; ok is false for what is no partition.
func (d dev) disk() (parent dev, ok bool) {
	return dev{d.sys, filepath.Dir(d.dir)}, d.attr("partition") != ""
}

// partitions returns the partitions of a disk.
func (d dev) partitions() ([]dev, error) {
	files, err := filepath.Glob(filepath.Join(d.dir, "*/partition"))
	if err != nil {
		return nil, err
	}
	var all []dev
	for _, f := range files {
		all = append(all, dev{d.sys, filepath.Dir(f)})
	}
	return all, nil
}

// pluggable tells whether the disk is of a kind that is plugged in and out.
func (d dev) pluggable() bool {
	parts := strings.Split(d.dir, "/")
	bus := slices.ContainsFunc(parts, func(p string) bool {
		n, ok := strings.CutPrefix(p, "usb")
		return ok && n != "" && strings.Trim(n, "0123456789") == ""
	})
	return bus || slices.Contains(parts, "mmc_host") || d.attr("removable") == "1"
}

// model is what the disk calls itself.
func (d dev) model() string {
	return strings.Join(strings.Fields(d.attr("device/vendor")+" "+d.attr("device/model")+" "+d.attr("device/name")), " ")
}

// holders names what is built upon the device: md arrays, device-mapper.
func (d dev) holders() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(d.dir, "holders"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if dm := (dev{d.sys, filepath.Join(d.dir, "holders", name)}).attr("dm/name"); dm != "" {
			name += " (" + dm + ")"
		}
		names = append(names, name)
	}
	return names, nil
}

// mount returns where the device is mounted, or "". A file system on several devices
// has a number of its own, so the source's name counts too.
func (d dev) mount() (string, error) {
	text, err := os.ReadFile(filepath.Join(d.sys.Root, "proc/self/mountinfo"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		// proc_pid_mountinfo(5): id, parent, major:minor, root, mount point,
		// options, any number of tags, "-", type, source, options.
		before, after, _ := strings.Cut(line, " - ")
		f, source := strings.Fields(before), strings.Fields(after)
		if len(f) < 5 || len(source) < 2 {
			continue
		}
		if f[2] == d.attr("dev") || source[1] == "/dev/"+d.name() {
			return unescape(f[4]), nil
		}
	}
	return "", nil
}

// unescape turns the octal escapes of mount points into what they stand for.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// swap tells whether the device is swapped to.
func (d dev) swap() (bool, error) {
	text, err := os.ReadFile(filepath.Join(d.sys.Root, "proc/swaps"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // a kernel without swap
	}
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 0 && path.Dir(f[0]) == "/dev" && path.Base(f[0]) == d.name() {
			return true, nil
		}
	}
	return false, nil
}
