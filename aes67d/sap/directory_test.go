package sap

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aes67os/aes67d/netif"
)

// settle is longer than all that follows a change.
const settle = time.Second

func expectSaid(t *testing.T, what string, got []heard, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, said(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func expectTold(t *testing.T, what string, h *host, want ...string) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, h.told()); diff != "" {
		t.Errorf("events: %s (-want +got):\n%s", what, diff)
	}
}

// TestAnnounces has 64 sessions announced at once, but not in one instant, and then
// at the interval exactly.
func TestAnnounces(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		all := peer(t, n, LocalGroup, GlobalGroup)
		h := start(t, n, quiet(), eth(2, "10.0.0.1"))
		begin := time.Now()
		h.set(t, sessions(64)...)
		got := all.listen(t, 3*defaultInterval-time.Second)
		if len(got) != 3*64 {
			t.Fatalf("heard %d packets; want each session 3 times", len(got))
		}
		for i, p := range got {
			round := time.Duration(i/64) * defaultInterval
			if after := p.At.Sub(begin) - round; after < 0 || after > 100*time.Millisecond {
				t.Errorf("packet %d comes %v after its time", i, after)
			}
			if i > 0 && p.At.Sub(got[i-1].At) < pace {
				t.Errorf("packets %d and %d are %v apart; want at least %v", i-1, i, p.At.Sub(got[i-1].At), pace)
			}
			e := session(fmt.Sprint(100+i%64), 1)
			want := Packet{Hash: hashOf(e.SDP), Origin: e.Origin, Type: TypeSDP, Payload: []byte(e.SDP)}
			if diff := cmp.Diff(want, p.Packet, compareAddr); diff != "" {
				t.Errorf("packet %d (-want +got):\n%s", i, diff)
			}
			if p.Group != LocalGroup || p.From != e.Origin {
				t.Errorf("packet %d from %s to %s; want from %s to %s", i, p.From, p.Group, e.Origin, LocalGroup)
			}
		}
	})
}

// TestChanges goes through the life of a session.
func TestChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		all := peer(t, n, LocalGroup)
		h := start(t, n, quiet(), eth(2, "10.0.0.1"))
		h.set(t, session("1", 1), session("2", 1))
		expectSaid(t, "new", all.listen(t, settle), "announce 1.1", "announce 2.1")

		h.set(t, session("2", 1), session("1", 1))
		expectSaid(t, "the same", all.listen(t, settle))

		h.set(t, session("1", 2), session("2", 1))
		changed := all.listen(t, settle)
		expectSaid(t, "changed", changed, "announce 1.2", "delete 1.1", "delete 1.1", "delete 1.1")
		if changed[0].Hash == changed[1].Hash {
			t.Error("the changed session has the hash of the old one")
		}
		for i := 2; i < len(changed); i++ {
			if gap := changed[i].At.Sub(changed[i-1].At); gap != deletionGap {
				t.Errorf("deletions are %v apart; want %v", gap, deletionGap)
			}
		}

		h.set(t, session("1", 2))
		gone := all.listen(t, settle)
		expectSaid(t, "gone", gone, "delete 2.1", "delete 2.1", "delete 2.1")
		want := Packet{Delete: true, Hash: hashOf(session("2", 1).SDP), Origin: session("2", 1).Origin,
			Type: TypeSDP, Payload: []byte("o=- 2 1 IN IP4 10.0.0.1\r\n")}
		if diff := cmp.Diff(want, gone[0].Packet, compareAddr); diff != "" {
			t.Errorf("deletion (-want +got):\n%s", diff)
		}

		h.set(t, session("1", 2), session("2", 1))
		back := all.listen(t, settle)
		expectSaid(t, "back", back, "announce 2.1")
		if len(back) == 1 && back[0].Hash != want.Hash {
			t.Errorf("the same session has hash %#x; want %#x as before", back[0].Hash, want.Hash)
		}

		// Back before it has been deleted often enough: the rest is not said.
		h.set(t, session("1", 2))
		expectSaid(t, "going", all.listen(t, deletionGap/2), "delete 2.1")
		h.set(t, session("1", 2), session("2", 1))
		expectSaid(t, "back at once", all.listen(t, settle), "announce 2.1")

		h.stop()
		end := all.listen(t, settle)
		expectSaid(t, "end", end, "delete 1.2", "delete 2.1", "delete 1.2", "delete 2.1", "delete 1.2", "delete 2.1")
		expectTold(t, "own packets", h)
		h.set(t, session("4", 1))
		h.SetInterfaces(nil)
		expectSaid(t, "after the end", all.listen(t, settle))
	})
}

