package mdns

import (
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// FuzzHandle feeds packets of any bytes to a settled link. Whatever comes, what goes
// out must be a proper message, to the group or to who asked on this link.
func FuzzHandle(f *testing.F) {
	probe := query("box.local.", dns.TypeANY)
	probe.Ns = []dns.RR{&dns.A{Hdr: header("box.local.", dns.TypeA, hostTTL), A: []byte{10, 0, 0, 99}}}
	claimed := new(dns.Msg)
	claimed.Response = true
	claimed.Answer = probe.Ns
	truncated := query("_http._tcp.local.", dns.TypePTR)
	truncated.Truncated = true
	for _, m := range []*dns.Msg{query("_http._tcp.local.", dns.TypePTR), query("box.local.", dns.TypeAAAA), probe, claimed, truncated} {
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		for _, port := range []uint16{Port, 40000} {
			f.Add(b, port, true, true)
			f.Add(b, port, false, false)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, port uint16, group, near bool) {
		peer := netip.AddrPortFrom(netip.MustParseAddr("192.168.9.9"), port)
		if near {
			peer = netip.AddrPortFrom(netip.MustParseAddr("10.0.0.9"), port)
		}
		host := &claim{wish: "box", attempt: 1}
		l := &link{Link: links("10.0.0.1/24")[0], own: func(netip.Addr) bool { return false }}
		now := time.Unix(1e9, 0)
		l.send = func(p Packet) {
			m := new(dns.Msg)
			if err := m.Unpack(p.Data); err != nil {
				t.Errorf("sent an improper message: %v", err)
			}
			if toGroup := p.Peer == netip.AddrPortFrom(Group, Port); !toGroup && (p.Peer != peer || !near) {
				t.Errorf("sent to %s; the packet came from %s", p.Peer, peer)
			}
		}
		l.add(host, host, now)
		l.add(&claim{wish: "box", attempt: 1, service: &page}, host, now)
		for range probes + announcements + 1 {
			now = now.Add(announceInterval)
			l.run(now)
		}
		for range 2 {
			l.handle(now, Packet{Link: 1, Peer: peer, Group: group, Data: data})
			now = now.Add(time.Second)
			l.run(now)
		}
	})
}
