package board

import "maps"

// kernelConfig is what every board relies on, and what this one does.
func kernelConfig(more map[string]string) map[string]string {
	config := map[string]string{
		"CONFIG_PREEMPT_RT":               "y",
		"CONFIG_BLK_DEV_INITRD":           "y",
		"CONFIG_RD_LZ4":                   "y",
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
		"CONFIG_EXT4_FS":                  "ym",
		"CONFIG_VFAT_FS":                  "ym",
		"CONFIG_NETFILTER":                "y",
		"CONFIG_SND_ALOOP":                "m",
		"CONFIG_SND_USB_AUDIO":            "m",
		"CONFIG_USB_CONFIGFS":             "ym",
		"CONFIG_USB_CONFIGFS_F_UAC1":      "y",
		"CONFIG_USB_CONFIGFS_F_UAC2":      "y",
	}
	maps.Copy(config, more)
	return config
}
