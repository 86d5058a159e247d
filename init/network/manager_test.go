package network_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"aes67os/init/api"
	"aes67os/init/network"
	"aes67os/init/network/arp"
	"aes67os/init/network/linklocal"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/vishvananda/netlink"
)

// candidate is the nth link-local address the box at any cable tries, from 0.
func candidate(n int) string {
	c := linklocal.NewCandidates(boxMAC)
	for range n {
		c.Next()
	}
	return netip.PrefixFrom(c.Next(), 16).String()
}

func method(m api.Method) network.Config {
	return network.Config{Interfaces: map[string]network.InterfaceConfig{network.Any: {Method: m}}}
}

func TestLease(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	c.addPeer("192.0.2.1/24")
	s := c.serve(grants("192.0.2.10/24", 12*3600,
		dhcpv4.WithRouter(net.IPv4(192, 0, 2, 1)),
		dhcpv4.WithDNS(net.IPv4(192, 0, 2, 53)),
		dhcpv4.WithOption(dhcpv4.OptDomainName("studio.example")),
		dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{0x05, 0x78})))
	b := run(t, network.Config{}, c)

	got := b.waitAddress(c, "192.0.2.10/24")
	if got.LeaseEnds == nil {
		t.Error("LeaseEnds is not set")
	}
	got.LeaseEnds = nil
	want := api.Interface{
		Name: c.name, MAC: "02:00:00:00:00:01", Up: true, Method: api.DHCP,
		Addresses: []string{"192.0.2.10/24"}, Gateway: "192.0.2.1", DNS: []string{"192.0.2.53"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Interfaces() (-want +got):\n%s", diff)
	}
	wantRoutes := []string{
		"0.0.0.0/0 via 192.0.2.1 src 192.0.2.10 metric +100",
		"192.0.2.0/24 src 192.0.2.10 metric +100",
	}
	if diff := cmp.Diff(wantRoutes, routes(t, c)); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	resolv, err := os.ReadFile(b.resolv)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(resolv), "\nsearch studio.example\nnameserver 192.0.2.53\n") {
		t.Errorf("resolv.conf:\n%s", resolv)
	}
	l, err := netlink.LinkByName(c.name)
	if err != nil {
		t.Fatal(err)
	}
	if l.Attrs().MTU != 1400 {
		t.Errorf("MTU = %d, want the server's 1400", l.Attrs().MTU)
	}
	b.logged(c.name + ": got 192.0.2.10/24 from DHCP server 192.0.2.1, lease 12 h")

	discover := s.wait(dhcpv4.MessageTypeDiscover, nil)
	if got, want := discover.HostName(), "aes67-000001"; got != want {
		t.Errorf("host name = %q, want %q", got, want)
	}
	request := s.wait(dhcpv4.MessageTypeRequest, nil)
	if got, want := request.RequestedIPAddress().String(), "192.0.2.10"; got != want {
		t.Errorf("requested address = %s, want %s", got, want)
	}
}

// The address is announced, so that nobody goes on with what an ARP cache remembers.
func TestLeaseIsAnnounced(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	c.addPeer("192.0.2.1/24")
	wire := c.listenARP(c.peer)
	c.serve(grants("192.0.2.10/24", 3600))
	run(t, network.Config{}, c)
	waitARP(t, wire, arp.Announcement(boxMAC, netip.MustParseAddr("192.0.2.10")))
}

// waitARP waits until all of those packets were seen on the wire.
func waitARP(t *testing.T, wire *arp.Conn, want ...arp.Packet) {
	t.Helper()
	late := time.AfterFunc(timeout, func() { wire.Close() })
	defer late.Stop()
	for len(want) > 0 {
		p, err := wire.Receive()
		if err != nil {
			t.Fatalf("still waiting for %+v: %v", want, err)
		}
		if at := slices.Index(want, p); at >= 0 {
			want = slices.Delete(want, at, at+1)
		}
	}
}

