package mdns

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

var page = Service{Type: "_http._tcp", Port: 80, Text: []string{"path=/"}}

// settle is longer than probing and announcing take.
const settle = 5 * time.Second

// texts shows records in a way that can be compared, the cache-flush bit as "flush".
func texts(list ...dns.RR) []string {
	var out []string
	for _, rr := range list {
		flush := ""
		if rr.Header().Class&cacheFlush != 0 {
			flush = " flush"
		}
		out = append(out, fmt.Sprintf("%d%s %s", rr.Header().Ttl, flush, line(rr)))
	}
	slices.Sort(out)
	return out
}

// line is name, type and data of a record.
func line(rr dns.RR) string {
	rr = plain(rr)
	h := rr.Header()
	return fmt.Sprintf("%s %s %s", h.Name, dns.TypeToString[h.Rrtype], rr.String()[len(h.String()):])
}

// listener returns a station that has joined the group.
func listener(t *testing.T, n *network) *station {
	t.Helper()
	s := n.station("10.0.0.99:5353")
	if err := s.Join(1); err != nil {
		t.Fatal(err)
	}
	return s
}

// startSettled starts a responder with a page and waits until it has settled.
func startSettled(t *testing.T, n *network) (*host, *station) {
	t.Helper()
	h := start(t, n, "box", "10.0.0.1", page)
	peer := listener(t, n)
	peer.listen(t, settle)
	return h, peer
}

func TestProbesThenAnnounces(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		peer := listener(t, n)
		begin := time.Now()
		start(t, n, "box", "10.0.0.1", page)
		got := peer.listen(t, settle)
		if len(got) != probes+announcements {
			t.Fatalf("heard %d messages; want %d", len(got), probes+announcements)
		}
		for i, m := range got[:probes] {
			if m.Response || !m.Group {
				t.Errorf("message %d is not a multicast query", i)
			}
			var names []string
			for _, q := range m.Question {
				names = append(names, q.Name)
				if wantUnicast := i == 0; q.Qclass&cacheFlush != 0 != wantUnicast || q.Qtype != dns.TypeANY {
					t.Errorf("probe %d asks %v", i, q)
				}
			}
			if diff := cmp.Diff([]string{"box.local.", "box._http._tcp.local."}, names); diff != "" {
				t.Errorf("probe %d (-want +got):\n%s", i, diff)
			}
			want := []string{
				"120 box._http._tcp.local. SRV 0 0 80 box.local.",
				"120 box.local. A 10.0.0.1",
				"4500 box._http._tcp.local. TXT \"path=/\"",
			}
			if diff := cmp.Diff(want, texts(m.Ns...)); diff != "" {
				t.Errorf("probe %d proposes (-want +got):\n%s", i, diff)
			}
		}
		if first := got[0].At.Sub(begin); first > probeInterval {
			t.Errorf("first probe after %v; want at most %v", first, probeInterval)
		}
		for i, want := range []time.Duration{probeInterval, probeInterval, probeInterval, announceInterval} {
			if gap := got[i+1].At.Sub(got[i].At); gap != want {
				t.Errorf("gap %d is %v; want %v", i, gap, want)
			}
		}
		want := []string{
			"120 flush box._http._tcp.local. SRV 0 0 80 box.local.",
			"120 flush box.local. A 10.0.0.1",
			"4500 _http._tcp.local. PTR box._http._tcp.local.",
			"4500 _services._dns-sd._udp.local. PTR _http._tcp.local.",
			"4500 flush box._http._tcp.local. TXT \"path=/\"",
		}
		for i, m := range got[probes:] {
			if !m.Response || !m.Authoritative {
				t.Errorf("announcement %d is not an authoritative response", i)
			}
			if diff := cmp.Diff(want, texts(m.Answer...)); diff != "" {
				t.Errorf("announcement %d (-want +got):\n%s", i, diff)
			}
		}
	})
}

