package network

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// sysClassNet is where the kernel describes interfaces.
const sysClassNet = "/sys/class/net"

// Hardware tells whether the interface is one to bring up: it has a device behind it,
// is not wireless, and is not the network function of our own USB gadget. Bridges,
// tunnels, virtual pairs and the loopback have no device.
func Hardware(name string) bool { return hardware(sysClassNet, name) }

func hardware(root, name string) bool {
	dir := filepath.Join(root, name)
	if !exists(filepath.Join(dir, "device")) {
		return false
	}
	if exists(filepath.Join(dir, "wireless")) || exists(filepath.Join(dir, "phy80211")) {
		return false
	}
	bus, err := os.Readlink(filepath.Join(dir, "device", "subsystem"))
	return err != nil || filepath.Base(bus) != "gadget"
}

// driver is the name of the interface's driver, or empty.
func driver(root, name string) string {
	link, err := os.Readlink(filepath.Join(root, name, "device", "driver"))
	if err != nil {
		return ""
	}
	return filepath.Base(link)
}

// speed is in Mbit/s, 0 when unknown. The kernel refuses to tell while the
// interface is down, and says -1 without a cable.
func speed(root, name string) int {
	b, err := os.ReadFile(filepath.Join(root, name, "speed"))
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return max(n, 0)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
