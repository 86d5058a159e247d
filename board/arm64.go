package board

// arm64 is what the boards with 64-bit ARM processors have in common: the kernel, U-Boot
// that starts it, and the disk.
func arm64() Board {
	return Board{
		GOARCH:        "arm64",
		DebianArch:    "arm64",
		KernelPackage: "linux-image-rt-arm64",
		Boot:          UBoot,
		BootSize:      48 << 20,
		SlotSize:      128 << 20,
		DataSize:      64 << 20,
		Tuning:        commonTuning(),
	}
}
