package ptp

import (
	"encoding/binary"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/facebook/time/ptp/protocol"

	"aes67os/driver/userspace/media"
)

// following makes a node that follows a master, and what gives it the next eighth of a second:
// a Sync, a Follow_Up and a tick.
func following(t testing.TB) (n *node, next func()) {
	var now reading
	h := newHost(func() reading { return now }, func() int { return 0 })
	clock := newClock(new(media.Clock), nil, slog.New(slog.DiscardHandler), h, nil)
	at := time.Unix(1_800_000_000, 0)
	n = newNode(at, clock, Config{Interfaces: []string{"eth0"}, SlaveOnly: true}.withDefaults(), func(Status) {})
	p := n.ports[0]
	n.attach(at, p, deafWire{})
	from := netip.MustParseAddr("10.0.0.1")
	announce, sync, followUp := fromHex(t, recorded["announce"]), fromHex(t, recorded["sync"]), fromHex(t, recorded["follow up"])
	sequence := uint16(0)
	give := func(b []byte, stamped bool) {
		binary.BigEndian.PutUint16(b[30:], sequence)
		n.receive(at, p, packet{data: b, from: from, stamp: now.raw, stamped: stamped})
	}
	next = func() {
		at = at.Add(publishInterval)
		d := publishInterval.Nanoseconds()
		now = reading{now.raw + d, now.mono + d, now.real + d, 0}
		sequence++
		if sequence%announceTicks == 0 {
			give(announce, false)
		}
		give(sync, true)
		origin := wireTime(1_800_000_000e9 + now.raw)
		copy(followUp[34:40], origin.Seconds[:])
		binary.BigEndian.PutUint32(followUp[40:], origin.Nanoseconds)
		give(followUp, false)
		if s := n.slave; s != nil && s.waiting {
			n.slave.delayResponse(&protocol.DelayResp{
				Header:        protocol.Header{SequenceID: s.request},
				DelayRespBody: protocol.DelayRespBody{ReceiveTimestamp: origin, RequestingPortIdentity: p.identity()},
			})
		}
		n.tick(at)
	}
	for range 400 {
		next()
	}
	return n, next
}

func BenchmarkFollowing(b *testing.B) {
	n, next := following(b)
	if s := n.status(); s.Lock == 0 {
		b.Fatalf("status %+v", s)
	}
	b.ReportAllocs()
	for b.Loop() {
		next()
	}
}

// TestGarbage checks that following a master makes little of it.
func TestGarbage(t *testing.T) {
	_, next := following(t)
	if n := testing.AllocsPerRun(500, next); n > 8 {
		t.Errorf("%v allocations for a Sync, its Follow_Up and a tick; want 8 at most", n)
	}
}
