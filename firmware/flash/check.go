package flash

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Target is a disk that may be written.
type Target struct {
	// Device is its name as it was given, for example /dev/sdb.
	Device string
	// Model is what the disk calls itself; it may be empty.
	Model string
	// Size is in bytes.
	Size int64

	number uint64
}

// String describes the disk for people: "/dev/sdb (SanDisk Ultra, 31.9 GB)".
func (t Target) String() string {
	about := sizeOf(t.Size)
	if t.Model != "" {
		about = t.Model + ", " + about
	}
	return fmt.Sprintf("%s (%s)", t.Device, about)
}

// Check tells whether device may be overwritten with an image of size bytes. The
// error says why not, and what to do.
func Check(s System, device string, size int64) (Target, error) {
	number, err := s.Number(device)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Target{}, fmt.Errorf("there is no %s%s", device, hint(s, size))
	case errors.Is(err, ErrNotBlock):
		return Target{}, fmt.Errorf("%s is not a disk%s", device, hint(s, size))
	case err != nil:
		return Target{}, err
	}
	d, err := s.find(number)
	if err != nil {
		return Target{}, fmt.Errorf("%s is not known to the kernel: %w", device, err)
	}
	if parent, ok := d.disk(); ok {
		return Target{}, fmt.Errorf("%s is a partition; an image needs the whole disk: /dev/%s", device, parent.name())
	}
	if err := refusal(d, size); err != nil {
		return Target{}, fmt.Errorf("%s %w", device, err)
	}
	return Target{Device: device, Model: d.model(), Size: d.size(), number: number}, nil
}

// Candidates returns the disks that Check lets pass.
func Candidates(s System, size int64) ([]Target, error) {
	disks, err := s.disks()
	if err != nil {
		return nil, err
	}
	var all []Target
	for _, d := range disks {
		if refusal(d, size) == nil {
			all = append(all, Target{Device: "/dev/" + d.name(), Model: d.model(), Size: d.size()})
		}
	}
	return all, nil
}

// hint lists the disks that could have been meant.
func hint(s System, size int64) string {
	all, err := Candidates(s, size)
	if err != nil || len(all) == 0 {
		return "; is the card plugged in?"
	}
	var names []string
	for _, t := range all {
		names = append(names, t.String())
	}
	return "; plugged in: " + strings.Join(names, ", ")
}

// refusal says why a disk must not be written, as the rest of a sentence that begins
// with its name, or is nil.
func refusal(d dev, size int64) error {
	parts, err := d.partitions()
	if err != nil {
		return err
	}
	// What is in use comes first: it is the reason that matters most.
	for _, p := range append([]dev{d}, parts...) {
		if err := inUse(p); err != nil {
			return err
		}
	}
	switch have := d.size(); {
	case !d.pluggable():
		return errors.New("is neither removable nor on USB or an SD slot: it looks like a disk of this computer, and is never overwritten; use a USB card reader or adapter")
	case d.attr("ro") == "1":
		return errors.New("is write-protected: look for a switch at the side of the card")
	case have == 0:
		return errors.New("is empty: put a card into the reader")
	case have < size:
		return fmt.Errorf("has %s, and the image needs %s (%d bytes more)", sizeOf(have), sizeOf(size), size-have)
	}
	return nil
}

// inUse says what a disk or partition is used for at the moment, or is nil.
func inUse(d dev) error {
	where, err := d.mount()
	if err != nil {
		return err
	}
	switch where {
	case "":
	case "/":
		return fmt.Errorf("is the disk that this computer runs from (%s is mounted at /)", d.name())
	default:
		return fmt.Errorf("is in use: %s is mounted at %s; unmount it first (umount /dev/%[1]s)", d.name(), where)
	}
	swap, err := d.swap()
	if err != nil {
		return err
	}
	if swap {
		return fmt.Errorf("is in use: %s is swap; switch it off first (swapoff /dev/%[1]s)", d.name())
	}
	holders, err := d.holders()
	if err != nil {
		return err
	}
	if len(holders) > 0 {
		return fmt.Errorf("is in use: %s is part of %s", d.name(), strings.Join(holders, ", "))
	}
	return nil
}

// sizeOf writes a size as disks are sold.
func sizeOf(n int64) string {
	if n >= 1e9 {
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
