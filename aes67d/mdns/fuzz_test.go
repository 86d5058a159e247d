package mdns

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// FuzzHandle feeds packets of any bytes to a settled link that also browses. Whatever
// comes, what goes out must be a proper message, to the group or to who asked on this
// link, and what is remembered stays in its bounds.
func FuzzHandle(f *testing.F) {
	probe := query("box.local.", dns.TypeANY)
	probe.Ns = []dns.RR{&dns.A{Hdr: header("box.local.", dns.TypeA, hostTTL), A: []byte{10, 0, 0, 99}}}
	claimed := newResponse()
	claimed.Answer = probe.Ns
	truncated := query("_http._tcp.local.", dns.TypePTR)
	truncated.Truncated = true
	found, gone, torn := newResponse(), newResponse(), newResponse()
	found.Answer = slices.Concat(their("Büro 2.0", 8854, "v=1", "\x00\""), []dns.RR{
		&dns.NSEC{Hdr: header("desk.local.", dns.TypeNSEC, hostTTL), NextDomain: "desk.local.", TypeBitMap: []uint16{dns.TypeA}},
	})
	gone.Answer = of(their("Büro 2.0", 8854), dns.TypePTR, 0)
	torn.Answer = of(their("Mic", 1), dns.TypePTR, 1<<31*time.Second)
	torn.Extra = of(their("Mic", 1), dns.TypeSRV, time.Second)
	for _, m := range []*dns.Msg{
		query("_http._tcp.local.", dns.TypePTR), query("box.local.", dns.TypeAAAA), probe, claimed, truncated, found, gone, torn,
	} {
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		for _, port := range []uint16{Port, 40000} {
			f.Add(b, port, true, true)
			f.Add(b, port, false, false)
		}
	}
	known := packet(f, their("Mic", 8854))
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
			if len(m.Question)+len(m.Answer) > 1 && len(p.Data) > maxMessage && peer.Port() == Port {
				t.Errorf("sent %d bytes; want %d at most", len(p.Data), maxMessage)
			}
		}
		all := newBrowse("_rtsp._tcp", "", nil)
		browses := []*browse{newBrowse("_rtsp._tcp", "_ravenna_session", nil), all}
		l.browser.browse(now, browses)
		l.add(host, host, now)
		l.add(&claim{wish: "box", attempt: 1, service: &page}, host, now)
		for range probes + announcements + 1 {
			now = now.Add(announceInterval)
			l.run(now)
		}
		desk := netip.MustParseAddrPort("10.0.0.99:5353")
		l.handle(now, Packet{Link: 1, Peer: desk, Group: true, Data: known})
		for range 2 {
			l.handle(now, Packet{Link: 1, Peer: peer, Group: group, Data: data})
			now = now.Add(time.Second)
			l.run(now)
			for name, i := range l.instances(now, all) {
				if len(i.Name) == 0 || len(i.Name) > maxLabel || !i.Address.Is4() || !all.has(name) {
					t.Errorf("found %+v, name %q", i, name)
				}
			}
		}
		for step := 0; !l.next().IsZero() && l.next().Before(now.Add(2*maxTTL)); step++ {
			if step > 10000 {
				t.Fatal("has something to do again and again")
			}
			l.run(l.next())
		}
		if c := l.browser.cache; len(c.records) != 0 || c.count != 0 || c.pointers != 0 {
			t.Errorf("%d names, said to be %d records and %d pointers, are left when all had their time", len(c.records), c.count, c.pointers)
		}
	})
}

// FuzzEscape checks that escaping can be undone, and that a label stays one.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"Büro 2.0", `a\b"c`, "\x00\x7f\xff", "", "256", `\9`, `\999`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := unescape(escapeLabel(s)); got != s {
			t.Errorf("%q comes back as %q", s, got)
		}
		label, rest := cutLabel(escapeLabel(s) + "._rtsp._tcp.local.")
		if label != escapeLabel(s) || rest != "_rtsp._tcp.local." {
			t.Errorf("%q is cut into %q and %q", s, label, rest)
		}
		// What is no escaped text at all does no harm.
		if label, rest := cutLabel(s); len(unescape(s)) > len(s) || len(label)+len(rest) > len(s) {
			t.Errorf("%q grows", s)
		}
	})
}
