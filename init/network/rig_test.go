package network_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aes67os/init/api"
	"aes67os/init/network"
	"aes67os/init/network/acd"
	"aes67os/init/network/arp"
	"aes67os/init/network/dhcp"
	"aes67os/test/logs"
	"aes67os/test/netns"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/server4"
	"github.com/vishvananda/netlink"
)

// TestMain runs the tests in a network namespace, for the manager's goroutines open
// sockets whenever they want.
func TestMain(m *testing.M) { netns.Main(m) }

// timeout ends a test that waits for what does not come. No test depends on its length.
const timeout = 20 * time.Second

var pairs atomic.Int32

// cable is a pair of virtual interfaces: name is the box's, in the namespace of the
// tests, and peer is the end in a namespace of its own, with the rest of the world.
type cable struct {
	t          *testing.T
	name, peer string
	mac        arp.MAC // the box's
	space      *netns.Namespace
}

// Hardware addresses are always the same, so that the link-local addresses are.
var (
	boxMAC  = arp.MAC{0x02, 0, 0, 0, 0, 1}
	peerMAC = arp.MAC{0x02, 0, 0, 0, 0, 2}
)

func newCable(t *testing.T) *cable {
	t.Helper()
	return newCableTo(t, netns.New(t), boxMAC)
}

func newCableTo(t *testing.T, space *netns.Namespace, mac arp.MAC) *cable {
	t.Helper()
	n := pairs.Add(1)
	c := &cable{t: t, name: fmt.Sprintf("box%d", n), peer: fmt.Sprintf("peer%d", n), mac: mac, space: space}
	c.plugIn()
	t.Cleanup(c.unplugForGood)
	return c
}

// newSwitch connects cables to a switch, with all peers' ends in one namespace. The
// switch's name is that of its port into that namespace.
func newSwitch(t *testing.T, macs ...arp.MAC) (cables []*cable, name string) {
	t.Helper()
	space := netns.New(t)
	for _, mac := range macs {
		cables = append(cables, newCableTo(t, space, mac))
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "switch"
	space.Do(func() error {
		bridge := &netlink.Bridge{LinkAttrs: attrs}
		if err := netlink.LinkAdd(bridge); err != nil {
			return err
		}
		for _, c := range cables {
			l, err := netlink.LinkByName(c.peer)
			if err != nil {
				return err
			}
			if err := netlink.LinkSetMaster(l, bridge); err != nil {
				return err
			}
		}
		return netlink.LinkSetUp(bridge)
	})
	return cables, attrs.Name
}

// plugIn makes the pair of interfaces. The manager takes the box's end up.
func (c *cable) plugIn() {
	c.t.Helper()
	netns.Cable(netns.End{Namespace: netns.Here(c.t), Interface: c.name, MAC: c.mac[:], Down: true},
		netns.End{Namespace: c.space, Interface: c.peer, MAC: peerMAC[:]})
}

// unplugForGood removes the pair; it may be gone already.
func (c *cable) unplugForGood() {
	if l, err := netlink.LinkByName(c.name); err == nil {
		netlink.LinkDel(l)
	}
}

// setPeer plugs the cable in, or pulls it.
func (c *cable) setPeer(up bool) {
	c.t.Helper()
	if up {
		c.space.Link(c.peer, netlink.LinkSetUp)
	} else {
		c.space.Link(c.peer, netlink.LinkSetDown)
	}
}

// addPeer gives the peer an address, which its kernel then answers ARP for.
func (c *cable) addPeer(prefix string) {
	c.t.Helper()
	c.space.Configure(c.peer, prefix)
}

func (c *cable) removePeer(prefix string) {
	c.t.Helper()
	c.space.Unconfigure(c.peer, prefix)
}

// listenARP opens the peer's end of the wire, or another interface there.
func (c *cable) listenARP(name string) *arp.Conn {
	c.t.Helper()
	var conn *arp.Conn
	c.space.Do(func() (err error) {
		conn, err = arp.Listen(name)
		return err
	})
	c.t.Cleanup(func() { conn.Close() })
	return conn
}

// server is a DHCP server at the peer's end with one address to give.
type server struct {
	t *testing.T
	// heard receives all messages.
	heard chan message
	conn  net.PacketConn
	done  chan struct{}

	mu     sync.Mutex
	answer func(m *dhcpv4.DHCPv4) *dhcpv4.DHCPv4
}

// message is one that a server received. From is the broadcast address for clients
// that have none.
type message struct {
	*dhcpv4.DHCPv4
	from string
}

// serve starts a server which answers with what answer returns; nil is silence. The
// peer has to have an address.
func (c *cable) serve(answer func(*dhcpv4.DHCPv4) *dhcpv4.DHCPv4) *server {
	c.t.Helper()
	s := &server{t: c.t, heard: make(chan message, 1000), done: make(chan struct{}), answer: answer}
	c.space.Do(func() (err error) {
		s.conn, err = server4.NewIPv4UDPConn(c.peer, nil)
		return err
	})
	srv, err := server4.NewServer(c.peer, nil, s.handle, server4.WithConn(s.conn))
	if err != nil {
		c.t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		srv.Serve()
	}()
	c.t.Cleanup(s.stop)
	return s
}

func (s *server) stop() {
	s.conn.Close()
	<-s.done
}

// change replaces how the server answers.
func (s *server) change(answer func(*dhcpv4.DHCPv4) *dhcpv4.DHCPv4) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *server) handle(conn net.PacketConn, peer net.Addr, m *dhcpv4.DHCPv4) {
	s.mu.Lock()
	reply := s.answer(m)
	s.mu.Unlock()
	if reply != nil {
		conn.WriteTo(reply.ToBytes(), peer)
	}
	s.heard <- message{m, peer.(*net.UDPAddr).IP.String()}
}

