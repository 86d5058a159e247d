package appliance

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"aes67os/init/network"
)

// nameHost gives the machine its name: the configured one, or aes67- and the last
// three bytes of the first wired interface's MAC address, for which it waits.
func nameHost(ctx context.Context, configured string, wait time.Duration, appeared <-chan struct{}) (string, error) {
	name := configured
	if name == "" {
		name = nameFromMAC(firstMAC(ctx, wait, appeared))
	}
	if err := unix.Sethostname([]byte(name)); err != nil {
		return name, fmt.Errorf("set the host name: %w", err)
	}
	hosts := fmt.Sprintf("127.0.0.1 localhost\n127.0.1.1 %s\n", name)
	return name, os.WriteFile("/etc/hosts", []byte(hosts), 0o644)
}

func nameFromMAC(mac net.HardwareAddr) string {
	if len(mac) < 3 {
		return "aes67os"
	}
	return fmt.Sprintf("aes67-%x", []byte(mac[len(mac)-3:]))
}

func firstMAC(ctx context.Context, wait time.Duration, appeared <-chan struct{}) net.HardwareAddr {
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		if cards := wiredCards(); len(cards) > 0 {
			return cards[0].HardwareAddr
		}
		select {
		case <-appeared:
		case <-late.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// wiredCards are the network cards that are there, in the order of their coming.
func wiredCards() []net.Interface {
	all, _ := net.Interfaces()
	return slices.DeleteFunc(all, func(i net.Interface) bool { return !network.Hardware(i.Name) })
}
