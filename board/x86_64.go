package board

// x8664 is any x86-64 computer that starts by UEFI: mini PCs, NUCs, servers,
// virtual machines.
func x8664() Board {
	return Board{
		Name:          "x86-64",
		Title:         "x86-64 PC (UEFI)",
		GOARCH:        "amd64",
		DebianArch:    "amd64",
		KernelPackage: "linux-image-rt-amd64",
		BootPackage:   "systemd-boot-efi",
		Boot:          UEFI,
		// The last console is the one that /dev/console means. panic: a crashed
		// kernel starts again by itself, which is also how a bad update falls back.
		Cmdline: "console=tty0 console=ttyS0,115200 quiet panic=10",
		KernelConfig: kernelConfig(map[string]string{
			"CONFIG_EFI_STUB":            "y",
			"CONFIG_EFIVAR_FS":           "ym",
			"CONFIG_CPU_IDLE":            "y",
			"CONFIG_SERIAL_8250_CONSOLE": "y",
			"CONFIG_ACPI_BUTTON":         "ym",
		}),
		Modules: modules(
			// Wired Ethernet: what mini PCs, servers and hypervisors have.
			"e1000", "e1000e", "igb", "igbvf", "igc", "ixgbe", "ixgbevf", "i40e", "iavf", "e100",
			"r8169", "8139cp", "8139too",
			"tg3", "bnxt_en", "bnx2", "b44",
			"atlantic", "alx", "atl1c", "atl1e", "sky2", "forcedeth", "jme",
			"stmmac", "dwmac_intel", "stmmac_platform", "amd_xgbe",
			"virtio_net", "vmxnet3", "hv_netvsc", "xen_netfront", "pcnet32",
			// The PHYs of some of these.
			"marvell", "micrel", "broadcom", "at803x", "dp83867", "aquantia", "marvell10g",

			// Disks, and the buses they hang on.
			"nvme", "ahci", "ata_piix", "ata_generic",
			"sdhci_pci", "sdhci_acpi", "rtsx_pci_sdmmc", "rtsx_usb_sdmmc",
			"virtio_blk", "virtio_scsi", "vmw_pvscsi", "hv_storvsc", "xen_blkfront", "hv_vmbus", "vmd",
			"xhci_pci", "ehci_pci", "ohci_pci", "uhci_hcd",
			"intel_lpss_pci", "i2c_i801", "i2c_piix4", "intel_pmc_core", "idma64", "pinctrl_*",
			"efivarfs",

			// Sound: onboard, USB, PCI Express, virtual machines. Not RME's PCI cards, whose
			// samples are not interleaved as the userspace driver needs them.
			"snd_hda_intel", "snd_hda_codec_realtek", "snd_hda_codec_generic", "snd_hda_codec_hdmi", "snd_hda_codec_conexant",
			"snd_hda_codec_analog", "snd_hda_codec_via", "snd_hda_codec_idt", "snd_hda_codec_cirrus", "snd_hda_codec_ca0110",
			"snd_hda_codec_ca0132", "snd_hda_codec_cmedia", "snd_hda_codec_si3054", "snd_hda_codec_cs8409",
			"snd_usb_caiaq", "snd_usb_hiface", "snd_oxygen", "snd_virtuoso", "virtio_snd",

			// The USB gadget's controllers.
			"dwc3", "dwc3_pci", "intel_xhci_usb_role_switch",

			// Watchdogs, clocks, power.
			"lpc_ich", "iTCO_wdt", "i6300esb", "sp5100_tco", "wdat_wdt",
			"ptp_vmw",
			"button", "fan", "thermal", "processor", "acpi_cpufreq", "x86_pkg_temp_thermal", "coretemp", "k10temp",
		),
		Load: []string{"ext4"},

		BootSize: 512 << 20,
		DataSize: 64 << 20,
		Tuning:   commonTuning(),
		QEMU: QEMU{
			Binary: "qemu-system-x86_64", Machine: "q35", CPU: "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt",
			Firmware: []Firmware{
				{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
				{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
			},
			Package: "qemu-system-x86", FirmwarePackage: "ovmf",
		},
	}
}
