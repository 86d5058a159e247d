// Package board holds what is particular to each machine that aes67os runs on.
//
// A board is data: which kernel, which modules, how it boots, how its disk is laid
// out, what is tuned. The programs that read it (the image builder, init) have no
// special case for any of them. One file a board.
package board

import (
	"fmt"
	"slices"
	"strings"
)

// BootMethod is how the firmware of a board finds the system.
type BootMethod string

// The boot methods.
const (
	// UEFI boots systemd-boot from an EFI system partition, which starts a unified
	// kernel image (UAPI.5).
	UEFI BootMethod = "uefi"
	// UBoot boots U-Boot, whose script starts a FIT image from one of two slots.
	UBoot BootMethod = "u-boot"
)

// Board describes one kind of machine.
type Board struct {
	// Name is what BOARD= and -board take, and what a signed update must match.
	Name string
	// Title is its name for people.
	Title string
	// GOARCH is what Go calls its processor; DebianArch what Debian calls it.
	GOARCH, DebianArch string
	// KernelPackage is the Debian package that depends on the newest kernel.
	KernelPackage string
	// BootPackage is the Debian package with the boot loader; WithinBoot are those whose
	// code was compiled into it, which are in the bill of materials therefore.
	BootPackage string
	WithinBoot  []string
	Boot        BootMethod
	// UBoot is what is particular to a board that boots by U-Boot.
	UBoot UBootConfig
	// Cmdline is the kernel command line.
	Cmdline string
	// KernelConfig lists the options that the appliance relies on: "y", "m", or
	// "ym" where either will do.
	KernelConfig map[string]string
	// Modules names what goes into the image, by module name or shell pattern;
	// what these depend on follows by itself. Those that match hardware are
	// loaded when the hardware is found.
	Modules []string
	// Load names modules that no hardware asks for, in the order of loading.
	Load []string
	// BootSize, SlotSize and DataSize are the sizes of the partitions in the image, in
	// bytes. SlotSize is that of each of the two slots, and 0 where slots are files of
	// the boot partition. init grows the data partition to the card's end.
	BootSize, SlotSize, DataSize int64
	// Tuning is what is set at boot; see Setting.
	Tuning []Setting
	// StatusLED is the light that shows how the appliance is, by its name in
	// /sys/class/leds; empty where there is none.
	StatusLED string
	// QEMU is zero where there is no machine that could stand in for the board.
	QEMU QEMU
}

// UBootConfig is what a board tells U-Boot and the kernel.
type UBootConfig struct {
	// Program is U-Boot itself: a file of BootPackage.
	Program string
	// DeviceTree is the file of the kernel's package that describes the board; empty
	// where U-Boot has a description from elsewhere, which it keeps in DeviceTreeAt.
	DeviceTree, DeviceTreeAt string
	// TreeEdits are what the appliance has otherwise than the description.
	TreeEdits []TreeEdit
	// NoDriver lists the hardware, by its "compatible" string, that the appliance does
	// without, and why. All else that is enabled in the device tree has a driver in the
	// image.
	NoDriver map[string]string
	// BeforeStart are U-Boot's commands right before the kernel starts.
	BeforeStart []string
}

// TreeEdit gives a property of the device tree another value.
type TreeEdit struct {
	// Node is a path, such as /soc/usb@1c19000; the value is a string.
	Node, Property, Value string
	Why                   string
}

// QEMU is the emulated machine that stands in for the board.
type QEMU struct {
	// Binary is the emulator's program, Machine its -machine and CPU its -cpu.
	Binary, Machine, CPU string
	// Firmware lists where distributions keep the firmware's code; the first that
	// exists is used. Vars is its variable store, copied for each machine started.
	Firmware []Firmware
	// Package is the Debian package with the emulator, FirmwarePackage the one with
	// the firmware, for messages.
	Package, FirmwarePackage string
}

// Firmware is a pair of flash images.
type Firmware struct{ Code, Vars string }

// All returns every board, the default first.
func All() []Board {
	return []Board{x8664(), nanopiNEO2(), qemuARM64()}
}

// ByName finds a board, or tells which there are.
func ByName(name string) (Board, error) {
	all := All()
	if i := slices.IndexFunc(all, func(b Board) bool { return b.Name == name }); i >= 0 {
		return all[i], nil
	}
	var names []string
	for _, b := range all {
		names = append(names, b.Name)
	}
	return Board{}, fmt.Errorf("no board is called %q; there are: %s", name, strings.Join(names, ", "))
}

// The names of the partitions in the partition table, by which init finds them.
const (
	// BootPartition is a FAT file system that people can write to.
	BootPartition = "aes67os-boot"
	// StatePartition says which slot is to start, where U-Boot does that. It has no
	// file system.
	StatePartition = "aes67os-state"
	// SlotAPartition and SlotBPartition are FAT file systems with one slot file each,
	// where U-Boot starts it.
	SlotAPartition = "aes67os-slot-a"
	SlotBPartition = "aes67os-slot-b"
	// DataPartition keeps settings and state.
	DataPartition = "aes67os-data"
)

// The users that services run as. Their numbers are fixed because files on the data
// partition belong to them.
const (
	AudioUser, AudioUID = "aes67d", 101
	WebUser, WebUID     = "webui", 102
)
