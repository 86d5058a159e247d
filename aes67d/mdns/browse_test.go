package mdns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

const session = "_ravenna_session._sub._rtsp._tcp.local."

// report is a call of emit.
type report struct {
	Found bool
	Instance
	at time.Time
}

func (r report) String() string {
	sign := "gone"
	if r.Found {
		sign = "found"
	}
	own := ""
	if r.Own {
		own = " own"
	}
	return fmt.Sprintf("%s %q %s %s:%d %q if%d%s", sign, r.Name, r.Host, r.Address, r.Port, r.Text, r.Interface, own)
}

// reports collects calls of emit.
type reports struct {
	mu  sync.Mutex
	all []report
}

func (r *reports) emit(found bool, i Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, report{found, i, time.Now()})
}

// take returns what was reported in d, and forgets it.
func (r *reports) take(d time.Duration) []report {
	time.Sleep(d)
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

// want checks what is reported in d.
func (r *reports) want(t *testing.T, d time.Duration, want ...string) {
	t.Helper()
	var got []string
	for _, rep := range r.take(d) {
		got = append(got, rep.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
}

// startBrowsing starts a host that browses for sessions, and gives the peer that
// others are played by.
func startBrowsing(t *testing.T, n *network) (*host, *station, *reports) {
	t.Helper()
	h, peer, got, _ := startStoppable(t, n)
	return h, peer, got
}

func startStoppable(t *testing.T, n *network) (*host, *station, *reports, func()) {
	t.Helper()
	h := start(t, n, "box", "10.0.0.1")
	peer := listener(t, n)
	peer.listen(t, settle)
	got := new(reports)
	return h, peer, got, h.Browse("_rtsp._tcp", "_ravenna_session", got.emit)
}

// their are the records of a session on the host "desk", in this order: SRV, TXT,
// pointers from the types' list, from the type and from the subtype, address.
func their(instance string, port uint16, text ...string) []dns.RR {
	desk := &claim{wish: "desk", attempt: 1}
	c := &claim{wish: instance, attempt: 1, service: &Service{
		Type: "_rtsp._tcp", Subtypes: []string{"_ravenna_session"}, Port: port, Text: text,
	}}
	var list []dns.RR
	address := []netip.Prefix{netip.MustParsePrefix("10.0.0.99/24")}
	for _, r := range slices.Concat(c.records(desk, nil), desk.records(desk, address)) {
		if !r.negative() {
			list = append(list, r.onWire(r.ttl()))
		}
	}
	return list
}

// of returns those of a type, with another time to live if that is not negative.
func of(list []dns.RR, kind uint16, ttl time.Duration) []dns.RR {
	var some []dns.RR
	for _, rr := range list {
		if rr.Header().Rrtype == kind {
			rr = dns.Copy(rr)
			if ttl >= 0 {
				rr.Header().Ttl = uint32(ttl / time.Second)
			}
			some = append(some, rr)
		}
	}
	return some
}

// plainly returns them without the cache-flush bit.
func plainly(list []dns.RR) []dns.RR {
	var all []dns.RR
	for _, rr := range list {
		all = append(all, plain(rr))
	}
	return all
}

const asIs = time.Duration(-1)

// say multicasts a response.
func (s *station) say(t *testing.T, list ...dns.RR) {
	t.Helper()
	m := newResponse()
	m.Answer = list
	s.ask(t, m)
}

// packet is a response.
func packet(t testing.TB, list []dns.RR) []byte {
	t.Helper()
	m := newResponse()
	m.Answer = list
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// questions lists what was asked in messages, a unicast answer wanted as "QU".
func questions(messages []heard) []string {
	var list []string
	for _, m := range messages {
		for _, q := range m.Question {
			s := dns.TypeToString[q.Qtype] + " " + q.Name
			if q.Qclass&cacheFlush != 0 {
				s += " QU"
			}
			list = append(list, s)
		}
	}
	return list
}

// TestAsks checks when a browser asks: RFC 6762 §5.2.
func TestAsks(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		begin := time.Now().Add(settle)
		_, peer, _ := startBrowsing(t, n)
		got := peer.listen(t, 5*time.Hour)
		if d := got[0].At.Sub(begin); d < sharedDelayMin || d > sharedDelayMax {
			t.Errorf("first query after %v; want %v to %v", d, sharedDelayMin, sharedDelayMax)
		}
		want := time.Second
		for i, m := range got {
			ask := "PTR " + session
			if i == 0 {
				ask += " QU"
			} else {
				if gap := m.At.Sub(got[i-1].At); gap != want {
					t.Errorf("query %d after %v; want %v", i, gap, want)
				}
				want = min(2*want, time.Hour)
			}
			if diff := cmp.Diff([]string{ask}, questions(got[i:i+1])); diff != "" {
				t.Errorf("query %d (-want +got):\n%s", i, diff)
			}
		}
		if len(got) < 14 {
			t.Errorf("heard %d queries in 5 hours; want 12 up to the first full hour, then one an hour", len(got))
		}
	})
}

// TestFinds has one host announce a session and another find it, in time.
func TestFinds(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h, _, got := startBrowsing(t, n)
		desk := start(t, n, "desk", "10.0.0.2")
		got.want(t, settle)
		begin := time.Now()
		withdraw := desk.Publish(Service{
			Instance: "Büro 2.0: Mikrofon", Type: "_rtsp._tcp", Subtypes: []string{"_ravenna_session"},
			Port: 8854, Text: []string{"a=\"b\\", "\x00\xff"},
		})
		desk.Publish(Service{Type: "_rtsp._tcp", Subtypes: []string{"_ravenna"}, Port: 8854}) // no session
		reported := got.take(settle)
		want := Instance{
			Name: "Büro 2.0: Mikrofon", Type: "_rtsp._tcp", Domain: "local", Host: "desk.local",
			Address: netip.MustParseAddr("10.0.0.2"), Port: 8854, Text: []string{"a=\"b\\", "\x00\xff"}, Interface: 1,
		}
		if len(reported) != 1 || !reported[0].Found {
			t.Fatalf("reported %v; want one instance", reported)
		}
		if diff := cmp.Diff(want, reported[0].Instance, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if d, most := reported[0].at.Sub(begin), probeInterval+probes*probeInterval+gather; d > most {
			t.Errorf("found %v after it was published; want %v at most", d, most)
		}

		begin = time.Now()
		withdraw()
		reported = got.take(settle)
		if len(reported) != 1 || reported[0].Found || reported[0].Name != want.Name {
			t.Errorf("reported %v; want the instance gone", reported)
		} else if d := reported[0].at.Sub(begin); d != grace {
			t.Errorf("gone after %v; want %v", d, grace)
		}

		h.Publish(Service{Instance: "ours", Type: "_rtsp._tcp", Subtypes: []string{"_ravenna_session"}, Port: 1})
		got.want(t, settle, `found "ours" box.local 10.0.0.1:1 [] if1 own`)
		// A second browser is told what is there already.
		var all reports
		stop := h.Browse("_rtsp._tcp", "", all.emit)
		all.want(t, settle, `found "desk" desk.local 10.0.0.2:8854 [] if1`, `found "ours" box.local 10.0.0.1:1 [] if1 own`)
		stop()
		desk.stop()
		all.want(t, settle)
		got.want(t, 0)
	})
}

// TestHears plays what others say, step by step.
func TestHears(t *testing.T) {
	mic, talk := their("Mic", 8854, "v=1"), their("Talk", 8854)
	address := func(ttl time.Duration, last byte) dns.RR {
		return (&record{unique: true, rr: &dns.A{Hdr: header("desk.local.", dns.TypeA, ttl), A: []byte{10, 0, 0, last}}}).onWire(ttl)
	}
	far := (&record{unique: true, rr: &dns.A{Hdr: header("desk.local.", dns.TypeA, hostTTL), A: []byte{1, 2, 3, 4}}}).onWire(hostTTL)
	foundMic := `found "Mic" desk.local 10.0.0.99:8854 ["v=1"] if1`
	foundTalk := `found "Talk" desk.local 10.0.0.99:8854 [] if1`
	goneMic := `gone "Mic" desk.local 10.0.0.99:8854 ["v=1"] if1`
	type step struct {
		say  []dns.RR
		wait time.Duration
		want []string
	}
	within := 200 * time.Millisecond
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"all at once", []step{{mic, within, []string{foundMic}}}},
		{"in several packets, the address first", []step{
			{of(mic, dns.TypeA, asIs), 0, nil}, {of(mic, dns.TypeSRV, asIs), 0, nil},
			{of(mic, dns.TypeTXT, asIs), 0, nil}, {of(mic, dns.TypePTR, asIs), within, []string{foundMic}},
		}},
		{"goodbye to the pointers", []step{
			{mic, within, []string{foundMic}},
			{of(mic, dns.TypePTR, 0), grace - time.Millisecond, nil},
			{nil, time.Millisecond, []string{goneMic}},
			{nil, 2 * time.Hour, nil},
		}},
		{"goodbye before it could be found", []step{
			{mic, gather / 2, nil}, {of(mic, dns.TypePTR, 0), settle, nil},
		}},
		{"goodbye taken back", []step{
			{mic, within, []string{foundMic}},
			{of(mic, dns.TypePTR, 0), grace / 2, nil},
			{of(mic, dns.TypePTR, asIs), settle, nil},
		}},
		{"goodbye to what nobody knows", []step{{of(mic, dns.TypePTR, 0), settle, nil}}},
		{"one of two goes", []step{
			{slices.Concat(mic, talk), within, []string{foundMic, foundTalk}},
			{of(mic, dns.TypePTR, 0), settle, []string{goneMic}},
		}},
		{"the text changes", []step{
			{mic, within, []string{foundMic}},
			{of(their("Mic", 8854, "v=2"), dns.TypeTXT, asIs), within, []string{`found "Mic" desk.local 10.0.0.99:8854 ["v=2"] if1`}},
			{nil, settle, nil},
		}},
		{"the port changes and the old one comes no more", []step{
			{mic, settle, []string{foundMic}},
			{of(their("Mic", 9, "v=1"), dns.TypeSRV, asIs), within, []string{`found "Mic" desk.local 10.0.0.99:9 ["v=1"] if1`}},
			{of(their("Mic", 9, "v=1"), dns.TypeSRV, 0), settle, []string{`gone "Mic" desk.local 10.0.0.99:9 ["v=1"] if1`}},
		}},
		{"two hosts say they have it, the last is right", []step{
			{mic, settle, []string{foundMic}},
			{plainly(of(their("Mic", 9), dns.TypeSRV, asIs)), within, []string{`found "Mic" desk.local 10.0.0.99:9 ["v=1"] if1`}},
			{plainly(of(mic, dns.TypeSRV, asIs)), within, []string{foundMic}},
		}},
		{"the address changes", []step{
			{mic, settle, []string{foundMic}},
			{[]dns.RR{address(hostTTL, 7)}, within, []string{`found "Mic" desk.local 10.0.0.7:8854 ["v=1"] if1`}},
		}},
		{"of two addresses the near one", []step{
			{slices.Concat(mic, []dns.RR{far}), within, []string{foundMic}},
			{nil, settle, nil},
			{[]dns.RR{far, address(hostTTL, 99)}, settle, nil},
		}},
		{"said again", []step{{mic, within, []string{foundMic}}, {mic, settle, nil}, {mic, settle, nil}}},
		{"the host dies", []step{
			{mic, within, []string{foundMic}},
			{nil, hostTTL - time.Second, nil},
			{nil, time.Second, []string{goneMic}},
		}},
		{"the shortest life", []step{
			{of(mic, dns.TypeSRV, asIs), 0, nil}, {of(mic, dns.TypeA, asIs), 0, nil}, {of(mic, dns.TypeTXT, asIs), 0, nil},
			{of(mic, dns.TypePTR, time.Second), within, []string{foundMic}},
			{nil, minTTL, []string{goneMic}},
		}},
		{"the longest life", []step{
			{of(mic, dns.TypePTR, 1<<31*time.Second), 0, nil}, {of(mic, dns.TypeSRV, 1<<31*time.Second), 0, nil},
			{of(mic, dns.TypeTXT, 1<<31*time.Second), 0, nil}, {of(mic, dns.TypeA, 1<<31*time.Second), within, []string{foundMic}},
			{nil, maxTTL, []string{goneMic}},
		}},
		{"no text", []step{
			{slices.DeleteFunc(slices.Clone(mic), func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeTXT }), within,
				[]string{`found "Mic" desk.local 10.0.0.99:8854 [] if1`}},
			{of(mic, dns.TypeTXT, asIs), within, []string{foundMic}},
		}},
		{"no place", []step{{slices.Concat(of(mic, dns.TypePTR, asIs), of(mic, dns.TypeTXT, asIs)), settle, nil}}},
		{"the case of names does not matter", []step{
			{mic, within, []string{foundMic}},
			{func() []dns.RR {
				var upper []dns.RR
				for _, rr := range mic {
					rr = dns.Copy(rr)
					rr.Header().Name = strings.ToUpper(rr.Header().Name)
					upper = append(upper, rr)
				}
				return upper
			}(), settle, nil},
		}},
		{"another subtype", []step{{of(their("Mic", 1), dns.TypeSRV, asIs), 0, nil}, {[]dns.RR{
			pointer("_printer._sub._rtsp._tcp.local.", "Mic._rtsp._tcp.local.").onWire(otherTTL),
		}, settle, nil}}},
		{"what is no instance", []step{{slices.Concat(mic[:1], of(mic, dns.TypeA, asIs), []dns.RR{
			pointer(session, "_rtsp._tcp.local.").onWire(otherTTL),
			pointer(session, "Mic._http._tcp.local.").onWire(otherTTL),
			pointer(session, "a.Mic._rtsp._tcp.local.").onWire(otherTTL),
			pointer(session, "desk.local.").onWire(otherTTL),
			pointer(session, ".").onWire(otherTTL),
			&dns.SRV{Hdr: header("mic._http._tcp.local.", dns.TypeSRV, hostTTL), Target: "desk.local."},
		}), settle, nil}}},
		{"a host that is not of this link", []step{{slices.Concat(of(mic, dns.TypePTR, asIs), []dns.RR{
			&dns.SRV{Hdr: header("mic._rtsp._tcp.local.", dns.TypeSRV, hostTTL), Target: "example.org."},
			&dns.A{Hdr: header("example.org.", dns.TypeA, hostTTL), A: []byte{10, 0, 0, 9}},
		}), settle, nil}}},
		{"others do not flush pointers", []step{
			{mic, settle, []string{foundMic}},
			{[]dns.RR{(&record{unique: true, rr: of(talk, dns.TypePTR, asIs)[2]}).onWire(otherTTL)}, settle, nil},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				_, peer, got := startBrowsing(t, n)
				got.want(t, 0)
				for _, s := range test.steps {
					if s.say != nil {
						peer.say(t, s.say...)
					}
					got.want(t, s.wait, s.want...)
				}
			})
		})
	}
}

