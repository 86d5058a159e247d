package dhcp_test

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"aes67os/init/network/dhcp"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

var addrs = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func ip(text string) net.IP { return net.ParseIP(text).To4() }

// ack is an answer with address and lease time, changed by more.
func ack(more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	m := &dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootReply, ClientHWAddr: mac, Options: make(dhcpv4.Options),
		YourIPAddr: ip("192.0.2.10"),
	}
	for _, change := range append([]dhcpv4.Modifier{
		dhcpv4.WithMessageType(dhcpv4.MessageTypeAck),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ip("192.0.2.1"))),
		dhcpv4.WithNetmask(net.CIDRMask(24, 32)),
		dhcpv4.WithLeaseTime(3600),
	}, more...) {
		change(m)
	}
	return m
}

func TestParseLease(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	everything := netip.MustParsePrefix("0.0.0.0/0")
	plain := func(change func(*dhcp.Lease)) *dhcp.Lease {
		l := &dhcp.Lease{
			Address: netip.MustParsePrefix("192.0.2.10/24"), Server: netip.MustParseAddr("192.0.2.1"),
			Start: start, Lifetime: time.Hour, Renew: 30 * time.Minute, Rebind: 52*time.Minute + 30*time.Second,
		}
		change(l)
		return l
	}
	for _, tt := range []struct {
		name string
		with []dhcpv4.Modifier
		want *dhcp.Lease
	}{
		{"plain", nil, plain(func(*dhcp.Lease) {})},
		{
			"all options",
			[]dhcpv4.Modifier{
				dhcpv4.WithRouter(ip("192.0.2.1"), ip("192.0.2.2")),
				dhcpv4.WithDNS(ip("192.0.2.53"), ip("198.51.100.53")),
				dhcpv4.WithOption(dhcpv4.OptNTPServers(ip("192.0.2.123"))),
				dhcpv4.WithOption(dhcpv4.OptDomainName("studio.example")),
				dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{0x23, 0x28}),
				dhcpv4.WithOption(dhcpv4.OptRenewTimeValue(10 * time.Minute)),
				dhcpv4.WithOption(dhcpv4.OptRebindingTimeValue(20 * time.Minute)),
			},
			plain(func(l *dhcp.Lease) {
				l.Routes = []dhcp.Route{{Destination: everything, Gateway: netip.MustParseAddr("192.0.2.1")}}
				l.DNS = []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("198.51.100.53")}
				l.NTP = []netip.Addr{netip.MustParseAddr("192.0.2.123")}
				l.Domain = "studio.example"
				l.MTU = 9000
				l.Renew, l.Rebind = 10*time.Minute, 20*time.Minute
			}),
		},
		{
			"classless routes beat the router (RFC 3442)",
			[]dhcpv4.Modifier{
				dhcpv4.WithRouter(ip("192.0.2.9")),
				dhcpv4.WithOption(dhcpv4.OptClasslessStaticRoute(
					&dhcpv4.Route{Dest: &net.IPNet{IP: ip("198.51.100.0"), Mask: net.CIDRMask(24, 32)}, Router: ip("192.0.2.2")},
					&dhcpv4.Route{Dest: &net.IPNet{IP: ip("203.0.113.0"), Mask: net.CIDRMask(24, 32)}, Router: ip("0.0.0.0")},
					&dhcpv4.Route{Dest: &net.IPNet{IP: ip("10.0.0.0"), Mask: net.CIDRMask(8, 32)}, Router: ip("192.0.2.10")},
					&dhcpv4.Route{Dest: &net.IPNet{IP: ip("127.0.0.0"), Mask: net.CIDRMask(8, 32)}, Router: ip("192.0.2.2")},
				)),
			},
			plain(func(l *dhcp.Lease) {
				l.Routes = []dhcp.Route{
					{Destination: netip.MustParsePrefix("198.51.100.0/24"), Gateway: netip.MustParseAddr("192.0.2.2")},
					{Destination: netip.MustParsePrefix("203.0.113.0/24"), Gateway: netip.MustParseAddr("0.0.0.0")},
				}
			}),
		},
		{
			"broken classless routes leave the router",
			[]dhcpv4.Modifier{
				dhcpv4.WithRouter(ip("192.0.2.9")),
				dhcpv4.WithGeneric(dhcpv4.OptionClasslessStaticRoute, []byte{33, 1, 2, 3, 4, 5, 6, 7, 8}),
			},
			plain(func(l *dhcp.Lease) {
				l.Routes = []dhcp.Route{{Destination: everything, Gateway: netip.MustParseAddr("192.0.2.9")}}
			}),
		},
		{
			"no netmask: class C",
			[]dhcpv4.Modifier{dhcpv4.WithoutOption(dhcpv4.OptionSubnetMask)},
			plain(func(*dhcp.Lease) {}),
		},
		{
			"no netmask: class A",
			[]dhcpv4.Modifier{dhcpv4.WithoutOption(dhcpv4.OptionSubnetMask), dhcpv4.WithYourIP(ip("10.1.2.3"))},
			plain(func(l *dhcp.Lease) { l.Address = netip.MustParsePrefix("10.1.2.3/8") }),
		},
		{
			"no lease time",
			[]dhcpv4.Modifier{dhcpv4.WithoutOption(dhcpv4.OptionIPAddressLeaseTime)},
			plain(func(*dhcp.Lease) {}),
		},
		{
			"for ever",
			[]dhcpv4.Modifier{dhcpv4.WithLeaseTime(math.MaxUint32)},
			plain(func(l *dhcp.Lease) { l.Lifetime, l.Renew, l.Rebind = 0, 0, 0 }),
		},
		{
			"times out of order",
			[]dhcpv4.Modifier{
				dhcpv4.WithOption(dhcpv4.OptRenewTimeValue(50 * time.Minute)),
				dhcpv4.WithOption(dhcpv4.OptRebindingTimeValue(40 * time.Minute)),
			},
			plain(func(*dhcp.Lease) {}),
		},
		{
			"nonsense in options is ignored",
			[]dhcpv4.Modifier{
				dhcpv4.WithRouter(ip("0.0.0.0"), ip("192.0.2.10"), ip("224.0.0.1")),
				dhcpv4.WithDNS(ip("0.0.0.0"), ip("127.0.0.1"), ip("255.255.255.255")),
				dhcpv4.WithOption(dhcpv4.OptDomainName("x\nnameserver 203.0.113.66")),
				dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{0, 68}),
			},
			plain(func(*dhcp.Lease) {}),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := dhcp.ParseLease(ack(tt.with...), start)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, addrs); diff != "" {
				t.Errorf("ParseLease() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseLeaseRefuses(t *testing.T) {
	for name, with := range map[string]dhcpv4.Modifier{
		"no address":        dhcpv4.WithYourIP(nil),
		"0.0.0.0":           dhcpv4.WithYourIP(ip("0.0.0.0")),
		"loopback":          dhcpv4.WithYourIP(ip("127.0.0.1")),
		"multicast":         dhcpv4.WithYourIP(ip("239.69.0.1")),
		"broadcast":         dhcpv4.WithYourIP(ip("255.255.255.255")),
		"network's address": dhcpv4.WithYourIP(ip("192.0.2.0")),
		"its broadcast":     dhcpv4.WithYourIP(ip("192.0.2.255")),
		"netmask with hole": dhcpv4.WithNetmask(net.IPv4Mask(255, 0, 255, 0)),
		"netmask of zeros":  dhcpv4.WithNetmask(net.IPv4Mask(0, 0, 0, 0)),
		"lease of 0 s":      dhcpv4.WithLeaseTime(0),
	} {
		t.Run(name, func(t *testing.T) {
			if l, err := dhcp.ParseLease(ack(with), time.Now()); !errors.Is(err, dhcp.ErrBadAnswer) {
				t.Errorf("ParseLease() = %+v, %v; want ErrBadAnswer", l, err)
			}
		})
	}
}

func FuzzParseLease(f *testing.F) {
	f.Add(ack().ToBytes())
	f.Add(ack(dhcpv4.WithRouter(ip("192.0.2.1")), dhcpv4.WithDNS(ip("192.0.2.53")),
		dhcpv4.WithOption(dhcpv4.OptDomainName("studio.example")),
		dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{5, 220})).ToBytes())
	f.Add(ack(dhcpv4.WithGeneric(dhcpv4.OptionClasslessStaticRoute, []byte{0, 192, 0, 2, 1, 24, 198, 51, 100, 192, 0, 2, 2})).ToBytes())
	f.Add(ack(dhcpv4.WithGeneric(dhcpv4.OptionSubnetMask, []byte{255})).ToBytes())
	start := time.Unix(0, 0)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := dhcpv4.FromBytes(b)
		if err != nil {
			return
		}
		l, err := dhcp.ParseLease(m, start)
		if err != nil {
			return
		}
		if !l.Address.IsValid() || !l.Address.Addr().Is4() || l.Address.Addr().IsLoopback() || l.Address.Bits() == 0 {
			t.Errorf("address %v", l.Address)
		}
		if l.Lifetime != 0 && (l.Renew <= 0 || l.Renew >= l.Rebind || l.Rebind >= l.Lifetime) {
			t.Errorf("T1 %v, T2 %v, lifetime %v", l.Renew, l.Rebind, l.Lifetime)
		}
		for _, r := range l.Routes {
			if !r.Destination.IsValid() || r.Destination != r.Destination.Masked() || !r.Gateway.Is4() {
				t.Errorf("route %v", r)
			}
		}
		if strings.ContainsAny(l.Domain, "\n\r \t#;\x00") {
			t.Errorf("domain %q", l.Domain)
		}
	})
}