// TestNeverAnnounced takes a session back before anybody has heard of it.
func TestNeverAnnounced(t *testing.T) {
	d := New(new(network).station("10.0.0.1"), nil, quiet())
	d.SetInterfaces([]netif.Interface{eth(2, "10.0.0.1")})
	for _, entries := range [][]Entry{{session("1", 1)}, {session("1", 2)}, nil} {
		if err := d.Set(entries); err != nil {
			t.Fatal(err)
		}
		if turns, ads := len(d.links[0].turns), len(d.ads); turns != len(entries) || ads != len(entries) {
			t.Errorf("%d turns and %d announcements; want %d", turns, ads, len(entries))
		}
	}
}

// TestShutdown deletes all of many sessions, in bounded time.
func TestShutdown(t *testing.T) {
	for _, test := range []struct{ sessions, least int }{{64, 3 * 64}, {1000, int(shutdown / pace)}} {
		inBubble(t, func(t *testing.T, n *network) {
			all := peer(t, n, LocalGroup)
			h := start(t, n, quiet(), eth(2, "10.0.0.1"), eth(3, "10.0.1.1"))
			h.set(t, sessions(test.sessions)...)
			all.listen(t, settle)
			begin := time.Now()
			h.stop()
			if took := time.Since(begin); took >= shutdown {
				t.Errorf("%d sessions: the end took %v; want less than %v", test.sessions, took, shutdown)
			}
			if got := len(all.listen(t, 0)); got < test.least {
				t.Errorf("%d sessions: %d deletions; want %d", test.sessions, got, test.least)
			}
		})
	}
}

// TestInterval checks the interval of RFC 2974 §3.1: of few sessions, and of so many
// that they have to share the bandwidth.
func TestInterval(t *testing.T) {
	for _, others := range []int{0, 1500} {
		inBubble(t, func(t *testing.T, n *network) {
			all := peer(t, n, LocalGroup)
			h := start(t, n, quiet(), eth(2, "10.0.0.1"))
			for i := range others {
				all.tell(t, 2, LocalGroup, Packet{Hash: uint16(i + 1), Origin: all.address, Payload: []byte(example)})
			}
			for i := range 5000 { // another group does not count
				all.tell(t, 2, GlobalGroup, Packet{Hash: uint16(i + 1), Origin: h.station.address, Payload: []byte(example)})
			}
			all.listen(t, settle)
			if err := h.Configure(LocalGroup, 0); err != nil {
				t.Fatal(err)
			}
			h.set(t, session("1", 1), session("2", 1))
			size := headerSize + len(TypeSDP) + 1 + len(session("1", 1).SDP)
			base := max(300*time.Second, time.Duration(8*(others+2)*size)*time.Second/4000)
			last := make(map[string]time.Time)
			gaps := make(map[time.Duration]bool)
			for _, p := range all.listen(t, 50*time.Minute) {
				name := sessionOf(p.Payload)
				if before, ok := last[name]; ok {
					gap := p.At.Sub(before)
					gaps[gap] = true
					if gap < base*2/3 || gap > base*4/3+settle {
						t.Errorf("%d others: %s after %v; want between %v and %v", others, name, gap, base*2/3, base*4/3)
					}
				}
				last[name] = p.At
			}
			if len(gaps) < 4 {
				t.Errorf("%d others: only %d different gaps heard", others, len(gaps))
			}
		})
	}
}