// TestMissing checks that what an announcement leaves out is asked for, in time.
func TestMissing(t *testing.T) {
	mic := their("Mic", 8854, "v=1")
	inBubble(t, func(t *testing.T, n *network) {
		_, peer, got := startBrowsing(t, n)
		peer.listen(t, 1500*time.Millisecond)
		begin := time.Now()
		peer.say(t, of(mic, dns.TypePTR, asIs)...)
		peer.say(t, pointer(session, "desk.local.").onWire(otherTTL), pointer(session, "Mic._http._tcp.local.").onWire(otherTTL))
		asked := peer.listen(t, gather+sharedDelayMax)
		want := []string{"TXT mic._rtsp._tcp.local. QU", "SRV mic._rtsp._tcp.local. QU"}
		list := questions(asked)
		slices.Sort(list)
		slices.Sort(want)
		if diff := cmp.Diff(want, list); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		peer.tell(t, netip.MustParseAddrPort("10.0.0.1:5353"), &dns.Msg{
			MsgHdr: dns.MsgHdr{Response: true}, Answer: slices.Concat(of(mic, dns.TypeSRV, asIs), of(mic, dns.TypeTXT, asIs)),
		})
		asked = peer.listen(t, gather+sharedDelayMax)
		if diff := cmp.Diff([]string{"A desk.local. QU"}, questions(asked)); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		peer.say(t, of(mic, dns.TypeA, asIs)...)
		reported := got.take(settle)
		if len(reported) != 1 {
			t.Fatalf("reported %v; want one instance", reported)
		}
		if d, most := reported[0].at.Sub(begin), 2*(gather+sharedDelayMax)+gather; d > most {
			t.Errorf("found after %v; want %v at most", d, most)
		}
		for _, q := range questions(peer.listen(t, 0)) {
			if q != "PTR "+session {
				t.Errorf("still asks %s", q)
			}
		}
	})
}

