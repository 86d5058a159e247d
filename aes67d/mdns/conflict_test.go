package mdns

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// addresses asks who has a name and lists the answers.
func addresses(t *testing.T, peer *station, name string) []string {
	t.Helper()
	peer.listen(t, 2*time.Second)
	peer.ask(t, query(name, dns.TypeA))
	var all []string
	for _, m := range peer.listen(t, 500*time.Millisecond) {
		for _, rr := range m.Answer {
			if a, ok := rr.(*dns.A); ok {
				all = append(all, a.A.String())
			}
		}
	}
	return all
}

// TestNameTaken lets a second host of one name come later: it has to take another.
func TestNameTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		_, peer := startSettled(t, n)
		start(t, n, "box", "10.0.0.2", page)
		peer.listen(t, settle)
		got := map[string][]string{
			"box.local.":   addresses(t, peer, "box.local."),
			"box-2.local.": addresses(t, peer, "box-2.local."),
		}
		want := map[string][]string{"box.local.": {"10.0.0.1"}, "box-2.local.": {"10.0.0.2"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		peer.ask(t, query("box-2._http._tcp.local.", dns.TypeSRV))
		answers := peer.listen(t, settle)
		if len(answers) != 1 || answers[0].Answer[0].(*dns.SRV).Target != "box-2.local." {
			t.Errorf("heard %v; want the service under its new name, at the host's new name", answers)
		}
	})
}

// TestSameTime starts two hosts at once: exactly one must keep the name, and by RFC
// 6762 §8.2 it is the one with the later address.
func TestSameTime(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		start(t, n, "box", "10.0.0.1")
		start(t, n, "box", "10.0.0.2")
		peer := listener(t, n)
		peer.listen(t, 2*settle)
		if diff := cmp.Diff([]string{"10.0.0.2"}, addresses(t, peer, "box.local.")); diff != "" {
			t.Errorf("box (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"10.0.0.1"}, addresses(t, peer, "box-2.local.")); diff != "" {
			t.Errorf("box-2 (-want +got):\n%s", diff)
		}
	})
}

// TestNetworksJoined brings a settled name into conflict: the host defends it by
// probing again, and gives it up only to somebody who insists.
func TestNetworksJoined(t *testing.T) {
	other := new(dns.Msg)
	other.Response = true
	other.Answer = []dns.RR{&dns.A{Hdr: header("box.local.", dns.TypeA, hostTTL), A: []byte{10, 0, 0, 99}}}
	for _, test := range []struct {
		name    string
		insists bool
		want    string
	}{
		{"insists", true, "box-2.local."},
		{"goes away", false, "box.local."},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				h, peer := startSettled(t, n)
				peer.ask(t, other)
				if test.insists {
					peer.listen(t, 100*time.Millisecond)
					peer.ask(t, other)
				}
				heard := peer.listen(t, settle)
				if len(heard) == 0 || heard[0].Response || len(heard[0].Ns) == 0 {
					t.Error("did not probe for its name again")
				}
				if got := h.host.name(); got != test.want {
					t.Errorf("name is %s; want %s", got, test.want)
				}
			})
		})
	}
}

// TestDefends answers a newcomer's probe to all, even if it asked for unicast.
func TestDefends(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		_, peer := startSettled(t, n)
		probe := query("box.local.", dns.TypeANY)
		probe.Question[0].Qclass |= cacheFlush
		probe.Ns = []dns.RR{&dns.A{Hdr: header("box.local.", dns.TypeA, hostTTL), A: []byte{10, 0, 0, 99}}}
		begin := time.Now()
		peer.ask(t, probe)
		peer.ask(t, probe)
		got := peer.listen(t, settle)
		if len(got) != 2 || !got[0].Group {
			t.Fatalf("heard %d messages; want two to the group", len(got))
		}
		if d := got[1].At.Sub(begin); d != sameDefence {
			t.Errorf("second defence after %v; want %v", d, sameDefence)
		}
	})
}

// TestCrowded checks that a host which finds every name taken slows down (§8.1).
func TestCrowded(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		peer := listener(t, n)
		start(t, n, "box", "10.0.0.1")
		quickest := time.Hour
		for attempt := 1; attempt <= conflictLimit+3; attempt++ {
			begin := time.Now()
			var asked string
			for asked == "" {
				for _, m := range peer.listen(t, time.Millisecond) {
					asked = m.Question[0].Name
				}
			}
			if attempt > conflictLimit {
				quickest = min(quickest, time.Since(begin))
			}
			m := new(dns.Msg)
			m.Response = true
			m.Answer = []dns.RR{&dns.A{Hdr: header(asked, dns.TypeA, hostTTL), A: []byte{10, 0, 0, 99}}}
			peer.ask(t, m)
		}
		if quickest < conflictWait-10*time.Millisecond {
			t.Errorf("after %d conflicts the next name comes after %v; want %v", conflictLimit, quickest, conflictWait)
		}
	})
}

func TestSortKey(t *testing.T) {
	a := func(b ...byte) dns.RR { return &dns.A{Hdr: header("x.local.", dns.TypeA, hostTTL), A: b} }
	flush := (&record{rr: a(1, 1, 1, 1), unique: true}).onWire(hostTTL)
	for _, test := range []struct {
		name string
		a, b dns.RR
		want int
	}{
		// The example of RFC 6762 §8.2.
		{"data decides", a(169, 254, 99, 200), a(169, 254, 200, 50), -1},
		{"type before data", a(255, 255, 255, 255), &dns.TXT{Hdr: header("x.local.", dns.TypeTXT, hostTTL), Txt: []string{""}}, -1},
		{"the cache-flush bit is no class", a(1, 1, 1, 1), flush, 0},
	} {
		if got := bytes.Compare(sortKey(test.a), sortKey(test.b)); got != test.want {
			t.Errorf("%s: compare = %d; want %d", test.name, got, test.want)
		}
	}
}

func TestClaimName(t *testing.T) {
	long := "Ein sehr langer Name für einen Dienst, der nirgends ganz hineinpaßt, ü"
	for _, test := range []struct {
		wish    string
		attempt int
	}{
		{"box", 1}, {"box", 2}, {"a.b\\c\"@;()' d", 12}, {long, 1}, {long, 100}, {"\x00\x7f", 1},
	} {
		c := claim{wish: test.wish, attempt: test.attempt, service: &page}
		m := query(c.name(), dns.TypeSRV)
		b, err := m.Pack()
		if err != nil {
			t.Errorf("%q: %v", c.name(), err)
			continue
		}
		var back dns.Msg
		if err := back.Unpack(b); err != nil {
			t.Fatal(err)
		}
		if got := back.Question[0].Name; got != c.name() {
			t.Errorf("%q comes back from the wire as %q", c.name(), got)
		}
	}
}
