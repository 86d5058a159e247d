// Package netif knows the host's network interfaces, and when they change.
//
// Everybody in the daemon who needs an interface, its addresses or its MAC address
// asks here, so that all see the same: those who need it once call [List], those who
// live longer than an address does (a DHCP lease, a cable, a USB adapter) follow
// [Watch]. An interface that is up stays in the list while its cable is out; whether
// that matters is for the reader to say, by Carrier.
//
// The knowledge comes from the kernel by rtnetlink. What is asked for belongs to the
// network namespace of the calling thread.
package netif

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
)

// Interface is a network interface that is up.
type Interface struct {
	Index int
	Name  string
	// MAC is empty where there is none, as on a tunnel.
	MAC net.HardwareAddr
	// Addresses are IPv4, each with the length of its subnet's prefix, in the
	// kernel's order.
	Addresses []netip.Prefix
	Loopback  bool
	// Multicast tells that the interface can send and receive multicast, to and from
	// more than one other host.
	Multicast bool
	// Carrier tells that packets can pass: the cable is in, the access point joined.
	Carrier bool
	// Wireless interfaces are passed over where "the first wired one" is asked for.
	Wireless bool
}

// equal tells whether there is no difference between two interfaces.
func equal(a, b Interface) bool {
	return a.Index == b.Index && a.Name == b.Name && bytes.Equal(a.MAC, b.MAC) &&
		slices.Equal(a.Addresses, b.Addresses) && a.Loopback == b.Loopback &&
		a.Multicast == b.Multicast && a.Carrier == b.Carrier && a.Wireless == b.Wireless
}
