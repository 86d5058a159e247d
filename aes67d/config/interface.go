package config

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Interface is what the configuration needs to know of a network interface.
type Interface struct {
	Name string
	// MAC is in the form 01:02:03:04:05:06.
	MAC string
	// Addresses are the IPv4 ones.
	Addresses []netip.Addr
}

// Interfaces lists the interfaces that are up, without loopback, in the kernel's order.
func Interfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var list []Interface
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			return nil, fmt.Errorf("list the addresses of %s: %w", i.Name, err)
		}
		entry := Interface{Name: i.Name, MAC: i.HardwareAddr.String()}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
				entry.Addresses = append(entry.Addresses, p.Addr())
			}
		}
		list = append(list, entry)
	}
	return list, nil
}

// On returns c with the members that follow from the interface in use: mac_addr,
// ip_addr and node_id. Without such an interface the first two are empty.
func (c Config) On(interfaces []Interface) Config {
	var in Interface
	first, _, _ := strings.Cut(c.InterfaceName, ",")
	first = strings.TrimSpace(first)
	for _, i := range interfaces {
		if i.Name == first || first == Auto && len(i.Addresses) > 0 {
			in = i
			break
		}
	}
	var address netip.Addr
	if len(in.Addresses) > 0 {
		address = in.Addresses[0]
	}
	if preferred, err := netip.ParseAddr(c.IPAddress); err == nil && slices.Contains(in.Addresses, preferred) {
		address = preferred
	}
	c.MACAddress, c.IPAddress = in.MAC, ""
	if address.IsValid() {
		c.IPAddress = address.String()
	}
	c.NodeID = c.CustomNodeID
	if c.NodeID == "" {
		c.NodeID = nodeID(address)
	}
	return c
}

// nodeID is the name the known daemon gives itself: the octets of a.b.c.d in the
// order b, a, d, c. Receivers show it, so it stays as they know it.
func nodeID(a netip.Addr) string {
	var octets [4]byte
	if a.Is4() {
		octets = a.As4()
	}
	n := binary.LittleEndian.Uint32(octets[:])
	return fmt.Sprintf("Daemon %08x", n<<16|n>>16)
}