// wait returns the next message of a type for which match, if any, holds.
func (s *server) wait(what dhcpv4.MessageType, match func(message) bool) message {
	s.t.Helper()
	late := time.After(timeout)
	for {
		select {
		case m := <-s.heard:
			if m.MessageType() == what && (match == nil || match(m)) {
				return m
			}
		case <-late:
			s.t.Fatalf("no %s came", what)
		}
	}
}

// grants answers everything with one address.
func grants(address string, seconds uint32, more ...dhcpv4.Modifier) func(*dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	return func(m *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
		kind := dhcpv4.MessageTypeOffer
		if m.MessageType() == dhcpv4.MessageTypeRequest {
			kind = dhcpv4.MessageTypeAck
		}
		p := netip.MustParsePrefix(address)
		return reply(m, append([]dhcpv4.Modifier{
			dhcpv4.WithMessageType(kind),
			dhcpv4.WithYourIP(p.Addr().AsSlice()),
			dhcpv4.WithNetmask(net.CIDRMask(p.Bits(), 32)),
			dhcpv4.WithLeaseTime(seconds),
		}, more...)...)
	}
}

func silence(*dhcpv4.DHCPv4) *dhcpv4.DHCPv4 { return nil }

func refuses(m *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	if m.MessageType() != dhcpv4.MessageTypeRequest {
		return nil
	}
	return reply(m, dhcpv4.WithMessageType(dhcpv4.MessageTypeNak))
}

func reply(m *dhcpv4.DHCPv4, with ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	r, err := dhcpv4.NewReplyFromRequest(m, append([]dhcpv4.Modifier{
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IPv4(192, 0, 2, 1))),
	}, with...)...)
	if err != nil {
		panic(err) // only out of random numbers, which replies take none of
	}
	return r
}

// quick makes the waits short enough for tests. The fallback is longer than any
// answer of a DHCP server on the same machine takes.
func quick() network.Timings {
	conflict := acd.DefaultTimings()
	conflict.ProbeWait = 10 * time.Millisecond
	conflict.ProbeMin = 20 * time.Millisecond
	conflict.ProbeMax = 40 * time.Millisecond
	conflict.AnnounceWait = 40 * time.Millisecond
	conflict.AnnounceInterval = 40 * time.Millisecond
	conflict.RateLimit = 100 * time.Millisecond
	return network.Timings{
		Fallback: 500 * time.Millisecond,
		Retry:    100 * time.Millisecond,
		DHCP: dhcp.Timings{
			FirstRetry: 100 * time.Millisecond, MaxRetry: 400 * time.Millisecond,
			Tries: 3, MinExtend: 100 * time.Millisecond,
		},
		Conflict: conflict,
	}
}

