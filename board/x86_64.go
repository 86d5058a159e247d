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
		KernelConfig: map[string]string{
			"CONFIG_PREEMPT_RT":               "y",
			"CONFIG_BLK_DEV_INITRD":           "y",
			"CONFIG_RD_LZ4":                   "y",
			"CONFIG_EFI_STUB":                 "y",
			"CONFIG_EFIVAR_FS":                "ym",
			"CONFIG_EFI_PARTITION":            "y",
			"CONFIG_MODULES":                  "y",
			"CONFIG_DEVTMPFS":                 "y",
			"CONFIG_TMPFS":                    "y",
			"CONFIG_CGROUPS":                  "y",
			"CONFIG_UNIX":                     "y",
			"CONFIG_PACKET":                   "y",
			"CONFIG_IP_MULTICAST":             "y",
			"CONFIG_PTP_1588_CLOCK":           "y",
			"CONFIG_NETWORK_PHY_TIMESTAMPING": "y",
			"CONFIG_NET_SCH_ETF":              "ym",
			"CONFIG_HIGH_RES_TIMERS":          "y",
			"CONFIG_WATCHDOG":                 "y",
			"CONFIG_CPU_FREQ_GOV_PERFORMANCE": "y",
			"CONFIG_CPU_IDLE":                 "y",
			"CONFIG_EXT4_FS":                  "ym",
			"CONFIG_VFAT_FS":                  "ym",
			"CONFIG_NETFILTER":                "y",
			"CONFIG_SND_ALOOP":                "m",
			"CONFIG_SND_USB_AUDIO":            "m",
			"CONFIG_USB_CONFIGFS":             "ym",
			"CONFIG_USB_CONFIGFS_F_UAC1":      "y",
			"CONFIG_USB_CONFIGFS_F_UAC2":      "y",
			"CONFIG_SERIAL_8250_CONSOLE":      "y",
			"CONFIG_ACPI_BUTTON":              "ym",
		},
		Modules: []string{
			// Wired Ethernet: what mini PCs, servers and hypervisors have.
			"e1000", "e1000e", "igb", "igbvf", "igc", "ixgbe", "ixgbevf", "i40e", "iavf", "e100",
			"r8169", "8139cp", "8139too",
			"tg3", "bnxt_en", "bnx2", "b44",
			"atlantic", "alx", "atl1c", "atl1e", "sky2", "forcedeth", "jme",
			"stmmac", "dwmac_intel", "stmmac_platform", "amd_xgbe",
			"virtio_net", "vmxnet3", "hv_netvsc", "xen_netfront", "pcnet32",
			// PHYs, which are found by their identifier on the MDIO bus.
			"realtek", "marvell", "micrel", "smsc", "broadcom", "at803x", "dp83867", "aquantia", "marvell10g", "ax88796b", "microchip",
			// USB Ethernet.
			"r8152", "asix", "ax88179_178a", "aqc111", "smsc75xx", "smsc95xx", "lan78xx", "cdc_ether", "cdc_ncm", "cdc_eem",
			"dm9601", "mcs7830", "pegasus", "rtl8150", "sr9700", "rndis_host",

			// Disks, and the buses they hang on.
			"nvme", "ahci", "ata_piix", "ata_generic", "sd_mod",
			"sdhci_pci", "sdhci_acpi", "mmc_block", "rtsx_pci_sdmmc", "rtsx_usb_sdmmc",
			"usb_storage", "uas",
			"virtio_blk", "virtio_scsi", "vmw_pvscsi", "hv_storvsc", "xen_blkfront", "hv_vmbus", "vmd",
			"xhci_pci", "ehci_pci", "ohci_pci", "uhci_hcd",
			"intel_lpss_pci", "i2c_i801", "i2c_piix4", "intel_pmc_core", "idma64", "pinctrl_*",
			"ext4", "vfat", "nls_ascii", "nls_cp437", "nls_iso8859_1", "efivarfs",

			// Sound.
			"snd_hda_intel", "snd_hda_codec_realtek", "snd_hda_codec_generic", "snd_hda_codec_hdmi", "snd_hda_codec_conexant",
			"snd_hda_codec_analog", "snd_hda_codec_via", "snd_hda_codec_idt", "snd_hda_codec_cirrus", "snd_hda_codec_ca0110",
			"snd_hda_codec_ca0132", "snd_hda_codec_cmedia", "snd_hda_codec_si3054",
			"snd_usb_audio", "snd_aloop",

			// USB gadget: the box as a laptop's sound card.
			"dwc3", "dwc3_pci", "libcomposite", "usb_f_uac1", "usb_f_uac2", "intel_xhci_usb_role_switch",

			// Watchdogs, clocks, power.
			"lpc_ich", "iTCO_wdt", "i6300esb", "sp5100_tco", "wdat_wdt",
			"ptp_vmw", "sch_etf", "sch_mqprio", "sch_taprio",
			"button", "fan", "thermal", "processor", "acpi_cpufreq", "x86_pkg_temp_thermal", "coretemp", "k10temp",
			"evdev", "hid_generic", "usbhid",
		},
		Load: []string{"ext4"},

		ESPSize:  512 << 20,
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
