package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"aes67os/init/network/linklocal"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// baseMetric plus the interface's index is the metric of its routes, so that of two
// ways to one place the kernel takes the first interface's as long as it works.
const baseMetric = 100

// route is what the kernel is told of a route. It is comparable.
type route struct {
	to      netip.Prefix
	gateway netip.Addr // not valid when to is on the link
	source  netip.Addr
}

// addressing is what an interface has, or is to have.
type addressing struct {
	addresses []netip.Prefix
	routes    []route
}

// add adds an address with its network's route.
func (a *addressing) add(p netip.Prefix) {
	a.addresses = append(a.addresses, p)
	if p.Bits() < 32 {
		a.routes = append(a.routes, route{to: p.Masked(), source: p.Addr()})
	}
}

// kernel changes one interface. It takes away only what it has set.
type kernel struct {
	link netlink.Link
	set  addressing
}

// prepare sets what several interfaces in one machine need, in any state of theirs.
func (k *kernel) prepare() error {
	var errs []error
	for _, s := range []struct{ name, value string }{
		// Answer ARP only for the address asked for on this very interface. Otherwise two
		// interfaces on one switch look like a conflict of addresses to each other.
		{"arp_ignore", "1"},
		{"arp_announce", "2"},
		// A route through a pulled cable must not hide the other interface's.
		{"ignore_routes_with_linkdown", "1"},
	} {
		path := filepath.Join("/proc/sys/net/ipv4/conf", k.link.Attrs().Name, s.name)
		if err := os.WriteFile(path, []byte(s.value), 0o644); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// flush removes all IPv4 addresses, with their routes: left-overs of a kernel command
// line or of an earlier run. IPv6 is the kernel's own business.
func (k *kernel) flush() error {
	addrs, err := netlink.AddrList(k.link, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	var errs []error
	for _, a := range addrs {
		// With its primary address the kernel may have removed secondary ones already.
		if err := unlessGone(netlink.AddrDel(k.link, &a)); err != nil {
			errs = append(errs, fmt.Errorf("remove %s: %w", a.IPNet, err))
		}
	}
	return errors.Join(errs...)
}

// up switches the interface on; a cable may be noticed from then on.
func (k *kernel) up() error {
	if err := netlink.LinkSetUp(k.link); err != nil {
		return fmt.Errorf("switch on: %w", err)
	}
	return nil
}

// mtu sets the MTU, if bytes is not 0, unless it is that already: many drivers reset the link to change it.
func (k *kernel) mtu(bytes int) error {
	if bytes == 0 {
		return nil
	}
	link, err := netlink.LinkByIndex(k.link.Attrs().Index)
	if err != nil {
		return fmt.Errorf("read mtu: %w", err)
	}
	if link.Attrs().MTU == bytes {
		return nil
	}
	if err := netlink.LinkSetMTU(k.link, bytes); err != nil {
		return fmt.Errorf("set mtu %d: %w", bytes, err)
	}
	return nil
}

// sync turns what was set into want. It sets again what is there already, because
// the kernel drops an interface's routes whenever somebody switches it off.
func (k *kernel) sync(want addressing) error {
	var errs []error
	check := func(what string, which netip.Prefix, err error) bool {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", what, which, err))
		}
		return err == nil
	}
	// What goes, goes first: the kernel takes a secondary address away together with
	// the primary one of the same network.
	for _, r := range k.set.routes {
		if !slices.Contains(want.routes, r) {
			check("remove route", r.to, unlessGone(netlink.RouteDel(k.route(r))))
		}
	}
	for _, p := range k.set.addresses {
		if !slices.Contains(want.addresses, p) {
			check("remove address", p, unlessGone(netlink.AddrDel(k.link, address(p))))
		}
	}
	k.set = addressing{}
	for _, p := range want.addresses {
		if check("add address", p, netlink.AddrReplace(k.link, address(p))) {
			k.set.addresses = append(k.set.addresses, p)
		}
	}
	for _, r := range want.routes {
		if check("add route", r.to, netlink.RouteReplace(k.route(r))) {
			k.set.routes = append(k.set.routes, r)
		}
	}
	return errors.Join(errs...)
}

// unlessGone forgives that what is to be removed, or its whole interface, is not there.
func unlessGone(err error) error {
	for _, gone := range []error{unix.EADDRNOTAVAIL, unix.ESRCH, unix.ENODEV} {
		if errors.Is(err, gone) {
			return nil
		}
	}
	return err
}

// address leaves the network's route to us, because the kernel's own has no metric.
func address(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: ipNet(p), Flags: unix.IFA_F_NOPREFIXROUTE}
	if linklocal.Prefix.Contains(p.Addr()) {
		a.Scope = unix.RT_SCOPE_LINK
	}
	return a
}

func (k *kernel) route(r route) *netlink.Route {
	index := k.link.Attrs().Index
	n := &netlink.Route{
		LinkIndex: index,
		Dst:       ipNet(r.to),
		Src:       r.source.AsSlice(), // the route goes when its address goes
		Priority:  baseMetric + index,
		Protocol:  unix.RTPROT_BOOT,
		Scope:     unix.RT_SCOPE_LINK,
	}
	if r.gateway.IsValid() {
		n.Gw = r.gateway.AsSlice()
		n.Scope = unix.RT_SCOPE_UNIVERSE
		// A gateway need not be in the address's network (RFC 3442 examples, /32 leases).
		n.Flags = int(netlink.FLAG_ONLINK)
	}
	return n
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}
