package kernel

import "bytes"

// compatibleSize is the room that the kernel's table of a driver has for the
// "compatible" string of a device (struct of_device_id in include/linux/mod_devicetable.h).
const compatibleSize = 128

// Drivers returns the modules that the kernel would load for a device with this
// modalias, sorted by path.
func (k *Kernel) Drivers(modalias string) []Module {
	var found []Module
	for _, m := range k.lookup(modalias) {
		found = append(found, k.withDepends(m))
	}
	return found
}

// Image is a kernel image in memory.
type Image []byte

// Drives tells whether a driver that is built in is for devices with this "compatible"
// string of the device tree. Nothing lists such drivers, but their tables are in the
// image as they are in memory: the text, with zeros before it and up to its full room.
// The image must not be compressed, as arm64's is not.
func (i Image) Drives(compatible string) bool {
	if len(compatible) >= compatibleSize {
		return false
	}
	entry := make([]byte, 1+compatibleSize)
	copy(entry[1:], compatible)
	return bytes.Contains(i, entry)
}