// TestRefresh checks that records in use are asked for before they end, and no
// others: RFC 6762 §5.2.
func TestRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		_, peer, got := startBrowsing(t, n)
		peer.listen(t, time.Minute)
		begin := time.Now()
		peer.say(t, slices.Concat(their("Mic", 8854), []dns.RR{
			&dns.A{Hdr: header("nobody.local.", dns.TypeA, hostTTL), A: []byte{10, 0, 0, 3}},
		})...)
		asked := peer.listen(t, hostTTL)
		var percent []int
		for _, m := range asked {
			list := questions([]heard{m})
			if slices.Contains(list, "PTR "+session) {
				continue
			}
			at := m.At.Sub(begin)
			percent = append(percent, int(100*at/hostTTL))
			if diff := cmp.Diff([]string{"A desk.local.", "SRV mic._rtsp._tcp.local."}, list); diff != "" {
				t.Errorf("asked at %v (-want +got):\n%s", at, diff)
			}
		}
		if len(percent) < 4 {
			t.Fatalf("asked at %v %%; want four times", percent)
		}
		for i, p := range percent {
			if low := 80 + 5*i; p < low || p > low+2 {
				t.Errorf("asked at %v %%; want 80, 85, 90, 95", percent)
			}
		}
		got.want(t, 0, `found "Mic" desk.local 10.0.0.99:8854 [] if1`, `gone "Mic" desk.local 10.0.0.99:8854 [] if1`)

		// An answer begins the life anew.
		peer.say(t, their("Mic", 8854)...)
		got.want(t, time.Second, `found "Mic" desk.local 10.0.0.99:8854 [] if1`)
		for range 5 {
			peer.listen(t, hostTTL*9/10)
			peer.say(t, their("Mic", 8854)...)
			got.want(t, 0)
		}
	})
}