// TestReconsiders has many others appear while a session waits for its turn: it has to
// wait longer.
func TestReconsiders(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		all := peer(t, n, LocalGroup)
		h := start(t, n, quiet(), eth(2, "10.0.0.1"))
		if err := h.Configure(LocalGroup, 0); err != nil {
			t.Fatal(err)
		}
		h.set(t, session("1", 1))
		expectSaid(t, "new", all.listen(t, settle), "announce 1.1")
		for i := range maxCensus + 1000 {
			all.tell(t, 2, LocalGroup, Packet{Hash: uint16(i + 1), Origin: all.address, Payload: []byte(example)})
		}
		all.listen(t, settle)
		expectSaid(t, "crowded", all.listen(t, minInterval*4/3+settle))
		h.inspect(func() {
			if got := len(h.others); got != maxCensus {
				t.Errorf("%d others counted; want %d at most", got, maxCensus)
			}
		})
		if len(all.listen(t, 10*time.Minute)) == 0 {
			t.Error("not announced again")
		}
	})
}

func TestCensus(t *testing.T) {
	now := time.Unix(1e9, 0)
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	c := make(census)
	for _, step := range []struct {
		what   string
		after  time.Duration
		packet Packet
		want   int
	}{
		{"first", 0, Packet{Hash: 1, Origin: a}, 1},
		{"again", 0, Packet{Hash: 1, Origin: a}, 1},
		{"other origin", 0, Packet{Hash: 1, Origin: b}, 2},
		{"other hash", 0, Packet{Hash: 2, Origin: a}, 3},
		{"version 0", 0, Packet{Origin: a, Payload: []byte("v=0 1")}, 4},
		{"version 0, other session", 0, Packet{Origin: a, Payload: []byte("v=0 2")}, 5},
		{"deletion", 0, Packet{Delete: true, Hash: 1, Origin: a}, 4},
		{"deletion of nothing", 0, Packet{Delete: true, Hash: 9, Origin: a}, 4},
		{"one is heard", censusLife, Packet{Hash: 2, Origin: a}, 4},
		{"others not", time.Second, Packet{Hash: 2, Origin: a}, 1},
	} {
		now = now.Add(step.after)
		c.hear(step.packet, now)
		if got := c.count(now); got != step.want {
			t.Errorf("%s: count = %d; want %d", step.what, got, step.want)
		}
	}
}

// TestConfigure changes interval and group while announcing.
func TestConfigure(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		site := netip.MustParseAddr("239.195.255.255")
		all := peer(t, n, LocalGroup, GlobalGroup, site)
		h := start(t, n, quiet(), eth(2, "10.0.0.1"))
		configure := func(group netip.Addr, interval time.Duration) {
			t.Helper()
			if err := h.Configure(group, interval); err != nil {
				t.Fatal(err)
			}
		}
		h.set(t, session("1", 1))
		all.listen(t, 10*time.Second)
		configure(LocalGroup, 20*time.Second)
		expectSaid(t, "new interval, not yet", all.listen(t, 9*time.Second))
		expectSaid(t, "new interval", all.listen(t, 12*time.Second), "announce 1.1")
		configure(LocalGroup, 5*time.Second)
		expectSaid(t, "shorter, already due", all.listen(t, time.Millisecond), "announce 1.1")

		old := LocalGroup
		for _, move := range []struct {
			to       netip.Addr
			listened []string
		}{
			{site, []string{"2 224.2.127.254", "2 239.195.255.255", "2 239.255.255.255"}},
			{GlobalGroup, []string{"2 224.2.127.254", "2 239.255.255.255"}},
		} {
			configure(move.to, 5*time.Second)
			got := all.listen(t, settle)
			expectSaid(t, "moved", got, "delete 1.1", "delete 1.1", "delete 1.1", "announce 1.1")
			for i, p := range got {
				if want := []netip.Addr{old, old, old, move.to}[i]; p.Group != want {
					t.Errorf("packet %d goes to %s; want %s", i, p.Group, want)
				}
			}
			if diff := cmp.Diff(move.listened, h.station.memberships()); diff != "" {
				t.Errorf("memberships with %s (-want +got):\n%s", move.to, diff)
			}
			old = move.to
		}
		// There and back again before anything was said there.
		configure(site, 5*time.Second)
		configure(GlobalGroup, 5*time.Second)
		back := all.listen(t, settle)
		expectSaid(t, "back", back, "announce 1.1")

		for _, bad := range []struct {
			group    netip.Addr
			interval time.Duration
		}{
			{netip.MustParseAddr("10.0.0.1"), 0}, {netip.MustParseAddr("ff0e::2:7ffe"), 0}, {netip.Addr{}, 0}, {LocalGroup, -1},
		} {
			if err := h.Configure(bad.group, bad.interval); err == nil {
				t.Errorf("Configure(%v, %v) succeeds", bad.group, bad.interval)
			}
		}
	})
}

