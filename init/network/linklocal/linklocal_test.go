package linklocal_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/init/network/acd"
	"aes67os/init/network/arp"
	"aes67os/init/network/linklocal"

	"github.com/google/go-cmp/cmp"
)

var (
	ours   = arp.MAC{2, 0, 0, 0, 0, 1}
	theirs = arp.MAC{2, 0, 0, 0, 0, 2}
)

func TestCandidates(t *testing.T) {
	low, high := netip.MustParseAddr("169.254.1.0"), netip.MustParseAddr("169.254.254.255")
	a, again, b := linklocal.NewCandidates(ours), linklocal.NewCandidates(ours), linklocal.NewCandidates(theirs)
	same := 0
	for range 200000 {
		addr := a.Next()
		if addr.Less(low) || high.Less(addr) {
			t.Fatalf("%s is outside of %s to %s", addr, low, high)
		}
		if got := again.Next(); got != addr {
			t.Fatalf("the same host gets %s and %s", addr, got)
		}
		if b.Next() == addr {
			same++
		}
	}
	if same > 100 {
		t.Errorf("two hosts chose alike %d times", same)
	}
}

// candidates are the first n of our host.
func candidates(n int) []netip.Addr {
	c := linklocal.NewCandidates(ours)
	all := make([]netip.Addr, n)
	for i := range all {
		all[i] = c.Next()
	}
	return all
}

// segment is a wire in memory; taken tells which addresses another host defends.
type segment struct {
	taken  func(netip.Addr) bool
	in     chan arp.Packet
	closed chan struct{}
}

func newSegment(taken func(netip.Addr) bool) *segment {
	return &segment{taken: taken, in: make(chan arp.Packet, 10), closed: make(chan struct{})}
}

func (s *segment) Send(p arp.Packet) error {
	if p.SenderIP.IsUnspecified() && s.taken(p.TargetIP) {
		s.in <- arp.Packet{Operation: arp.Reply, SenderMAC: theirs, SenderIP: p.TargetIP, TargetMAC: ours}
	}
	return nil
}

func (s *segment) Receive() (arp.Packet, error) {
	select {
	case p := <-s.in:
		return p, nil
	case <-s.closed:
		return arp.Packet{}, io.ErrClosedPipe
	}
}

func (s *segment) Close() error {
	close(s.closed)
	return nil
}

// diary writes down what the handler is told, with the time in seconds.
type diary struct {
	start  time.Time
	lines  []string
	onHeld func(netip.Addr)
}

func (d *diary) add(what string, a netip.Addr) {
	d.lines = append(d.lines, fmt.Sprintf("%.0f s: %s %s", time.Since(d.start).Seconds(), what, a))
}

func (d *diary) Claimed(a netip.Addr) {
	d.add("claimed", a)
	if d.onHeld != nil {
		d.onHeld(a)
	}
}

func (d *diary) Lost(a netip.Addr, _ *acd.Conflict) { d.add("lost", a) }

// run runs a claimer for a time, and returns what it was told.
func run(t *testing.T, s *segment, d *diary, prefer netip.Addr, length time.Duration) []string {
	t.Helper()
	timings := acd.DefaultTimings()
	timings.ProbeWait = 0
	timings.ProbeMax = timings.ProbeMin // a claim takes 4 s
	detector := acd.New(s, ours, timings)
	defer detector.Close()
	d.start = time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	c := linklocal.Claimer{Detector: detector, MAC: ours, Timings: timings, Handler: d, Prefer: prefer}
	if err := c.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run() = %v, want the context's error", err)
	}
	return d.lines
}

func TestClaim(t *testing.T) {
	mine := candidates(20)
	preferred := netip.MustParseAddr("169.254.20.20")
	for _, tt := range []struct {
		name   string
		taken  []netip.Addr
		prefer netip.Addr
		length time.Duration
		want   []string
	}{
		{"free", nil, netip.Addr{}, time.Hour, []string{"4 s: claimed " + mine[0].String()}},
		{"preferred", nil, preferred, time.Hour, []string{"4 s: claimed 169.254.20.20"}},
		{"preferred taken", []netip.Addr{preferred}, preferred, time.Hour, []string{"4 s: claimed " + mine[0].String()}},
		{"three taken", mine[:3], netip.Addr{}, time.Hour, []string{"4 s: claimed " + mine[3].String()}},
		{"ten taken", mine[:10], netip.Addr{}, time.Hour, []string{"64 s: claimed " + mine[10].String()}},
		{"twelve taken", mine[:12], netip.Addr{}, time.Hour, []string{"184 s: claimed " + mine[12].String()}},
		{"ended while probing", nil, netip.Addr{}, 3 * time.Second, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSegment(func(a netip.Addr) bool { return slices.Contains(tt.taken, a) })
				got := run(t, s, new(diary), tt.prefer, tt.length)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine := candidates(2)
		s := newSegment(func(netip.Addr) bool { return false })
		d := &diary{onHeld: func(a netip.Addr) {
			if a == mine[0] { // two conflicts within DEFEND_INTERVAL
				time.AfterFunc(20*time.Second, func() { s.in <- arp.Announcement(theirs, a) })
				time.AfterFunc(26*time.Second, func() { s.in <- arp.Announcement(theirs, a) })
			}
		}}
		want := []string{
			"4 s: claimed " + mine[0].String(),
			"30 s: lost " + mine[0].String(),
			"34 s: claimed " + mine[1].String(),
		}
		if diff := cmp.Diff(want, run(t, s, d, netip.Addr{}, time.Hour)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
