package mdns

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// source is a service as a RAVENNA sender has it.
func source(name string) Service {
	return Service{Instance: name, Type: "_rtsp._tcp", Subtypes: []string{"_ravenna_session"}, Port: 8854}
}

// TestSubtypes checks that a sender's services are listed under every name by which
// receivers look for them, with all that they will want to know.
func TestSubtypes(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h, peer := startSettled(t, n)
		h.Publish(Service{Instance: "node", Type: "_http._tcp", Subtypes: []string{"_ravenna"}, Port: 8080})
		h.Publish(Service{Instance: "node", Type: "_rtsp._tcp", Subtypes: []string{"_ravenna"}, Port: 8854})
		h.Publish(source("node Mic"))
		peer.listen(t, settle)
		node, mic := "node._rtsp._tcp.local.", `node\ Mic._rtsp._tcp.local.`
		for _, test := range []struct {
			name string
			want []string
		}{
			{"_ravenna._sub._http._tcp.local.", []string{"node._http._tcp.local."}},
			{"_ravenna._sub._rtsp._tcp.local.", []string{node}},
			{session, []string{mic}},
			{"_rtsp._tcp.local.", []string{node, mic}},
		} {
			peer.ask(t, query(test.name, dns.TypePTR))
			got := peer.listen(t, settle)
			if len(got) != 1 {
				t.Fatalf("%s: heard %d messages; want 1", test.name, len(got))
			}
			var listed []string
			services := map[string]bool{}
			for _, rr := range got[0].Answer {
				listed = append(listed, rr.(*dns.PTR).Ptr)
			}
			for _, rr := range got[0].Extra {
				if rr.Header().Rrtype == dns.TypeSRV {
					services[rr.Header().Name] = true
				}
			}
			if diff := cmp.Diff(test.want, listed); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.name, diff)
			}
			for _, name := range test.want {
				if !services[name] {
					t.Errorf("%s: no SRV record of %s goes with the answer", test.name, name)
				}
			}
			known := query(test.name, dns.TypePTR)
			known.Answer = got[0].Answer
			peer.ask(t, known)
			if got := peer.listen(t, settle); len(got) != 0 {
				t.Errorf("%s: says what is known: %v", test.name, got[0].Msg)
			}
		}
	})
}

// TestComeAndGo publishes and withdraws over and over, at any stage of the way. Nothing
// is left of it.
func TestComeAndGo(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h, peer := startSettled(t, n)
		got := new(reports)
		h.Browse("_rtsp._tcp", "", got.emit)
		for i := range 100 {
			withdraw := h.Publish(source("Mic"))
			peer.listen(t, time.Duration(i)*20*time.Millisecond)
			withdraw()
			withdraw()
		}
		peer.listen(t, settle)
		there := false
		for _, r := range got.take(0) {
			if r.Found == there || !r.Own {
				t.Errorf("reported %v; want ours found and gone by turns", r)
			}
			there = r.Found
		}
		if there {
			t.Error("found at last; want gone")
		}
		peer.ask(t, query("_rtsp._tcp.local.", dns.TypePTR))
		if got := peer.listen(t, settle); len(got) != 0 {
			t.Errorf("still says %v", got[0].Msg)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		l := h.links[0]
		if len(h.services) != 1 || len(h.events) != 0 || len(l.progress) != 2 || len(l.held) != 0 {
			t.Errorf("%d services, %d events, %d claims, %d queries are left; want 1, 0, 2, 0",
				len(h.services), len(h.events), len(l.progress), len(l.held))
		}
	})
}