func TestAnswers(t *testing.T) {
	a := "120 flush box.local. A 10.0.0.1"
	noOther := "120 flush box.local. NSEC box.local. A"
	ptr := "4500 _http._tcp.local. PTR box._http._tcp.local."
	srv := "120 flush box._http._tcp.local. SRV 0 0 80 box.local."
	txt := "4500 flush box._http._tcp.local. TXT \"path=/\""
	noService := "120 flush box._http._tcp.local. NSEC box._http._tcp.local. TXT SRV"
	for _, test := range []struct {
		name          string
		query         *dns.Msg
		answer, extra []string
	}{
		{"address", query("box.local.", dns.TypeA), []string{a}, []string{noOther}},
		{"case does not matter", query("BOX.Local.", dns.TypeA), []string{a}, []string{noOther}},
		{"no IPv6", query("box.local.", dns.TypeAAAA), []string{noOther}, nil},
		{"any", query("box.local.", dns.TypeANY), []string{a}, []string{noOther}},
		{"somebody else", query("fox.local.", dns.TypeA), nil, nil},
		{"type", query("_http._tcp.local.", dns.TypePTR), []string{ptr}, []string{a, noOther, srv, txt, noService}},
		{"list of types", query("_services._dns-sd._udp.local.", dns.TypePTR), []string{"4500 _services._dns-sd._udp.local. PTR _http._tcp.local."}, nil},
		{"service", query("box._http._tcp.local.", dns.TypeSRV), []string{srv}, []string{a, noOther}},
		{"text", query("box._http._tcp.local.", dns.TypeTXT), []string{txt}, nil},
		{"other class", &dns.Msg{Question: []dns.Question{{Name: "box.local.", Qtype: dns.TypeA, Qclass: dns.ClassCHAOS}}}, nil, nil},
		{"two questions", &dns.Msg{Question: []dns.Question{
			{Name: "box.local.", Qtype: dns.TypeA, Qclass: dns.ClassINET},
			{Name: "_http._tcp.local.", Qtype: dns.TypePTR, Qclass: dns.ClassINET},
		}}, []string{a, ptr}, []string{noOther, srv, txt, noService}},
		{"not a query", &dns.Msg{MsgHdr: dns.MsgHdr{Opcode: dns.OpcodeUpdate}, Question: query("box.local.", dns.TypeA).Question}, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				_, peer := startSettled(t, n)
				peer.ask(t, test.query)
				got := peer.listen(t, time.Second)
				if test.answer == nil {
					if len(got) != 0 {
						t.Fatalf("answered %v; want silence", got[0].Msg)
					}
					return
				}
				if len(got) != 1 || !got[0].Group {
					t.Fatalf("heard %d messages; want one to the group", len(got))
				}
				if diff := cmp.Diff(test.answer, texts(got[0].Answer...)); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				slices.Sort(test.extra)
				if diff := cmp.Diff(test.extra, texts(got[0].Extra...)); diff != "" {
					t.Errorf("additional (-want +got):\n%s", diff)
				}
				if len(got[0].Question) != 0 || got[0].Id != 0 {
					t.Errorf("a multicast response has questions or an id")
				}
			})
		})
	}
}

func TestSilentWhileProbing(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		peer := listener(t, n)
		start(t, n, "box", "10.0.0.1")
		peer.ask(t, query("box.local.", dns.TypeA))
		for _, m := range peer.listen(t, 700*time.Millisecond) {
			if m.Response {
				t.Errorf("answered before the name was its own:\n%v", m.Msg)
			}
		}
	})
}