// TestManySessions has one host with as many services as a box can have and another
// that finds them. Nothing is too long for a packet, and nobody says twice what the
// other knows.
func TestManySessions(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		_, peer, got := startBrowsing(t, n)
		box := start(t, n, "desk", "10.0.0.2")
		peer.listen(t, settle)
		begin := time.Now()
		var want []string
		for i := range 64 {
			name := fmt.Sprintf("Daemon 0a000002 ALSA Source %d", i)
			box.Publish(Service{Instance: name, Type: "_rtsp._tcp", Subtypes: []string{"_ravenna_session"}, Port: 8854})
			want = append(want, fmt.Sprintf("found %q desk.local 10.0.0.2:8854 [] if1", name))
		}
		for _, kind := range []string{"_http._tcp", "_rtsp._tcp"} {
			box.Publish(Service{Instance: "Daemon 0a000002", Type: kind, Subtypes: []string{"_ravenna"}, Port: 80})
		}
		messages := peer.listen(t, settle)
		var found []string
		for _, r := range got.take(0) {
			found = append(found, r.String())
			if d := r.at.Sub(begin); d > probeInterval+probes*probeInterval+gather {
				t.Errorf("%s found %v after it was published", r.Name, d)
			}
		}
		slices.Sort(want)
		slices.Sort(found)
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		probed, said, packets := map[string]int{}, map[string]int{}, 0
		for _, m := range messages {
			if size := m.Size; size > maxMessage {
				t.Errorf("a message of %d bytes; want %d at most", size, maxMessage)
			}
			if m.From == box.wire.(*station).address {
				packets++
			}
			for _, q := range m.Question {
				if len(m.Ns) > 0 {
					probed[q.Name]++
				}
			}
			for _, rr := range m.Answer {
				if rr.Header().Rrtype == dns.TypeSRV {
					said[rr.Header().Name]++
				}
			}
		}
		if len(probed) != 66 || len(said) != 66 {
			t.Errorf("%d names probed for, %d announced; want 66", len(probed), len(said))
		}
		for name := range probed {
			if probed[name] != probes || said[name] != announcements {
				t.Errorf("%s: %d probes, %d announcements", name, probed[name], said[name])
			}
		}
		if packets > 66 {
			t.Errorf("%d packets; want services to share them", packets)
		}

		// The browser's next queries show all that it knows, in as many packets as it
		// takes, and nobody has to answer.
		messages = peer.listen(t, 10*time.Minute)
		queries, truncated := 0, 0
		for _, m := range messages {
			if size := m.Size; size > maxMessage {
				t.Errorf("a message of %d bytes; want %d at most", size, maxMessage)
			}
			if slices.Contains(questions([]heard{m}), "PTR "+session) {
				queries++
			}
			if m.Truncated {
				truncated++
				if m.Response {
					t.Error("a truncated response")
				}
			}
			for _, rr := range m.Answer {
				if m.Response && rr.Header().Rrtype == dns.TypePTR {
					t.Errorf("said again: %v", rr)
				}
			}
		}
		if queries == 0 || truncated == 0 {
			t.Errorf("%d queries, %d packets with more to follow; want some", queries, truncated)
		}
		got.want(t, 0)

		box.stop()
		if gone := got.take(settle); len(gone) != 64 {
			t.Errorf("%d instances gone; want 64", len(gone))
		}
		for _, m := range peer.listen(t, 0) {
			if size := m.Size; size > maxMessage {
				t.Errorf("a goodbye of %d bytes; want %d at most", size, maxMessage)
			}
		}
	})
}

