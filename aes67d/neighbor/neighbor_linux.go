// Package neighbor finds the link-layer address behind which a host is, for drivers
// that send whole Ethernet frames.
package neighbor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Timeout bounds how long a host has to answer.
const Timeout = time.Second

// discard is the port for packets that only make the kernel look for a host (RFC 863).
const discard = 9

// Resolve returns the MAC address to send to on the interface so that packets reach the
// host: its own, or that of the router on the way. For an address of this host it is
// all zeros, as on the loopback interface.
//
// The kernel is asked, and made to look for the host (RFC 826) if it does not know.
func Resolve(ctx context.Context, interfaceIndex int, host netip.Addr) (net.HardwareAddr, error) {
	next, err := nextHop(interfaceIndex, host)
	if err != nil {
		return nil, err
	}
	if !next.IsValid() {
		return make(net.HardwareAddr, 6), nil
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	// From before the first look, so that no change is missed.
	changes := make(chan netlink.NeighUpdate, 16)
	done := make(chan struct{})
	defer close(done)
	if err := netlink.NeighSubscribe(changes, done); err != nil {
		return nil, fmt.Errorf("watch the kernel's list of neighbors: %w", err)
	}
	mac, err := known(interfaceIndex, next)
	if mac != nil || err != nil {
		return mac, err
	}
	if err := look(ctx, next); err != nil {
		return nil, err
	}
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s does not answer on the network; is it switched on and connected?", next)
		case change, ok := <-changes:
			if !ok {
				return nil, errors.New("the kernel's list of neighbors cannot be watched any more")
			}
			if change.LinkIndex == interfaceIndex && is(change.IP, next) && usable(change.Neigh) {
				return change.HardwareAddr, nil
			}
		}
	}
}

// nextHop is the host or the router on the way to it; not valid for this host itself.
func nextHop(interfaceIndex int, host netip.Addr) (netip.Addr, error) {
	routes, err := netlink.RouteGetWithOptions(host.AsSlice(), &netlink.RouteGetOptions{OifIndex: interfaceIndex})
	if err != nil || len(routes) == 0 {
		return netip.Addr{}, fmt.Errorf("find the way to %s: %w", host, err)
	}
	r := routes[0]
	if r.Type == unix.RTN_LOCAL {
		return netip.Addr{}, nil
	}
	if gateway, ok := netip.AddrFromSlice(r.Gw); ok {
		return gateway.Unmap(), nil
	}
	return host, nil
}

// known is what the kernel knows already, nil for nothing.
func known(interfaceIndex int, host netip.Addr) (net.HardwareAddr, error) {
	list, err := netlink.NeighList(interfaceIndex, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("read the kernel's list of neighbors: %w", err)
	}
	for _, n := range list {
		if is(n.IP, host) && usable(n) {
			return n.HardwareAddr, nil
		}
	}
	return nil, nil
}

// usable tells whether the entry's address may be sent to without asking.
func usable(n netlink.Neigh) bool {
	const good = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE | netlink.NUD_PERMANENT | netlink.NUD_NOARP
	return n.State&good != 0 && len(n.HardwareAddr) == 6
}

func is(ip net.IP, host netip.Addr) bool {
	a, ok := netip.AddrFromSlice(ip)
	return ok && a.Unmap() == host
}

// look makes the kernel ask for the host.
func look(ctx context.Context, host netip.Addr) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp4", netip.AddrPortFrom(host, discard).String())
	if err != nil {
		return fmt.Errorf("look for %s: %w", host, err)
	}
	defer c.Close()
	if _, err := c.Write([]byte{0}); err != nil {
		return fmt.Errorf("look for %s: %w", host, err)
	}
	return nil
}