// TestDelay checks when answers go out: RFC 6762 §6.
func TestDelay(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		_, peer := startSettled(t, n)
		begin := time.Now()
		peer.ask(t, query("box.local.", dns.TypeA))
		peer.ask(t, query("box.local.", dns.TypeA)) // within a second: one more answer, a second later
		got := peer.listen(t, settle)
		if len(got) != 2 {
			t.Fatalf("heard %d answers; want 2", len(got))
		}
		if d := got[0].At.Sub(begin); d != 0 {
			t.Errorf("the answer only we have came after %v; want at once", d)
		}
		if d := got[1].At.Sub(begin); d != sameRecord {
			t.Errorf("the same answer again came after %v; want %v", d, sameRecord)
		}
		begin = time.Now()
		peer.ask(t, query("_http._tcp.local.", dns.TypePTR))
		got = peer.listen(t, settle)
		if d := got[0].At.Sub(begin); d < sharedDelayMin || d > sharedDelayMax {
			t.Errorf("the answer others may have too came after %v; want %v to %v", d, sharedDelayMin, sharedDelayMax)
		}
	})
}

func TestUnicastAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		_, peer := startSettled(t, n)
		q := query("box.local.", dns.TypeA)
		q.Question[0].Qclass |= cacheFlush
		peer.ask(t, q)
		got := peer.listen(t, settle)
		if len(got) != 1 || got[0].Group {
			t.Fatalf("heard %d messages; want one, to us alone", len(got))
		}
		if diff := cmp.Diff([]string{"120 flush box.local. A 10.0.0.1"}, texts(got[0].Answer...)); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
		peer.listen(t, hostTTL/4)
		peer.ask(t, q)
		if got := peer.listen(t, settle); len(got) != 1 || !got[0].Group {
			t.Error("a record not multicast for a quarter of its life was not multicast")
		}
	})
}

func TestLegacyUnicast(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		_, peer := startSettled(t, n)
		resolver := n.station("10.0.0.7:40000")
		q := query("_http._tcp.local.", dns.TypePTR)
		q.Id = 4711
		resolver.ask(t, q)
		got := resolver.listen(t, settle)
		if len(got) != 1 {
			t.Fatalf("heard %d messages; want 1", len(got))
		}
		if got[0].Id != q.Id {
			t.Errorf("id %d; want %d", got[0].Id, q.Id)
		}
		if diff := cmp.Diff(q.Question, got[0].Question); diff != "" {
			t.Errorf("question (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"10 _http._tcp.local. PTR box._http._tcp.local."}, texts(got[0].Answer...)); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
		for _, rr := range got[0].Extra {
			if h := rr.Header(); h.Ttl > 10 || h.Class&cacheFlush != 0 {
				t.Errorf("additional record %v; want at most 10 s and no cache-flush bit", rr)
			}
		}
		for _, m := range peer.listen(t, 0) {
			if m.Response {
				t.Errorf("the group heard %v too", m.Msg)
			}
		}
	})
}

func TestKnownAnswer(t *testing.T) {
	known := func(ttl time.Duration) *dns.Msg {
		q := query("_http._tcp.local.", dns.TypePTR)
		q.Answer = []dns.RR{pointer("_http._tcp.local.", "box._http._tcp.local.").onWire(ttl)}
		return q
	}
	rest := known(otherTTL)
	rest.Question = nil
	truncated := query("_http._tcp.local.", dns.TypePTR)
	truncated.Truncated = true
	for _, test := range []struct {
		name    string
		packets []*dns.Msg
		answers int
	}{
		{"fresh", []*dns.Msg{known(otherTTL)}, 0},
		{"just fresh enough", []*dns.Msg{known(otherTTL / 2)}, 0},
		{"stale", []*dns.Msg{known(otherTTL/2 - time.Second)}, 1},
		{"in a second packet", []*dns.Msg{truncated, rest}, 0},
		{"second packet lost", []*dns.Msg{truncated}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				_, peer := startSettled(t, n)
				for _, m := range test.packets {
					peer.ask(t, m)
				}
				if got := peer.listen(t, settle); len(got) != test.answers {
					t.Errorf("heard %d answers; want %d", len(got), test.answers)
				}
			})
		})
	}
}

