package board

// nanopiNEO2 is the FriendlyElec NanoPi NEO2: Allwinner H5 with four Cortex-A53 cores,
// 512 MB or 1 GB of memory, gigabit Ethernet, a microSD slot, USB 2.0 as type A and
// micro-USB, and no screen.
func nanopiNEO2() Board {
	b := arm64()
	b.Name = "nanopi-neo2"
	b.Title = "NanoPi NEO2"
	b.BootPackage = "u-boot-sunxi"
	b.WithinBoot = []string{"arm-trusted-firmware"}
	b.UBoot = UBootConfig{
		Program:    "usr/lib/u-boot/nanopi_neo2/u-boot-sunxi-with-spl.bin",
		DeviceTree: "allwinner/sun50i-h5-nanopi-neo2.dtb",
		TreeEdits: []TreeEdit{
			{"/soc/usb@1c19000", "dr_mode", "peripheral", "the micro-USB port is a laptop's sound card, whatever its ID pin says"},
			{"/soc/usb@1c1a000", "status", "disabled", "the host controller behind the micro-USB port would switch on 5 V against the laptop's"},
			{"/soc/usb@1c1a400", "status", "disabled", "likewise"},
		},
		NoDriver: map[string]string{
			"allwinner,sun8i-h3-mdio-internal": "read by the Ethernet driver; the chip's own PHY has no socket on this board",
			"allwinner,sun8i-h3-mdio-mux":      "read by the Ethernet driver",
			"snps,dwmac-mdio":                  "read by the Ethernet driver",
			"ethernet-phy-ieee802.3-c22":       "PHYs are found by the identifier that they tell on the MDIO bus",
			"allwinner,sun50i-h5-mbus":         "tells how far the chip's devices see memory",
			// There is no screen.
			"allwinner,sun8i-h3-de2-mixer-0":   "screen",
			"allwinner,sun8i-h3-tcon-tv":       "screen",
			"allwinner,sun8i-h3-hdmi-phy":      "screen",
			"allwinner,sun50i-h5-mali":         "screen",
			"allwinner,sun8i-h3-deinterlace":   "video",
			"allwinner,sun50i-h5-video-engine": "video",
			"allwinner,sun8i-h3-codec-analog":  "belongs to the chip's own sound, which is disabled: it has no socket",
			"allwinner,sun50i-h5-crypto":       "the processor's own instructions are faster",
		},
		// The watchdog, for a kernel that does not come up: reset the whole chip (0x14),
		// after 16 s, which is the longest, and on (0x18), begin (0x10). Offsets are from
		// 0x01c20ca0; Allwinner H5 user manual, registers WDOG0_*. init takes over within
		// that time.
		BeforeStart: []string{"mw.l 0x01c20cb4 0x1", "mw.l 0x01c20cb8 0xb1", "mw.l 0x01c20cb0 0x14af"},
	}
	b.Cmdline = "console=ttyS0,115200 quiet panic=10"
	b.KernelConfig = kernelConfig(map[string]string{
		"CONFIG_SERIAL_8250_DW":      "y",
		"CONFIG_SERIAL_8250_CONSOLE": "y",
		"CONFIG_PINCTRL_SUN50I_H5":   "y",
		"CONFIG_MMC_BLOCK":           "ym",
		"CONFIG_ARM_PSCI_FW":         "y",
	})
	b.Modules = modules(
		// Ethernet, the card, and the regulators of both.
		"dwmac_sun8i", "sunxi_mmc", "fixed",
		// USB: the type-A port is a host, the micro-USB port a gadget.
		"phy_sun4i_usb", "ehci_platform", "ohci_platform", "sunxi", "musb_hdrc",
		// Watchdog, lights, temperature, and the calibration that it needs.
		"sunxi_wdt", "leds_gpio", "ledtrig_timer", "sun8i_thermal", "nvmem_sunxi_sid", "cpufreq_dt",
		"sun6i_dma",
	)
	// The watchdog's driver stops the timer that U-Boot has started, so it comes first,
	// and init feeds it from then on. The light shows that something goes on. Without
	// regulators neither card nor Ethernet work.
	b.Load = []string{"sunxi_wdt", "leds_gpio", "ledtrig_timer", "fixed", "ext4"}
	b.StatusLED = "nanopi:blue:status"
	return b
}