// box is a manager under test.
type box struct {
	*network.Manager
	t      *testing.T
	resolv string
	log    logs.Buffer
}

// run starts a manager of the cables' ends.
func run(t *testing.T, config network.Config, cables ...*cable) *box {
	t.Helper()
	ours := make(map[string]bool)
	for _, c := range cables {
		ours[c.name] = true
	}
	b := &box{t: t, resolv: filepath.Join(t.TempDir(), "resolv.conf")}
	m, err := network.New(network.Options{
		Config:     config,
		Hostname:   "aes67-000001",
		ResolvConf: b.resolv,
		Log:        slog.New(slog.NewTextHandler(&b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Managed:    func(name string) bool { return ours[name] },
		Timings:    quick(),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Manager = m
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if t.Failed() {
			t.Logf("the box's log:\n%s", &b.log)
		}
	})
	return b
}

// wait returns the interface once it is as ok wants it.
func (b *box) wait(c *cable, what string, ok func(api.Interface) bool) api.Interface {
	b.t.Helper()
	var found api.Interface
	b.waitAll(c.name+" "+what, func(all []api.Interface) bool {
		at := slices.IndexFunc(all, func(i api.Interface) bool { return i.Name == c.name })
		if at < 0 {
			return false
		}
		found = all[at]
		return ok(found)
	})
	return found
}

// waitGone waits until the interface is not known any more.
func (b *box) waitGone(c *cable) {
	b.t.Helper()
	b.waitAll(c.name+" gone", func(all []api.Interface) bool {
		return !slices.ContainsFunc(all, func(i api.Interface) bool { return i.Name == c.name })
	})
}

func (b *box) waitAll(what string, ok func([]api.Interface) bool) {
	b.t.Helper()
	late := time.After(timeout)
	for {
		changed := b.Changed()
		all := b.Interfaces()
		if ok(all) {
			return
		}
		select {
		case <-changed:
		case <-late:
			b.t.Fatalf("not %s: %+v", what, all)
		}
	}
}

// waitAddress waits until the interface has these addresses and no other.
func (b *box) waitAddress(c *cable, addresses ...string) api.Interface {
	b.t.Helper()
	i := b.wait(c, fmt.Sprintf("at %v", addresses), func(i api.Interface) bool {
		return cmp.Equal(i.Addresses, append([]string{}, addresses...))
	})
	b.checkKernel(c, addresses...)
	return i
}

// checkKernel compares what the kernel has with what was reported.
func (b *box) checkKernel(c *cable, want ...string) {
	b.t.Helper()
	l, err := netlink.LinkByName(c.name)
	if err != nil {
		b.t.Fatal(err)
	}
	addrs, err := netlink.AddrList(l, netlink.FAMILY_V4)
	if err != nil {
		b.t.Fatal(err)
	}
	var got []string
	for _, a := range addrs {
		got = append(got, a.IPNet.String())
	}
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("%s: the kernel's addresses (-want +got):\n%s", c.name, diff)
	}
}

// logged checks that the log says text. What leads to a change is logged before it.
func (b *box) logged(text string) {
	b.t.Helper()
	if !strings.Contains(b.log.String(), text) {
		b.t.Errorf("the log does not say %q", text)
	}
}

// routes returns the interface's IPv4 routes of the main table, as text.
func routes(t *testing.T, c *cable) []string {
	t.Helper()
	l, err := netlink.LinkByName(c.name)
	if err != nil {
		t.Fatal(err)
	}
	list, err := netlink.RouteList(l, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range list {
		text := r.Dst.String()
		if r.Gw != nil {
			text += " via " + r.Gw.String()
		}
		all = append(all, fmt.Sprintf("%s src %s metric %+d", text, r.Src, r.Priority-l.Attrs().Index))
	}
	return all
}