// TestSomebodyElseAnswered checks that a shared record is not said twice (RFC 6762 §7.4).
func TestSomebodyElseAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		_, peer := startSettled(t, n)
		peer.ask(t, query("_services._dns-sd._udp.local.", dns.TypePTR))
		m := new(dns.Msg)
		m.Response = true
		m.Answer = []dns.RR{pointer("_services._dns-sd._udp.local.", "_http._tcp.local.").onWire(otherTTL)}
		peer.ask(t, m)
		if got := peer.listen(t, settle); len(got) != 0 {
			t.Errorf("said again: %v", got[0].Msg)
		}
	})
}

// TestForgetting checks that others' goodbye to a record of ours is put right (§6.6).
func TestForgetting(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h, peer := startSettled(t, n)
		m := new(dns.Msg)
		m.Response = true
		m.Answer = []dns.RR{h.host.records(h.host, links("10.0.0.1/24")[0].Addresses)[0].onWire(0)}
		peer.ask(t, m)
		if got := peer.listen(t, settle); len(got) != 1 || len(got[0].Answer) != 1 || got[0].Answer[0].Header().Ttl != 120 {
			t.Errorf("heard %v; want the address with its full time to live", got)
		}
	})
}

// TestOffLink checks that what may have been routed here is ignored (RFC 6762 §11, §5.5).
func TestOffLink(t *testing.T) {
	ours := netip.MustParseAddrPort("10.0.0.1:5353")
	group := netip.AddrPortFrom(Group, Port)
	theirs := new(dns.Msg)
	theirs.Response = true
	theirs.Answer = []dns.RR{&dns.A{Hdr: header("box.local.", dns.TypeA, hostTTL), A: []byte{6, 6, 6, 6}}}
	for _, test := range []struct {
		name     string
		from     string
		to       netip.AddrPort
		m        *dns.Msg
		received int // by the sender
		heard    int // by all others
	}{
		{"unicast query from afar", "192.168.7.7:5353", ours, query("box.local.", dns.TypeA), 0, 0},
		{"unicast query from the link", "10.0.0.9:5353", ours, query("box.local.", dns.TypeA), 1, 0},
		{"legacy query from afar", "192.168.7.7:999", group, query("box.local.", dns.TypeA), 0, 0},
		{"unicast conflict from afar", "192.168.7.7:5353", ours, theirs, 0, 0},
		{"conflict from no responder", "10.0.0.9:999", group, theirs, 0, 0},
		// Another responder on this very host may know other addresses than we do.
		{"conflict from ourselves", "10.0.0.1:5353", group, theirs, 0, 0},
		{"conflict", "10.0.0.9:5353", ours, theirs, 0, probes + announcements},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				_, peer := startSettled(t, n)
				sender := n.station(test.from)
				sender.tell(t, test.to, test.m)
				if got := sender.listen(t, settle); len(got) != test.received {
					t.Errorf("the sender received %d messages; want %d", len(got), test.received)
				}
				var heard int
				for _, m := range peer.listen(t, 0) {
					if m.From != sender.address || m.From == ours && !cmp.Equal(texts(m.Answer...), texts(theirs.Answer...)) {
						heard++
					}
				}
				if heard != test.heard {
					t.Errorf("the others heard %d messages; want %d", heard, test.heard)
				}
			})
		})
	}
}

func TestGoodbye(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h, peer := startSettled(t, n)
		h.stop()
		got := peer.listen(t, settle)
		if len(got) != 1 {
			t.Fatalf("heard %d messages; want 1", len(got))
		}
		want := []string{
			"0 _http._tcp.local. PTR box._http._tcp.local.",
			"0 _services._dns-sd._udp.local. PTR _http._tcp.local.",
			"0 flush box._http._tcp.local. SRV 0 0 80 box.local.",
			"0 flush box._http._tcp.local. TXT \"path=/\"",
			"0 flush box.local. A 10.0.0.1",
		}
		if diff := cmp.Diff(want, texts(got[0].Answer...)); diff != "" {
			t.Errorf("goodbye (-want +got):\n%s", diff)
		}
	})
}