// TestLinks sees one instance on two links.
func TestLinks(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h, peer, got := startBrowsing(t, n)
		one := links("10.0.0.1/24")[0]
		two := Link{Index: 2, Name: "eth1", Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.2.1/24")}}
		h.changes <- []Link{one, two}
		synctest.Wait()
		onTwo := their("Mic", 8854)
		onTwo[len(onTwo)-1] = &dns.A{Hdr: header("desk.local.", dns.TypeA, hostTTL), A: []byte{10, 0, 2, 99}}
		hear := func(link int, list []dns.RR) {
			h.handle(Packet{Link: link, Peer: peer.address, Group: true, Data: packet(t, list)})
			h.poke()
		}
		two99, one99 := `"Mic" desk.local 10.0.2.99:8854 [] if2`, `"Mic" desk.local 10.0.0.99:8854 [] if1`
		hear(2, onTwo)
		got.want(t, time.Second, "found "+two99)
		hear(1, their("Mic", 8854)) // the link it was found on first stays
		got.want(t, time.Second)
		h.changes <- []Link{one}
		got.want(t, time.Second, "found "+one99)
		h.changes <- []Link{one, two}
		synctest.Wait()
		hear(2, onTwo)
		got.want(t, time.Second)
		hear(1, of(their("Mic", 8854), dns.TypePTR, 0)) // gone there, but not here
		got.want(t, grace, "found "+two99)
		h.changes <- nil
		got.want(t, time.Second, "gone "+two99)
	})
}

