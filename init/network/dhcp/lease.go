package dhcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// ErrBadAnswer is wrapped by ParseLease's errors.
var ErrBadAnswer = errors.New("unusable DHCP answer")

// Lease is what a server grants.
type Lease struct {
	// Address with the length of the network's prefix.
	Address netip.Prefix
	// Server is the server's identifier, the address renewals are sent to.
	Server netip.Addr
	// Routes holds the default route too. Gateways outside the prefix are possible.
	Routes []Route
	DNS    []netip.Addr
	// NTP are time servers.
	NTP []netip.Addr
	// Domain is the local domain's name, a valid one or empty.
	Domain string
	// MTU in bytes; 0 when the server does not care.
	MTU int

	// Start is when the request that was granted left: times count from then.
	Start time.Time
	// Lifetime is how long the lease lasts; 0 is for ever.
	Lifetime time.Duration
	// Renew (T1) and Rebind (T2) are in order and before Lifetime (RFC 2131 §4.4.5).
	Renew, Rebind time.Duration
}

// Route is a way to a network.
type Route struct {
	Destination netip.Prefix
	// Gateway is unspecified (0.0.0.0) when the destination is on the link itself.
	Gateway netip.Addr
}

// Expires tells when the lease ends, and whether it ends at all.
func (l *Lease) Expires() (time.Time, bool) {
	return l.Start.Add(l.Lifetime), l.Lifetime != 0
}

// Gateway is the default route's, or the zero Addr.
func (l *Lease) Gateway() netip.Addr {
	for _, r := range l.Routes {
		if r.Destination.Bits() == 0 && !r.Gateway.IsUnspecified() {
			return r.Gateway
		}
	}
	return netip.Addr{}
}

const (
	// defaultLifetime is for servers that leave out the option they must send.
	defaultLifetime = time.Hour
	// forever is the lifetime of a lease that does not end (RFC 2131 §3.3).
	forever = math.MaxUint32 * time.Second
	// minMTU is what every IPv4 host must accept (RFC 2132 §5.1 allows less, to no use).
	minMTU = 576
)

// ParseLease reads an OFFER or an ACK to a request sent at start. A missing netmask
// is that of the address's class; options that make no sense are as good as missing.
// It is an error when there is no usable address, or the lease is over already.
func ParseLease(m *dhcpv4.DHCPv4, start time.Time) (*Lease, error) {
	addr := toAddr(m.YourIPAddr)
	if !isHost(addr) {
		return nil, fmt.Errorf("%w: offers the address %s", ErrBadAnswer, m.YourIPAddr)
	}
	prefix, err := prefixOf(addr, m.SubnetMask())
	if err != nil {
		return nil, err
	}
	l := &Lease{
		Address: prefix,
		Server:  toAddr(m.ServerIdentifier()),
		Routes:  routes(m, addr),
		DNS:     hosts(m.DNS()),
		NTP:     hosts(m.NTPServers()),
		Start:   start,
	}
	if name := m.DomainName(); isDomain(name) {
		l.Domain = name
	}
	if v := m.Options.Get(dhcpv4.OptionInterfaceMTU); len(v) == 2 {
		if mtu := int(binary.BigEndian.Uint16(v)); mtu >= minMTU {
			l.MTU = mtu
		}
	}
	l.Lifetime = m.IPAddressLeaseTime(defaultLifetime)
	switch l.Lifetime {
	case 0:
		return nil, fmt.Errorf("%w: the lease of %s lasts 0 s", ErrBadAnswer, addr)
	case forever:
		l.Lifetime = 0
		return l, nil
	}
	l.Renew = m.IPAddressRenewalTime(0)
	l.Rebind = m.IPAddressRebindingTime(0)
	if l.Renew <= 0 || l.Renew >= l.Rebind || l.Rebind >= l.Lifetime {
		l.Renew, l.Rebind = l.Lifetime/2, l.Lifetime-l.Lifetime/8
	}
	return l, nil
}

// inherit completes a renewal. Some servers answer it with the new times alone,
// which shows in the missing netmask; the rest is then as it was.
func (l *Lease) inherit(from *Lease, ack *dhcpv4.DHCPv4) {
	if !l.Server.IsValid() {
		l.Server = from.Server
	}
	if ack.SubnetMask() != nil || l.Address.Addr() != from.Address.Addr() {
		return
	}
	l.Address, l.Routes, l.DNS = from.Address, from.Routes, from.DNS
	l.NTP, l.Domain, l.MTU = from.NTP, from.Domain, from.MTU
}

func prefixOf(addr netip.Addr, mask net.IPMask) (netip.Prefix, error) {
	if mask == nil {
		mask = net.IP(addr.AsSlice()).DefaultMask()
	}
	ones, bits := mask.Size()
	if bits != 32 || ones == 0 {
		return netip.Prefix{}, fmt.Errorf("%w: the netmask of %s is %s", ErrBadAnswer, addr, net.IP(mask))
	}
	p := netip.PrefixFrom(addr, ones)
	if ones <= 30 && (addr == p.Masked().Addr() || addr == broadcast(p)) {
		return netip.Prefix{}, fmt.Errorf("%w: %s is not a host's address", ErrBadAnswer, p)
	}
	return p, nil
}

// broadcast is the last address of p.
func broadcast(p netip.Prefix) netip.Addr {
	v := p.Masked().Addr().As4()
	n := binary.BigEndian.Uint32(v[:]) | uint32(1<<(32-p.Bits())-1)
	binary.BigEndian.PutUint32(v[:], n)
	return netip.AddrFrom4(v)
}

// routes prefers the classless routes, which make the router option void (RFC 3442).
func routes(m *dhcpv4.DHCPv4, self netip.Addr) []Route {
	var all []Route
	for _, r := range m.ClasslessStaticRoute() {
		gateway := toAddr(r.Router)
		if !isHost(gateway) && !gateway.IsUnspecified() || gateway == self {
			continue
		}
		ones, _ := r.Dest.Mask.Size()
		to := netip.PrefixFrom(toAddr(r.Dest.IP), ones).Masked()
		if to.Addr().IsLoopback() || to.Addr().IsMulticast() {
			continue
		}
		all = append(all, Route{Destination: to, Gateway: gateway})
	}
	if all != nil {
		return all
	}
	for _, gateway := range hosts(m.Router()) {
		if gateway != self {
			return []Route{{Destination: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Gateway: gateway}}
		}
	}
	return nil
}

// hosts returns those of ips that can be a host's.
func hosts(ips []net.IP) []netip.Addr {
	var all []netip.Addr
	for _, ip := range ips {
		if a := toAddr(ip); isHost(a) {
			all = append(all, a)
		}
	}
	return all
}

// isHost tells whether a can be the address of a host on a network.
func isHost(a netip.Addr) bool {
	if !a.Is4() {
		return false
	}
	high := a.As4()[0]
	return high != 0 && high != 127 && high < 224
}

// toAddr is the zero Addr when ip is not IPv4.
func toAddr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip.To4())
	return a
}

// isDomain keeps what a server says from breaking the resolver's file.
func isDomain(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return true
}