// TestInterfaces lets interfaces come and go.
func TestInterfaces(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		all := peer(t, n, LocalGroup)
		if err := all.Join(3, LocalGroup); err != nil {
			t.Fatal(err)
		}
		first, second := eth(2, "10.0.0.1"), eth(3, "10.0.1.1")
		h := start(t, n, quiet(), first)
		h.set(t, session("1", 1))
		expectSaid(t, "one interface", all.listen(t, settle), "announce 1.1")

		h.SetInterfaces([]netif.Interface{first, second})
		got := all.listen(t, settle)
		expectSaid(t, "second interface", got, "announce 1.1")
		if len(got) == 1 && (got[0].Interface != 3 || got[0].From != second.Addresses[0].Addr()) {
			t.Errorf("announced on interface %d from %s; want 3 from %s", got[0].Interface, got[0].From, second.Addresses[0].Addr())
		}
		both := []string{"2 224.2.127.254", "2 239.255.255.255", "3 224.2.127.254", "3 239.255.255.255"}
		if diff := cmp.Diff(both, h.station.memberships()); diff != "" {
			t.Errorf("memberships (-want +got):\n%s", diff)
		}
		h.set(t, session("1", 2))
		expectSaid(t, "changed", all.listen(t, settle), "announce 1.2", "announce 1.2",
			"delete 1.1", "delete 1.1", "delete 1.1", "delete 1.1", "delete 1.1", "delete 1.1")

		renumbered := eth(2, "10.0.0.7")
		h.SetInterfaces([]netif.Interface{renumbered, second})
		expectSaid(t, "another address", all.listen(t, settle))

		unplugged := renumbered
		unplugged.Carrier = false
		h.SetInterfaces([]netif.Interface{unplugged, second})
		expectSaid(t, "no carrier", all.listen(t, settle))
		h.SetInterfaces([]netif.Interface{renumbered, second})
		got = all.listen(t, settle)
		expectSaid(t, "carrier", got, "announce 1.2")
		if len(got) == 1 && (got[0].Interface != 2 || got[0].From != renumbered.Addresses[0].Addr()) {
			t.Errorf("announced on interface %d from %s; want 2 from the new address", got[0].Interface, got[0].From)
		}

		tunnel := eth(4, "10.0.4.1")
		tunnel.Multicast = false
		h.SetInterfaces([]netif.Interface{tunnel, second})
		expectSaid(t, "first gone", all.listen(t, settle))
		if diff := cmp.Diff(both[2:], h.station.memberships()); diff != "" {
			t.Errorf("memberships (-want +got):\n%s", diff)
		}
		h.SetInterfaces(nil)
		if got := h.station.memberships(); got != nil {
			t.Errorf("memberships %v remain", got)
		}
		h.set(t)
		h.SetInterfaces([]netif.Interface{first})
		expectSaid(t, "nothing to announce", all.listen(t, settle))
	})
}

// TestFindEachOther has two directories on one network, on which other hosts use
// other groups.
func TestFindEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		a := start(t, n, quiet(), eth(2, "10.0.0.1"))
		b := start(t, n, quiet(), eth(2, "10.0.0.2"))
		site := netip.MustParseAddr("239.195.255.255")
		if err := b.Configure(site, time.Minute); err != nil {
			t.Fatal(err)
		}
		a.set(t, session("1", 1))
		other := peer(t, n)
		theirs := Packet{Hash: 7, Origin: other.address, Payload: []byte(session("9", 1).SDP)}
		other.tell(t, 2, GlobalGroup, theirs)
		time.Sleep(settle)
		expectTold(t, "at a", a, "announce 9.1")
		events := b.takeEvents()
		if len(events) != 2 {
			t.Fatalf("b is told of %d packets; want 2", len(events))
		}
		i := slices.IndexFunc(events, func(e Event) bool { return e.Hash == hashOf(session("1", 1).SDP) })
		if i < 0 || events[i].From != netip.MustParseAddr("10.0.0.1") || events[i].At.IsZero() || string(events[i].Payload) != session("1", 1).SDP {
			t.Errorf("b is told %+v; want the session of a", events)
		}
		other.tell(t, 2, site, theirs)
		other.tell(t, 2, LocalGroup, Packet{Delete: true, Hash: 7, Origin: other.address, Payload: []byte(originLine(session("9", 1).SDP))})
		expectTold(t, "at a, who is not on b's group", a, "delete 9.1")
		expectTold(t, "at b", b, "announce 9.1", "delete 9.1")
		a.stop()
		expectTold(t, "at b", b, "delete 1.1", "delete 1.1", "delete 1.1")
	})
}