// TestBrowseEnds checks what is left of a browser that was stopped: nothing.
func TestBrowseEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h, peer, got, stopSession := startStoppable(t, n)
		var others reports
		stop := h.Browse("_http._tcp", "", others.emit)
		for range 100 {
			h.Browse("_http._tcp", "", others.emit)()
		}
		got.want(t, settle)
		peer.say(t, pointer("_http._tcp.local.", "x._http._tcp.local.").onWire(otherTTL))
		peer.listen(t, settle)
		stop()
		stop()
		peer.say(t, their("Mic", 8854)...)
		got.want(t, settle, `found "Mic" desk.local 10.0.0.99:8854 [] if1`)
		for _, q := range questions(peer.listen(t, 2*maxTTL)) {
			if strings.Contains(q, "_http") {
				t.Errorf("still asks %s", q)
			}
		}
		h.mu.Lock()
		b := &h.links[0].browser
		if len(h.browses) != 1 || len(b.questions) != 1 || len(b.cache.records) != 0 {
			t.Errorf("%d browses, %d questions, %d names; want one, its question, and nothing heard for long",
				len(h.browses), len(b.questions), len(b.cache.records))
		}
		h.mu.Unlock()

		got.want(t, 0, `gone "Mic" desk.local 10.0.0.99:8854 [] if1`)
		peer.say(t, their("Mic", 8854)...)
		got.want(t, settle, `found "Mic" desk.local 10.0.0.99:8854 [] if1`)
		stopSession()
		peer.say(t, their("Talk", 8854)...)
		got.want(t, settle)
		peer.listen(t, 0)
		h.mu.Lock()
		if len(b.questions) != 0 || b.cache.count != 0 || len(b.cache.records) != 0 {
			t.Errorf("%d questions, %d names are left; want none", len(b.questions), len(b.cache.records))
		}
		h.mu.Unlock()
		if list := questions(peer.listen(t, 2*maxTTL)); len(list) != 0 {
			t.Errorf("still asks %s", list)
		}
	})
}