func TestClasslessRoutes(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	c.addPeer("192.0.2.1/24")
	network24 := func(a, b, c byte) *net.IPNet {
		return &net.IPNet{IP: net.IPv4(a, b, c, 0), Mask: net.CIDRMask(24, 32)}
	}
	c.serve(grants("192.0.2.10/32", 3600,
		dhcpv4.WithRouter(net.IPv4(192, 0, 2, 99)),
		dhcpv4.WithOption(dhcpv4.OptClasslessStaticRoute(
			&dhcpv4.Route{Dest: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, Router: net.IPv4(192, 0, 2, 1)},
			&dhcpv4.Route{Dest: network24(198, 51, 100), Router: net.IPv4(192, 0, 2, 2)},
			&dhcpv4.Route{Dest: network24(203, 0, 113), Router: net.IPv4zero},
		))))
	b := run(t, network.Config{}, c)
	i := b.waitAddress(c, "192.0.2.10/32")
	if i.Gateway != "192.0.2.1" || i.Why != "" {
		t.Errorf("gateway = %q, why = %q", i.Gateway, i.Why)
	}
	want := []string{
		"0.0.0.0/0 via 192.0.2.1 src 192.0.2.10 metric +100",
		"198.51.100.0/24 via 192.0.2.2 src 192.0.2.10 metric +100",
		"203.0.113.0/24 src 192.0.2.10 metric +100",
	}
	if diff := cmp.Diff(want, routes(t, c)); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

// A renewal comes from the leased address, which never leaves the interface.
func TestRenewal(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	c.addPeer("192.0.2.1/24")
	s := c.serve(grants("192.0.2.10/24", 2))
	b := run(t, network.Config{}, c)
	first := b.waitAddress(c, "192.0.2.10/24")
	renewal := func(m message) bool { return m.ClientIPAddr.Equal(net.IPv4(192, 0, 2, 10)) }
	for range 2 {
		m := s.wait(dhcpv4.MessageTypeRequest, renewal)
		if m.from != "192.0.2.10" {
			t.Errorf("a renewal came from %s, want it from the leased address", m.from)
		}
		if m.RequestedIPAddress() != nil || m.ServerIdentifier() != nil {
			t.Errorf("a renewal must have neither requested address nor server identifier (RFC 2131 §4.3.2):\n%s", m.Summary())
		}
	}
	b.wait(c, "renewed", func(i api.Interface) bool {
		return i.LeaseEnds != nil && i.LeaseEnds.After(*first.LeaseEnds)
	})
	b.checkKernel(c, "192.0.2.10/24")
	if log := b.log.String(); strings.Contains(log, "lost") {
		t.Error("the address was lost in between")
	}
}

func TestLeaseExpires(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	c.addPeer("192.0.2.1/24")
	s := c.serve(grants("192.0.2.10/24", 1))
	b := run(t, network.Config{}, c)
	b.waitAddress(c, "192.0.2.10/24")
	s.change(silence)
	b.waitAddress(c)
	b.logged(c.name + ": lost 192.0.2.10/24: the lease is over")
	// It starts anew, and would like its old address.
	hint := func(m message) bool { return m.RequestedIPAddress().Equal(net.IPv4(192, 0, 2, 10)) }
	s.wait(dhcpv4.MessageTypeDiscover, hint)
	s.change(grants("192.0.2.11/24", 3600))
	b.waitAddress(c, "192.0.2.11/24")
}

func TestRenewalRefused(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	c.addPeer("192.0.2.1/24")
	s := c.serve(grants("192.0.2.10/24", 2))
	b := run(t, network.Config{}, c)
	b.waitAddress(c, "192.0.2.10/24")
	s.change(refuses)
	b.waitAddress(c)
	s.change(grants("192.0.2.11/24", 3600))
	b.waitAddress(c, "192.0.2.11/24")
	b.logged(c.name + ": lost 192.0.2.10/24: the server refused the address")
}

// Two addresses of one network must change places without both being lost, as
// happens when the kernel removes a primary address.
func TestRenewalChangesAddress(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	c.addPeer("192.0.2.1/24")
	s := c.serve(grants("192.0.2.10/24", 2))
	b := run(t, network.Config{}, c)
	b.waitAddress(c, "192.0.2.10/24")
	s.change(grants("192.0.2.11/24", 3600))
	b.waitAddress(c, "192.0.2.11/24")
}

func TestServerAppearsLater(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	b := run(t, network.Config{}, c)
	i := b.waitAddress(c, candidate(0))
	if i.Method != api.LinkLocal || i.Why != "no DHCP server answered; still asking" {
		t.Errorf("method = %q, why = %q", i.Method, i.Why)
	}
	address, _, _ := strings.Cut(candidate(0), "/")
	b.logged(c.name + ": no DHCP server answered, using link-local " + address)

	c.addPeer("192.0.2.1/24")
	c.serve(grants("192.0.2.10/24", 3600))
	i = b.waitAddress(c, "192.0.2.10/24")
	if i.Method != api.DHCP || i.Why != "" {
		t.Errorf("method = %q, why = %q", i.Method, i.Why)
	}
}

func TestLinkLocalConflict(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	c.addPeer(candidate(0)) // the kernel there answers probes
	b := run(t, method(api.LinkLocal), c)
	i := b.waitAddress(c, candidate(1))
	if i.Method != api.LinkLocal || i.Why != "" {
		t.Errorf("method = %q, why = %q", i.Method, i.Why)
	}
}

func TestLinkLocalDefended(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	wire := c.listenARP(c.peer)
	b := run(t, method(api.LinkLocal), c)
	b.waitAddress(c, candidate(0))
	addr := netip.MustParsePrefix(candidate(0)).Addr()
	ours, theirs := arp.Announcement(boxMAC, addr), arp.Announcement(peerMAC, addr)
	waitARP(t, wire, ours)
	waitARP(t, wire, ours)
	if err := wire.Send(theirs); err != nil {
		t.Fatal(err)
	}
	waitARP(t, wire, ours) // defended
	b.checkKernel(c, candidate(0))
	if err := wire.Send(theirs); err != nil {
		t.Fatal(err)
	}
	b.waitAddress(c, candidate(1)) // given up
	b.logged(c.name + ": gave up link-local " + addr.String() + ": 02:00:00:00:00:02 has it too")
}

// Whoever pulls the cable finds the address still there, and the server is asked for
// it when the cable is back.
func TestCablePulled(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	c.addPeer("192.0.2.1/24")
	s := c.serve(grants("192.0.2.10/24", 3600))
	b := run(t, network.Config{}, c)
	b.waitAddress(c, "192.0.2.10/24")

	c.setPeer(false)
	i := b.wait(c, "down", func(i api.Interface) bool { return !i.Up })
	if i.Why != "no cable is plugged in, or nothing is alive at its other end" {
		t.Errorf("why = %q", i.Why)
	}
	b.checkKernel(c, "192.0.2.10/24")

	c.setPeer(true)
	reboot := func(m message) bool {
		return m.RequestedIPAddress().Equal(net.IPv4(192, 0, 2, 10)) && m.ServerIdentifier() == nil
	}
	s.wait(dhcpv4.MessageTypeRequest, reboot)
	b.wait(c, "confirmed", func(i api.Interface) bool { return i.Up && i.Why == "" })
	b.logged(c.name + ": kept 192.0.2.10/24 from DHCP server 192.0.2.1")
	b.checkKernel(c, "192.0.2.10/24")
}

// The cable comes back in a place without a server: the lease is used on for its
// time, and a link-local address beside it, so that a laptop finds the box.
func TestCableBackWithoutServer(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	c.addPeer("192.0.2.1/24")
	s := c.serve(grants("192.0.2.10/24", 5))
	b := run(t, network.Config{}, c)
	b.waitAddress(c, "192.0.2.10/24")
	s.change(silence)
	c.setPeer(false)
	b.wait(c, "down", func(i api.Interface) bool { return !i.Up })
	c.setPeer(true)
	i := b.waitAddress(c, "192.0.2.10/24", candidate(0))
	if want := "no DHCP server has confirmed 192.0.2.10 since the cable was plugged in"; i.Why != want {
		t.Errorf("why = %q, want %q", i.Why, want)
	}
	b.waitAddress(c, candidate(0)) // the lease is over
	s.change(grants("192.0.2.12/24", 3600))
	b.waitAddress(c, "192.0.2.12/24")
}

// A lease ends without a cable, too.
func TestLeaseExpiresUnplugged(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	c.addPeer("192.0.2.1/24")
	c.serve(grants("192.0.2.10/24", 2))
	b := run(t, network.Config{}, c)
	b.waitAddress(c, "192.0.2.10/24")
	c.setPeer(false)
	b.waitAddress(c)
	b.logged(c.name + ": lost 192.0.2.10/24: the lease is over")
}

// In a place known to have no server the link-local address comes back, and is the same.
func TestLinkLocalReplugged(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	c.addPeer(candidate(0))
	b := run(t, network.Config{}, c)
	b.waitAddress(c, candidate(1))
	c.setPeer(false)
	b.waitAddress(c)
	c.removePeer(candidate(0))
	c.setPeer(true)
	b.waitAddress(c, candidate(1))
}

func TestInterfaceReplugged(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	b := run(t, method(api.LinkLocal), c)
	b.waitAddress(c, candidate(0))
	c.unplugForGood()
	b.waitGone(c)
	c.plugIn()
	b.waitAddress(c, candidate(0))
}

// A port that leaves a bridge is reported as a deleted link, but is still there.
func TestLeavesBridge(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	b := run(t, method(api.NoAddress), c)
	b.wait(c, "up", func(i api.Interface) bool { return i.Up })
	l, err := netlink.LinkByName(c.name)
	if err != nil {
		t.Fatal(err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "bridge-" + c.name
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		t.Fatal(err)
	}
	defer netlink.LinkDel(bridge)
	if err := netlink.LinkSetMaster(l, bridge); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetNoMaster(l); err != nil {
		t.Fatal(err)
	}
	c.setPeer(false) // what comes before this has been seen when this is
	b.wait(c, "down", func(i api.Interface) bool { return !i.Up })
	if strings.Contains(b.log.String(), "gone") {
		t.Error("the interface was taken for gone")
	}
}

func TestTwoStatic(t *testing.T) {
	t.Parallel()
	c, d := newCable(t), newCable(t)
	b := run(t, network.Config{Interfaces: map[string]network.InterfaceConfig{
		c.name: {Method: api.Static, Address: "192.0.2.10/24", Gateway: "192.0.2.1", DNS: []string{"192.0.2.53"}},
		d.name: {Method: api.Static, Address: "198.51.100.10/24", Gateway: "198.51.100.1", DNS: []string{"198.51.100.53"}, MTU: 1400},
	}}, c, d)
	b.waitAddress(c, "192.0.2.10/24")
	i := b.waitAddress(d, "198.51.100.10/24")
	if i.Method != api.Static || i.Gateway != "198.51.100.1" {
		t.Errorf("method = %q, gateway = %q", i.Method, i.Gateway)
	}
	for cable, want := range map[*cable][]string{
		c: {
			"0.0.0.0/0 via 192.0.2.1 src 192.0.2.10 metric +100",
			"192.0.2.0/24 src 192.0.2.10 metric +100",
		},
		d: {
			"0.0.0.0/0 via 198.51.100.1 src 198.51.100.10 metric +100",
			"198.51.100.0/24 src 198.51.100.10 metric +100",
		},
	} {
		if diff := cmp.Diff(want, routes(t, cable)); diff != "" {
			t.Errorf("%s: routes (-want +got):\n%s", cable.name, diff)
		}
	}
	resolv, err := os.ReadFile(b.resolv)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(resolv), "\nnameserver 192.0.2.53\nnameserver 198.51.100.53\n") {
		t.Errorf("resolv.conf:\n%s", resolv)
	}
	l, err := netlink.LinkByName(d.name)
	if err != nil {
		t.Fatal(err)
	}
	if l.Attrs().MTU != 1400 {
		t.Errorf("MTU = %d, want 1400", l.Attrs().MTU)
	}
}

// Two interfaces on one switch, in one network, must not take each other for
// somebody else: to the kernel an address belongs to the host, not to the interface.
func TestTwoOnOneSwitch(t *testing.T) {
	t.Parallel()
	cables, name := newSwitch(t, boxMAC, arp.MAC{0x02, 0, 0, 0, 0, 3})
	c, d := cables[0], cables[1]
	wire := c.listenARP(name)
	b := run(t, network.Config{Interfaces: map[string]network.InterfaceConfig{
		c.name: {Method: api.Static, Address: "192.0.2.10/24"},
		d.name: {Method: api.Static, Address: "192.0.2.11/24"},
	}}, c, d)
	// Only an address found free is announced.
	waitARP(t, wire,
		arp.Announcement(c.mac, netip.MustParseAddr("192.0.2.10")),
		arp.Announcement(d.mac, netip.MustParseAddr("192.0.2.11")))
	for _, cable := range cables {
		if i := b.wait(cable, "up", func(i api.Interface) bool { return i.Up }); i.Why != "" {
			t.Errorf("%s: %s", cable.name, i.Why)
		}
	}
}

// Switching an interface off takes its routes away; they come back with it.
func TestSwitchedOff(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	b := run(t, network.Config{Interfaces: map[string]network.InterfaceConfig{
		network.Any: {Method: api.Static, Address: "192.0.2.10/24", Gateway: "192.0.2.1"},
	}}, c)
	up := func(i api.Interface) bool { return i.Up && i.Why == "" }
	b.wait(c, "up", up)
	want := routes(t, c)
	if len(want) != 2 {
		t.Fatalf("routes %v, want two", want)
	}
	l, err := netlink.LinkByName(c.name)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetDown(l); err != nil {
		t.Fatal(err)
	}
	b.wait(c, "down", func(i api.Interface) bool { return !i.Up })
	if got := routes(t, c); got != nil {
		t.Fatalf("routes %v are left, the test tests nothing", got)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		t.Fatal(err)
	}
	b.wait(c, "up", up)
	if diff := cmp.Diff(want, routes(t, c)); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

// A static address is used although somebody has it, with a warning that goes when
// the other one goes.
func TestStaticConflict(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	c.addPeer("192.0.2.10/24")
	b := run(t, network.Config{Interfaces: map[string]network.InterfaceConfig{
		network.Any: {Method: api.Static, Address: "192.0.2.10/24"},
	}}, c)
	const why = "192.0.2.10 is also used by the device 02:00:00:00:00:02; give one of the two another address"
	b.wait(c, "in conflict", func(i api.Interface) bool { return i.Why == why })
	b.checkKernel(c, "192.0.2.10/24")
	b.logged("level=ERROR")
	c.removePeer("192.0.2.10/24")
	b.wait(c, "out of conflict", func(i api.Interface) bool { return i.Up && i.Why == "" })
	b.checkKernel(c, "192.0.2.10/24")
}

// What an earlier run left goes. With method none nothing does.
func TestLeftOvers(t *testing.T) {
	t.Parallel()
	c, d := newCable(t), newCable(t)
	for _, name := range []string{c.name, d.name} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"203.0.113.5/24", "203.0.113.6/24"} {
			a, err := netlink.ParseAddr(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := netlink.AddrAdd(l, a); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := run(t, network.Config{Interfaces: map[string]network.InterfaceConfig{
		c.name: {Method: api.Static, Address: "192.0.2.10/24"},
		d.name: {Method: api.NoAddress},
	}}, c, d)
	b.waitAddress(c, "192.0.2.10/24")
	i := b.wait(d, "up", func(i api.Interface) bool { return i.Up })
	if i.Method != api.NoAddress || i.Why != "" {
		t.Errorf("method = %q, why = %q", i.Method, i.Why)
	}
	b.checkKernel(d, "203.0.113.5/24", "203.0.113.6/24")
}

func TestLoopback(t *testing.T) {
	c := newCable(t)
	b := run(t, method(api.NoAddress), c)
	b.wait(c, "up", func(i api.Interface) bool { return i.Up })
	conn, err := net.Dial("tcp4", "127.0.0.1:1")
	if err == nil {
		conn.Close()
		return
	}
	var refused *net.OpError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("dial over the loopback: %v, want it refused by ourselves", err)
	}
}