func TestPublishAndWithdraw(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h, peer := startSettled(t, n)
		withdraw := h.Publish(Service{
			Instance: "Büro 2.0", Type: "_http._tcp", Port: 8080, Subtypes: []string{"_printer"},
		})
		peer.listen(t, settle)
		const name = `B\195\188ro\ 2\.0._http._tcp.local.`

		peer.ask(t, query("_printer._sub._http._tcp.local.", dns.TypePTR))
		got := peer.listen(t, settle)
		if len(got) != 1 || len(got[0].Answer) != 1 || got[0].Answer[0].(*dns.PTR).Ptr != name {
			t.Errorf("heard %v; want a pointer to %s", got, name)
		}
		peer.ask(t, query(name, dns.TypeANY))
		if got := peer.listen(t, settle); len(got) != 1 || len(got[0].Answer) != 2 {
			t.Errorf("heard %v; want SRV and TXT", got)
		}
		peer.ask(t, query("_services._dns-sd._udp.local.", dns.TypePTR))
		if got := peer.listen(t, settle); len(got) != 1 || len(got[0].Answer) != 1 {
			t.Errorf("heard %v; want the type once", got)
		}

		withdraw()
		got = peer.listen(t, settle)
		if len(got) != 1 {
			t.Fatalf("heard %d messages; want a goodbye", len(got))
		}
		want := []string{
			"0 _http._tcp.local. PTR " + name,
			"0 _printer._sub._http._tcp.local. PTR " + name,
			"0 flush " + name + " SRV 0 0 8080 box.local.",
			"0 flush " + name + " TXT \"\"",
		}
		if diff := cmp.Diff(want, texts(got[0].Answer...)); diff != "" {
			t.Errorf("goodbye leaves the type to the other service (-want +got):\n%s", diff)
		}
	})
}

func TestAddressChange(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h, peer := startSettled(t, n)
		h.changes <- links("10.0.0.1/24", "169.254.7.7/16")
		got := peer.listen(t, settle)
		if len(got) != announcements {
			t.Fatalf("heard %d messages; want %d announcements", len(got), announcements)
		}
		want := []string{"120 flush box.local. A 10.0.0.1", "120 flush box.local. A 169.254.7.7"}
		if diff := cmp.Diff(want, texts(got[0].Answer...)); diff != "" {
			t.Errorf("announcement (-want +got):\n%s", diff)
		}

		h.changes <- nil // the cable is out
		peer.ask(t, query("box.local.", dns.TypeA))
		if got := peer.listen(t, settle); len(got) != 0 {
			t.Errorf("answered on a link that is gone: %v", got[0].Msg)
		}
		h.changes <- links("10.0.0.1/24")
		if got := peer.listen(t, settle); len(got) != probes+announcements {
			t.Errorf("heard %d messages when the link came back; want %d", len(got), probes+announcements)
		}
	})
}

// TestOtherLink checks that a packet from a link not announced on is not answered.
func TestOtherLink(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h, peer := startSettled(t, n)
		b, err := query("box.local.", dns.TypeA).Pack()
		if err != nil {
			t.Fatal(err)
		}
		h.handle(Packet{Link: 2, Peer: peer.address, Group: true, Data: b})
		h.poke()
		if got := peer.listen(t, settle); len(got) != 0 {
			t.Errorf("answered %v", got[0].Msg)
		}
	})
}

// TestBothEnd checks that it is no error when the list of links ends with the context,
// whichever is seen first.
func TestBothEnd(t *testing.T) {
	for range 20 {
		inBubble(t, func(t *testing.T, n *network) {
			ctx, cancel := context.WithCancel(t.Context())
			changes := make(chan []Link)
			close(changes)
			cancel()
			if err := New("box", n.station("10.0.0.1:5353"), changes, quiet()).Run(ctx); err != nil {
				t.Errorf("Run = %v; want nil", err)
			}
		})
	}
}

func TestLinksEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		changes := make(chan []Link)
		close(changes)
		if err := New("box", n.station("10.0.0.1:5353"), changes, quiet()).Run(t.Context()); err == nil {
			t.Error("Run = nil; want an error when nobody tells of links any more")
		}
	})
}