// TestOwn checks that our packets are known as such as long as they may come back,
// and that another program on this host is not taken for us.
func TestOwn(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h := start(t, n, quiet(), eth(2, "10.0.0.1"), eth(3, "10.0.1.1"))
		h.set(t, session("1", 1))
		time.Sleep(settle)
		own := Packet{Hash: hashOf(session("1", 1).SDP), Origin: session("1", 1).Origin, Payload: []byte(session("1", 1).SDP)}
		program := own
		program.Hash++
		sameHash := own
		sameHash.Origin = netip.MustParseAddr("10.0.0.2")
		h.station.tell(t, 2, LocalGroup, own)
		h.station.tell(t, 2, LocalGroup, program)
		h.station.tell(t, 2, LocalGroup, sameHash)
		expectTold(t, "announced", h, "announce 1.1", "announce 1.1")
		h.set(t)
		time.Sleep(settle)
		h.station.tell(t, 2, LocalGroup, own)
		expectTold(t, "just deleted", h)
		time.Sleep(linger)
		h.station.tell(t, 2, LocalGroup, own)
		expectTold(t, "long ago", h, "announce 1.1")
		h.set(t, session("2", 1))
		h.inspect(func() {
			if got := len(h.ads); got != 1 {
				t.Errorf("%d announcements are remembered; want 1", got)
			}
		})
	})
}

// TestLoopbackOnly tries out on one host: what it announces it also finds.
func TestLoopbackOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		lo := netif.Interface{Index: loopback, Name: "lo", Loopback: true, Carrier: true,
			Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}}
		h := start(t, n, quiet(), lo)
		h.set(t, session("1", 1))
		time.Sleep(settle)
		expectTold(t, "loopback only", h, "announce 1.1")
		h.set(t)
		time.Sleep(settle)
		expectTold(t, "loopback only", h, "delete 1.1", "delete 1.1", "delete 1.1")
		h.SetInterfaces([]netif.Interface{lo, eth(2, "10.0.0.1")})
		h.set(t, session("1", 1))
		time.Sleep(settle)
		expectTold(t, "loopback among others", h)
	})
}

// TestIgnores sends what is no session description.
func TestIgnores(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		other := peer(t, n)
		h := start(t, n, quiet(), eth(2, "10.0.0.1"))
		good := Packet{Hash: 7, Origin: other.address, Payload: []byte(session("9", 1).SDP)}
		text := good
		text.Type = "text/plain"
		other.tell(t, 2, LocalGroup, text)
		for _, data := range []string{"", "hello", "\x22\x00\x12\x34\xc0\xa8\x01\x01" + example} {
			if err := other.Send(Datagram{Interface: 2, Group: LocalGroup, Data: []byte(data)}); err != nil {
				t.Fatal(err)
			}
		}
		h.station.inbox <- Datagram{Interface: 3, Group: LocalGroup, Data: []byte(exampleHeader + example)}
		other.tell(t, 2, LocalGroup, good)
		expectTold(t, "one good packet", h, "announce 9.1")
	})
}

func TestHash(t *testing.T) {
	// Receivers compare with what they heard before a restart, of another version of
	// this program perhaps: the function must stay what it is.
	if got, want := hashOf(example), uint16(0x47be); got != want {
		t.Errorf("hash of the example = %#x; want %#x", got, want)
	}
	seen := make(map[uint16]bool)
	for n := range 200000 {
		seen[hashOf(fmt.Sprint(n))] = true
	}
	if seen[0] || len(seen) < 60000 {
		t.Errorf("%d different hashes, 0 among them: %v; want nearly all of %d but 0", len(seen), seen[0], math.MaxUint16)
	}
	for h, want := range map[uint16]uint16{1: 2, math.MaxUint16: 1} {
		if got := after(h); got != want {
			t.Errorf("after(%d) = %d; want %d", h, got, want)
		}
	}
}

