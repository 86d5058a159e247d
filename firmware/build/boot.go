package build

import (
	"fmt"

	"aes67os/board"
	"aes67os/firmware/disk"
	"aes67os/kernel"
)

// bootMethod is one of the ways in which the firmware of a board finds the system. All
// that is particular to it is behind this.
type bootMethod interface {
	// slot makes the slot file: the whole system in one.
	slot(system) ([]byte, error)
	// layout is the disk with a slot file on it.
	layout(v Version, slot []byte) (disk.Layout, error)
}

// system is what a slot file is made of.
type system struct {
	Version
	osRelease, cmdline, release string
	kernel, initramfs           []byte
}

// newBootMethod takes what the board's boot method needs from the boot loader's package
// and from the kernel's.
func newBootMethod(b board.Board, p kernel.Package, k *kernel.Kernel) (bootMethod, error) {
	switch b.Boot {
	case board.UEFI:
		return newUEFI(b, p)
	case board.UBoot:
		return newUBoot(b, p, k)
	}
	return nil, fmt.Errorf("the board %s boots by %q, which is not known", b.Name, b.Boot)
}
