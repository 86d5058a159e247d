package sap

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/aes67d/netif"
	"aes67os/test/background"
)

// network is a set of switches in memory. Interfaces of the same index are on the
// same switch, but for those of index loopback, which every host has for itself.
type network struct {
	mu       sync.Mutex
	stations []*station
}

const loopback = 1

// station is a host on the network. It is a [Wire].
type station struct {
	network *network
	address netip.Addr
	inbox   chan Datagram
	closed  chan struct{}
	joined  map[membership]bool
}

type membership struct {
	iface int
	group netip.Addr
}

func (n *network) station(address string) *station {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &station{
		network: n,
		address: netip.MustParseAddr(address),
		inbox:   make(chan Datagram, 10000),
		closed:  make(chan struct{}),
		joined:  make(map[membership]bool),
	}
	n.stations = append(n.stations, s)
	return s
}

func (s *station) Join(iface int, group netip.Addr) error {
	return s.member(membership{iface, group}, true)
}

func (s *station) Leave(iface int, group netip.Addr) error {
	return s.member(membership{iface, group}, false)
}

func (s *station) member(m membership, want bool) error {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	if s.joined[m] == want {
		return fmt.Errorf("%v: membership is %v already", m, want)
	}
	s.joined[m] = want
	return nil
}

// memberships lists what is joined.
func (s *station) memberships() (list []string) {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	for m, joined := range s.joined {
		if joined {
			list = append(list, fmt.Sprint(m.iface, " ", m.group))
		}
	}
	slices.Sort(list)
	return list
}

func (s *station) Send(d Datagram) error {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	if !d.From.IsValid() {
		d.From = s.address
	}
	d.Data = bytes.Clone(d.Data)
	for _, to := range s.network.stations {
		if to.joined[membership{d.Interface, d.Group}] && (to == s || d.Interface != loopback) {
			to.inbox <- d
		}
	}
	return nil
}

func (s *station) Receive() (Datagram, error) {
	select {
	case d := <-s.inbox:
		return d, nil
	case <-s.closed:
		return Datagram{}, net.ErrClosed
	}
}

func (s *station) Close() error {
	close(s.closed)
	return nil
}

// heard is a packet that a station received.
type heard struct {
	Packet
	Datagram
	At time.Time
}

// listen collects what has arrived after d.
func (s *station) listen(t *testing.T, d time.Duration) (all []heard) {
	t.Helper()
	end := time.After(d)
	for waiting := true; waiting || len(s.inbox) > 0; {
		select {
		case g := <-s.inbox:
			p, err := Parse(g.Data)
			if err != nil {
				t.Fatalf("%s sent an improper packet: %v", g.From, err)
			}
			all = append(all, heard{p, g, time.Now()})
		case <-end:
			waiting = false
		}
	}
	return all
}

// said shows packets as "announce" or "delete" with the session's name.
func said(all []heard) (list []string) {
	for _, h := range all {
		list = append(list, verb(h.Packet)+" "+sessionOf(h.Payload))
	}
	return list
}

func verb(p Packet) string {
	if p.Delete {
		return "delete"
	}
	return "announce"
}

// tell sends a packet as another host would.
func (s *station) tell(t *testing.T, iface int, group netip.Addr, p Packet) {
	t.Helper()
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(Datagram{Interface: iface, Group: group, Data: b}); err != nil {
		t.Fatal(err)
	}
}

// session is an entry with this key, and a description of the version.
func session(key string, version int) Entry {
	return Entry{Key: key, Origin: netip.MustParseAddr("10.0.0.1"), SDP: fmt.Sprintf(
		"v=0\r\no=- %s %d IN IP4 10.0.0.1\r\ns=studio %s\r\nc=IN IP4 239.1.0.1/15\r\nt=0 0\r\nm=audio 5004 RTP/AVP 98\r\na=rtpmap:98 L16/48000/2\r\n", key, version, key)}
}

// sessionOf is "key.version" of what session has made, from a description or its o= line.
func sessionOf(payload []byte) string {
	_, rest, _ := bytes.Cut(payload, []byte("o="))
	var key string
	var version int
	if _, err := fmt.Sscanf(string(rest), "- %s %d IN IP4", &key, &version); err != nil {
		return fmt.Sprintf("unknown %q", payload)
	}
	return fmt.Sprint(key, ".", version)
}

func sessions(n int) (list []Entry) {
	for i := range n {
		list = append(list, session(fmt.Sprint(100+i), 1))
	}
	return list
}

// eth is an interface of index and address.
func eth(index int, address string) netif.Interface {
	return netif.Interface{
		Index: index, Name: fmt.Sprint("eth", index), Multicast: true, Carrier: true,
		Addresses: []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr(address), 24)},
	}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// host is a directory under test.
type host struct {
	*Directory
	station *station
	stop    func() // ends Run and waits for it

	mu     sync.Mutex
	events []Event
}

// takeEvents returns what was emitted since it was called last.
func (h *host) takeEvents() []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	events := h.events
	h.events = nil
	return events
}

// told shows events in the way of said.
func (h *host) told() (list []string) {
	for _, e := range h.takeEvents() {
		list = append(list, verb(e.Packet)+" "+sessionOf(e.Payload))
	}
	return list
}

// start runs a directory on these interfaces until the test ends or stop is called.
func start(t *testing.T, n *network, log *slog.Logger, interfaces ...netif.Interface) *host {
	t.Helper()
	h := &host{station: n.station(interfaces[0].Addresses[0].Addr().String())}
	h.Directory = New(h.station, func(e Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, e)
	}, log)
	h.SetInterfaces(interfaces)
	h.stop = background.Run(t, h.Run)
	return h
}

// peer returns a station that listens to the group on the interface of index 2.
func peer(t *testing.T, n *network, groups ...netip.Addr) *station {
	t.Helper()
	s := n.station("10.0.0.99")
	for _, g := range groups {
		if err := s.Join(2, g); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// set calls Set, which must succeed.
func (h *host) set(t *testing.T, entries ...Entry) {
	t.Helper()
	if err := h.Set(entries); err != nil {
		t.Fatal(err)
	}
}

// inspect looks at the directory's state while nobody else does.
func (h *host) inspect(look func()) {
	h.Directory.mu.Lock()
	defer h.Directory.mu.Unlock()
	look()
}

// inBubble runs a test against faked time: nothing in it waits for real.
func inBubble(t *testing.T, test func(t *testing.T, n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, new(network)) })
}