// TestHashTaken has sessions that make the same hash: the same description twice, and
// two that happen to.
func TestHashTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		all := peer(t, n, LocalGroup)
		h := start(t, n, quiet(), eth(2, "10.0.0.1"))
		a := session("1", 1)
		twin := a
		twin.Key = "twin"
		var b Entry
		for v := 2; ; v++ {
			if b = session("2", v); hashOf(b.SDP) == hashOf(a.SDP) {
				break
			}
		}
		list := []Entry{a, twin, b}
		hashes := func() (list []uint16) {
			for _, p := range all.listen(t, settle) {
				list = append(list, p.Hash)
			}
			return list
		}
		h.set(t, list...)
		first := hashOf(a.SDP)
		if diff := cmp.Diff([]uint16{first, first + 1, first + 2}, hashes()); diff != "" {
			t.Errorf("hashes (-want +got):\n%s", diff)
		}
		// b keeps its own when the others go.
		h.set(t, b)
		hashes()
		h.set(t, b, session("3", 1))
		if diff := cmp.Diff([]uint16{hashOf(session("3", 1).SDP)}, hashes()); diff != "" {
			t.Errorf("hashes (-want +got):\n%s", diff)
		}
	})
}

func TestSetErrors(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		all := peer(t, n, LocalGroup)
		h := start(t, n, quiet(), eth(2, "10.0.0.1"))
		bad := session("bad", 1)
		bad.Origin = netip.Addr{}
		err := h.Set([]Entry{bad, session("1", 1), session("1", 2)})
		if err == nil || !strings.Contains(err.Error(), "announce bad: ") {
			t.Errorf("Set with a bad origin = %v; want an error with its key", err)
		}
		expectSaid(t, "the others, the first of each key", all.listen(t, settle), "announce 1.1")
	})
}

// TestTooLong warns once of a description that does not fit into a packet, and sends it.
func TestTooLong(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		all := peer(t, n, LocalGroup)
		var out bytes.Buffer
		h := start(t, n, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})), eth(2, "10.0.0.1"))
		size := headerSize + len(TypeSDP) + 1 + len(session("1", 1).SDP)
		fits, long := session("1", 1), session("1", 2)
		fits.SDP += strings.Repeat("a", unfragmented-size)
		long.SDP += strings.Repeat("a", unfragmented-size+1)
		h.set(t, fits)
		if out.Len() > 0 {
			t.Errorf("warning of %d bytes: %s", unfragmented, out.String())
		}
		all.listen(t, settle)
		h.set(t, long)
		all.listen(t, settle)
		longer := long
		longer.SDP += "a"
		h.set(t, longer)
		if got := strings.Count(out.String(), "level=WARN"); got != 1 {
			t.Errorf("%d warnings; want 1:\n%s", got, out.String())
		}
		got := all.listen(t, settle)
		if len(got) == 0 || string(got[0].Payload) != longer.SDP {
			t.Errorf("heard %v; want the long description", said(got))
		}
	})
}

// TestConcurrent has all methods called at once; the race detector looks on.
func TestConcurrent(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		h := start(t, n, quiet(), eth(2, "10.0.0.1"))
		var callers sync.WaitGroup
		for i := range 8 {
			callers.Go(func() {
				for v := range 50 {
					h.Set([]Entry{session(fmt.Sprint(i), v)})
					h.SetInterfaces([]netif.Interface{eth(2+v%2, "10.0.0.1")})
					h.Configure([]netip.Addr{LocalGroup, GlobalGroup}[v%2], time.Duration(v)*time.Second)
					time.Sleep(time.Millisecond)
				}
			})
		}
		callers.Wait()
		h.set(t)
		time.Sleep(settle)
		h.inspect(func() {
			for _, l := range h.links {
				if len(l.turns) != 0 {
					t.Errorf("%d turns remain on %s", len(l.turns), l.Name)
				}
			}
		})
		time.Sleep(linger)
		h.set(t)
		h.inspect(func() {
			if len(h.ads) != 0 || len(h.announced) != 0 {
				t.Errorf("%d announcements and %d entries remain", len(h.ads), len(h.announced))
			}
		})
	})
}
