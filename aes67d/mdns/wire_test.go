package mdns

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/test/background"

	"github.com/miekg/dns"
)

// network is a switch in memory: one link, index 1, that every station is on.
type network struct {
	mu       sync.Mutex
	stations []*station
}

// station is a host's port on the network. It is a [Wire].
type station struct {
	network *network
	address netip.AddrPort
	inbox   chan Packet
	closed  chan struct{}
	joined  bool
}

func (n *network) station(address string) *station {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &station{
		network: n,
		address: netip.MustParseAddrPort(address),
		inbox:   make(chan Packet, 1000),
		closed:  make(chan struct{}),
	}
	n.stations = append(n.stations, s)
	return s
}

func (s *station) Join(int) error {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	s.joined = true
	return nil
}

func (s *station) Leave(int) error {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	s.joined = false
	return nil
}

func (s *station) Send(p Packet) error {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	group := p.Peer == netip.AddrPortFrom(Group, Port)
	for _, to := range s.network.stations {
		if group && to.joined || p.Peer == to.address {
			to.inbox <- Packet{Link: 1, Peer: s.address, Group: group, Data: p.Data}
		}
	}
	return nil
}

func (s *station) Receive() (Packet, error) {
	select {
	case p := <-s.inbox:
		return p, nil
	case <-s.closed:
		return Packet{}, net.ErrClosed
	}
}

func (s *station) Close() error {
	close(s.closed)
	return nil
}

// ask multicasts a query.
func (s *station) ask(t *testing.T, m *dns.Msg) {
	t.Helper()
	s.tell(t, netip.AddrPortFrom(Group, Port), m)
}

func (s *station) tell(t *testing.T, to netip.AddrPort, m *dns.Msg) {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(Packet{Link: 1, Peer: to, Data: b}); err != nil {
		t.Fatal(err)
	}
}

// heard is a message that a station received.
type heard struct {
	*dns.Msg
	From  netip.AddrPort
	Group bool
	At    time.Time
	// Size is in bytes.
	Size int
}

// listen collects what has arrived after d, without what the station says itself.
func (s *station) listen(t *testing.T, d time.Duration) []heard {
	t.Helper()
	var all []heard
	end := time.After(d)
	for waiting := true; waiting || len(s.inbox) > 0; {
		select {
		case p := <-s.inbox:
			m := new(dns.Msg)
			if err := m.Unpack(p.Data); err != nil {
				t.Fatalf("unpack what %s sent: %v", p.Peer, err)
			}
			if p.Peer != s.address {
				all = append(all, heard{Msg: m, From: p.Peer, Group: p.Group, At: time.Now(), Size: len(p.Data)})
			}
		case <-end:
			waiting = false
		}
	}
	return all
}

// host is a responder under test.
type host struct {
	*Responder
	changes chan []Link
	stop    func() // ends Run and waits for it
}

// quiet is a log nobody reads.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// links is the one link with these addresses.
func links(addresses ...string) []Link {
	l := Link{Index: 1, Name: "eth0"}
	for _, a := range addresses {
		l.Addresses = append(l.Addresses, netip.MustParsePrefix(a))
	}
	return []Link{l}
}

// start runs a responder on the network until the test ends or stop is called.
func start(t *testing.T, n *network, name, address string, services ...Service) *host {
	t.Helper()
	changes := make(chan []Link, 1)
	h := &host{changes: changes}
	h.Responder = New(name, n.station(address+":5353"), changes, quiet())
	for _, s := range services {
		h.Publish(s)
	}
	h.stop = background.Run(t, h.Run)
	changes <- links(address + "/24")
	return h
}

// inBubble runs a test against faked time: nothing in it waits for real.
func inBubble(t *testing.T, test func(t *testing.T, n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, new(network)) })
}

func query(name string, kind uint16) *dns.Msg {
	m := new(dns.Msg)
	m.Question = []dns.Question{{Name: name, Qtype: kind, Qclass: dns.ClassINET}}
	return m
}