// TestStopInBetween checks that who has stopped browsing is not told what was found
// before.
func TestStopInBetween(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h, peer, first := startBrowsing(t, n)
		var second reports
		var stop func()
		h.Browse("_rtsp._tcp", "", func(bool, Instance) { stop() })
		stop = h.Browse("_rtsp._tcp", "", second.emit)
		peer.say(t, their("Mic", 8854)...)
		first.want(t, settle, `found "Mic" desk.local 10.0.0.99:8854 [] if1`)
		second.want(t, 0)
	})
}

// TestBrowseFails checks that a responder which cannot go on takes back what it said.
func TestBrowseFails(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		changes := make(chan []Link, 1)
		r := New("box", n.station("10.0.0.1:5353"), changes, quiet())
		got := new(reports)
		r.Browse("_rtsp._tcp", "", got.emit)
		done := make(chan error)
		go func() { done <- r.Run(t.Context()) }()
		changes <- links("10.0.0.1/24")
		synctest.Wait()
		listener(t, n).say(t, their("Mic", 8854)...)
		got.want(t, settle, `found "Mic" desk.local 10.0.0.99:8854 [] if1`)
		close(changes)
		if err := <-done; err == nil {
			t.Error("Run = nil; want an error")
		}
		got.want(t, 0, `gone "Mic" desk.local 10.0.0.99:8854 [] if1`)
	})
}

// TestFlood has somebody announce far more than there can be. What is remembered and
// asked stays bounded, and once the lies have had their time the truth is found.
func TestFlood(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h, peer, got := startBrowsing(t, n)
		got.want(t, time.Second)
		for i := range 1500 {
			list := their(fmt.Sprint("lie ", i), uint16(i))
			list = append(list, plainly(of(their("Mic", uint16(i), fmt.Sprint(i)), dns.TypeTXT, asIs))...)
			list = append(list, &dns.A{Hdr: header(fmt.Sprintf("lie%d.local.", i), dns.TypeA, hostTTL), A: []byte{10, 0, byte(i >> 8), byte(i)}})
			list = append(list, pointer(session, fmt.Sprintf("more%d._rtsp._tcp.local.", i)).onWire(hostTTL))
			for _, rr := range list {
				rr.Header().Ttl = uint32(hostTTL / time.Second)
			}
			h.handle(Packet{Link: 1, Peer: peer.address, Group: true, Data: packet(t, list)})
		}
		h.poke()
		if found := got.take(time.Second); len(found) == 0 || len(found) > maxInstances {
			t.Errorf("found %d instances; want %d at most", len(found), maxInstances)
		}
		h.mu.Lock()
		c := &h.links[0].browser.cache
		count := 0
		for k, same := range c.records {
			count += len(same)
			if k.kind != dns.TypePTR && len(same) > maxSame {
				t.Errorf("%d records of %v; want %d at most", len(same), k, maxSame)
			}
		}
		if count != c.count || count > maxRecords || c.pointers > maxInstances {
			t.Errorf("%d records (said to be %d), %d pointers; want %d and %d at most", count, c.count, c.pointers, maxRecords, maxInstances)
		}
		h.mu.Unlock()
		peer.listen(t, hostTTL)
		got.take(0)
		peer.say(t, their("Mic", 8854)...)
		got.want(t, settle, `found "Mic" desk.local 10.0.0.99:8854 [] if1`)
	})
}