// TestOnRename checks that the owner of a service learns its name.
func TestOnRename(t *testing.T) {
	long := strings.Repeat("ü", 40)
	for _, test := range []struct {
		name   string
		others []Service // on another host
		ours   []string
		want   []string
	}{
		{"free", nil, []string{"Mic"}, nil},
		{"taken", []Service{source("Mic")}, []string{"Mic"}, []string{"Mic-2"}},
		{"taken, and so is the next", []Service{source("Mic"), source("mic-2")}, []string{"Mic"}, []string{"Mic-2", "Mic-3"}},
		{"our own already", nil, []string{"Mic", "MIC"}, []string{"MIC-2"}},
		{"of another type", []Service{{Instance: "Mic", Type: "_http._tcp"}}, []string{"Mic"}, nil},
		{"too long", nil, []string{long}, []string{long[:62]}},
		{"the next one is our own", []Service{source("A. b")}, []string{"A. b", "A. b-2"}, []string{"A. b-3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				start(t, n, "other", "10.0.0.2", test.others...)
				h := start(t, n, "box", "10.0.0.1")
				time.Sleep(settle)
				var got []string
				for _, name := range test.ours {
					s := source(name)
					s.OnRename = func(name string) {
						h.Publish(page)() // whoever is called may use the responder
						got = append(got, name)
					}
					h.Publish(s)
				}
				time.Sleep(2 * settle)
				synctest.Wait()
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestQueriesOneAfterTheOther checks that a truncated query is not lost because its
// sender has another.
func TestQueriesOneAfterTheOther(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		_, peer := startSettled(t, n)
		for _, name := range []string{"_http._tcp.local.", "_services._dns-sd._udp.local."} {
			m := query(name, dns.TypePTR)
			m.Truncated = true
			peer.ask(t, m)
		}
		answered := map[string]int{}
		for _, m := range peer.listen(t, settle) {
			for _, rr := range m.Answer {
				answered[rr.Header().Name]++
			}
		}
		want := map[string]int{"_http._tcp.local.": 1, "_services._dns-sd._udp.local.": 1}
		if diff := cmp.Diff(want, answered); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

// TestOwnHostAsks checks that a query which wants a unicast answer is answered to all
// if it comes from this host, where another responder may get what is sent to it.
func TestOwnHostAsks(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		_, peer := startSettled(t, n)
		q := query("box.local.", dns.TypeA)
		q.Question[0].Qclass |= cacheFlush
		beside := n.station("10.0.0.1:5353")
		beside.ask(t, q)
		var got []heard
		for _, m := range peer.listen(t, settle) {
			if m.Response {
				got = append(got, m)
			}
		}
		if len(got) != 1 || !got[0].Group {
			t.Errorf("the group heard %d answers; want 1", len(got))
		}
	})
}

// TestLegacyLong checks that an ordinary resolver gets as much as it can take.
func TestLegacyLong(t *testing.T) {
	for _, test := range []struct {
		name      string
		services  int
		edns      uint16
		size      int
		truncated bool
	}{
		{"additional records left out", 10, 0, 512, false},
		{"answers left out", 40, 0, 512, true},
		{"a resolver that takes more", 40, 4096, maxMessage, false},
		{"a resolver that says it takes less", 40, 100, 512, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				var services []Service
				for i := range test.services {
					services = append(services, source(fmt.Sprint("Mic ", i)))
				}
				start(t, n, "box", "10.0.0.1", services...)
				resolver := n.station("10.0.0.7:40000")
				resolver.listen(t, settle)
				q := query(session, dns.TypePTR)
				q.Id = 9
				if test.edns != 0 {
					q.SetEdns0(test.edns, false)
				}
				resolver.ask(t, q)
				got := resolver.listen(t, settle)
				if len(got) != 1 {
					t.Fatalf("heard %d messages; want 1", len(got))
				}
				if got[0].Size > test.size || got[0].Truncated != test.truncated {
					t.Errorf("%d bytes, truncated %v; want %d at most, %v", got[0].Size, got[0].Truncated, test.size, test.truncated)
				}
				if all := len(got[0].Answer) == test.services; all == test.truncated {
					t.Errorf("%d answers of %d; truncated %v", len(got[0].Answer), test.services, test.truncated)
				}
			})
		})
	}
}
