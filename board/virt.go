package board

// qemuARM64 is QEMU's machine "virt". It stands in for the NanoPi NEO2 in tests: the
// same kernel, disk and boot script, with virtio in place of what Allwinner made.
func qemuARM64() Board {
	b := arm64()
	b.Name = "qemu-arm64"
	b.Title = "QEMU arm64"
	b.BootPackage = "u-boot-qemu"
	b.UBoot = UBootConfig{
		Program:      "usr/lib/u-boot/qemu_arm64/u-boot.bin",
		DeviceTreeAt: "${fdt_addr}", // QEMU writes a description of just this machine there
	}
	b.Cmdline = "console=ttyAMA0 quiet panic=10"
	b.KernelConfig = kernelConfig(map[string]string{
		"CONFIG_SERIAL_AMBA_PL011_CONSOLE": "y",
		"CONFIG_PCI_HOST_GENERIC":          "y",
		"CONFIG_VIRTIO_PCI":                "ym",
		"CONFIG_GPIO_PL061":                "ym",
		"CONFIG_ARM_PSCI_FW":               "y",
	})
	b.Modules = modules(
		"virtio_net", "virtio_blk", "virtio_mmio", "e1000e",
		"xhci_pci", "i6300esb",
		"gpio_keys", // the power button
	)
	b.Load = []string{"ext4"}
	b.QEMU = QEMU{
		Binary: "qemu-system-aarch64", Machine: "virt,acpi=off", CPU: "cortex-a53", // with ACPI the power button would not be in the device tree
		Package: "qemu-system-arm",
	}
	return b
}
