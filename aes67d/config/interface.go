package config

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"aes67os/aes67d/netif"
)

// interfaceNames are the interfaces that interface_name has, at most two of which count.
func (c *Config) interfaceNames() []string {
	names := strings.Split(c.InterfaceName, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// Select finds the interfaces that c names: the primary and, if c names two, the
// secondary, for SMPTE ST 2022-7. Addresses are those in use, one for each interface, and
// not valid where it has none. Of an interface that is not there only the name is known,
// of [Auto] not even that.
func (c Config) Select(interfaces []netif.Interface) (in []netif.Interface, addresses []netip.Addr) {
	preferred, _ := netip.ParseAddr(c.IPAddress)
	names := c.interfaceNames()
	for n, name := range names[:min(len(names), 2)] {
		found := slices.IndexFunc(interfaces, func(i netif.Interface) bool {
			return i.Name == name || name == Auto && !i.Loopback && !i.Wireless && len(i.Addresses) > 0
		})
		var i netif.Interface
		var address netip.Addr
		if found >= 0 {
			i = interfaces[found]
		} else if name != Auto {
			i.Name = name
		}
		for k, a := range i.Addresses {
			if k == 0 || n == 0 && a.Addr() == preferred {
				address = a.Addr()
			}
		}
		in, addresses = append(in, i), append(addresses, address)
	}
	return in, addresses
}

// On returns c with the members that follow from the primary interface: mac_addr,
// ip_addr and node_id. Without such an interface the first two are empty.
func (c Config) On(interfaces []netif.Interface) Config {
	in, addresses := c.Select(interfaces)
	c.MACAddress, c.IPAddress = "", ""
	var address netip.Addr
	if len(in) > 0 {
		c.MACAddress, address = in[0].MAC.String(), addresses[0]
		if in[0].Loopback {
			c.MACAddress = "00:00:00:00:00:00" // as the known daemon has it
		}
	}
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
