package board

import "slices"

// modules are what every board has in its image, for what people plug in, and these.
func modules(more ...string) []string {
	return slices.Concat(more, []string{
		// USB Ethernet, and PHYs, which are found by their identifier on the MDIO bus.
		"r8152", "asix", "ax88179_178a", "aqc111", "smsc75xx", "smsc95xx", "lan78xx", "cdc_ether", "cdc_ncm", "cdc_eem",
		"dm9601", "mcs7830", "pegasus", "rtl8150", "sr9700", "rndis_host",
		"realtek", "smsc", "ax88796b", "microchip",

		// Disks and file systems.
		"sd_mod", "mmc_block", "usb_storage", "uas",
		"ext4", "vfat", "nls_ascii", "nls_cp437", "nls_iso8859_1",

		// Sound cards on USB, and the gadget: the box as a laptop's sound card.
		"snd_usb_audio", "snd_aloop",
		"libcomposite", "usb_f_uac1", "usb_f_uac2",

		// Queueing disciplines that send at a time; buttons and keyboards.
		"sch_etf", "sch_mqprio", "sch_taprio",
		"evdev", "hid_generic", "usbhid",
	})
}
