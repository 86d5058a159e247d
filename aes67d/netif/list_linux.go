package netif

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// sysfs is where the kernel describes interfaces, a directory each.
const sysfs = "/sys/class/net"

// List returns the interfaces that are up now, loopback among them, in the kernel's
// order.
func List() ([]Interface, error) {
	kernel, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	defer kernel.Close()
	return list(kernel)
}

// list asks the kernel for the interfaces that are up.
func list(kernel *netlink.Handle) ([]Interface, error) {
	links, err := whole(kernel.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	addresses, err := whole(func() ([]netlink.Addr, error) { return kernel.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil, fmt.Errorf("list the addresses of network interfaces: %w", err)
	}
	of := make(map[int][]netip.Prefix)
	for _, a := range addresses {
		ones, _ := a.Mask.Size()
		if ip, ok := netip.AddrFromSlice(a.IP.To4()); ok {
			of[a.LinkIndex] = append(of[a.LinkIndex], netip.PrefixFrom(ip, ones))
		}
	}
	var up []Interface
	for _, l := range links {
		if a := l.Attrs(); a.Flags&net.FlagUp != 0 {
			up = append(up, Interface{
				Index:     a.Index,
				Name:      a.Name,
				MAC:       a.HardwareAddr,
				Addresses: of[a.Index],
				Loopback:  a.Flags&net.FlagLoopback != 0,
				Multicast: a.Flags&net.FlagMulticast != 0 && a.Flags&net.FlagPointToPoint == 0,
				// Some drivers tell of one of the two only.
				Carrier:  a.RawFlags&unix.IFF_LOWER_UP != 0 && a.OperState != netlink.OperDown,
				Wireless: wireless(sysfs, a.Name),
			})
		}
	}
	return up, nil
}

// whole repeats a listing that a change has broken into. After some times, what has
// come has to do: whoever watches is told of the change anyway.
func whole[T any](list func() ([]T, error)) (all []T, err error) {
	for range 10 {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return all, nil
}

// wireless tells whether the interface is a radio: drivers of the old kind have
// "wireless" in its directory, those of today "phy80211".
func wireless(sysfs, name string) bool {
	for _, sign := range []string{"wireless", "phy80211"} {
		if _, err := os.Stat(filepath.Join(sysfs, name, sign)); err == nil {
			return true
		}
	}
	return false
}
