package ptp

import (
	"fmt"
	"testing"
	"time"

	"github.com/facebook/time/ptp/protocol"

	"aes67os/driver"
)

// near fails unless the mapping is nearly right.
func (b *box) near(t *testing.T, truth func() int64, within time.Duration) {
	t.Helper()
	if off := b.off(truth); max(off, -off) > within.Nanoseconds() {
		t.Errorf("the mapping is off by %d ns; want %v at most", off, within)
	}
}

// locked fails unless the status is that of a clock locked to a master.
func locked(t *testing.T, s Status, id driver.ClockID) {
	t.Helper()
	if s.Lock != driver.Locked || s.Master || s.Grandmaster != id || s.Interface < 0 {
		t.Errorf("status %+v; want locked to %s", s, id)
	}
}

// TestFollows checks what masters may do.
func TestFollows(t *testing.T) {
	const correction = 3 * time.Microsecond
	for _, test := range []struct {
		name   string
		master func(w *world, p *puppet)
	}{
		{"two-step", func(*world, *puppet) {}},
		{"one-step", func(_ *world, p *puppet) { p.oneStep = true }},
		{"Follow_Up before Sync", func(_ *world, p *puppet) { p.early = true }},
		{"corrections of transparent clocks", func(_ *world, p *puppet) {
			p.change = func(m any) bool {
				switch m := m.(type) {
				case *protocol.SyncDelayReq:
					m.CorrectionField = protocol.NewCorrection(float64(correction))
				case *protocol.FollowUp:
					// The path is shorter by what both say, and the way back by as much.
					m.CorrectionField = protocol.NewCorrection(float64(correction))
				case *protocol.DelayResp:
					m.CorrectionField = protocol.NewCorrection(float64(2 * correction))
				}
				return true
			}
		}},
		{"TLVs that nobody knows", func(_ *world, p *puppet) {
			p.change = func(m any) bool {
				a, ok := m.(*protocol.Announce)
				if ok {
					a.MessageLength += 8
					b, _ := a.MarshalBinary()
					p.end.SendGeneral(append(b, 0x7f, 0xff, 0, 4, 1, 2, 3, 4), group)
				}
				return !ok
			}
		}},
		{"another version of the standard", func(_ *world, p *puppet) {
			p.change = func(m any) bool {
				if a, ok := m.(*protocol.Announce); ok {
					a.Version = protocol.Version
				}
				return true
			}
		}},
		{"Syncs doubled", func(_ *world, p *puppet) {
			p.change = func(m any) bool {
				if s, ok := m.(*protocol.SyncDelayReq); ok {
					b, _ := s.MarshalBinary()
					p.end.SendEvent(b, group)
				}
				return true
			}
		}},
		{"Syncs lost", func(_ *world, p *puppet) {
			n := 0
			p.change = func(m any) bool {
				_, sync := m.(*protocol.SyncDelayReq)
				n++
				return !sync || n%3 > 0
			}
		}},
		{"intervals not named", func(_ *world, p *puppet) {
			p.grant = noInterval
			p.announce.LogMessageInterval = noInterval
		}},
		{"an alternate master beside it", func(w *world, p *puppet) {
			other := w.puppet(9)
			other.announce.GrandmasterPriority1 = 1
			other.announce.FlagField |= protocol.FlagAlternateMaster
			w.t.Cleanup(other.start().stop)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.t = t
				p, b := w.puppet(1), w.box(2, 50)
				test.master(w, p)
				defer p.start().stop()
				defer b.start(t, Config{})()
				s := b.after(10 * time.Second)
				locked(t, s, p.id())
				b.near(t, p.time, 200*time.Nanosecond)
				if want := (w.delay - 2*correction).Nanoseconds(); test.name[0] == 'c' && (s.PathDelay < want-200 || s.PathDelay > want+200) {
					t.Errorf("path delay %d ns; want %d", s.PathDelay, want)
				}
			})
		})
	}
}

// TestLocksSoon checks in what time, from the moment when it may follow.
func TestLocksSoon(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, b := w.puppet(1), w.box(2, -80)
		defer p.start().stop()
		defer b.start(t, Config{})()
		// The second Announce comes after 2 s, before which nothing counts.
		if s := b.after(2*time.Second - time.Millisecond); s.Lock != driver.Unlocked || s.Grandmaster != (driver.ClockID{}) || b.media.Mapping() != nil {
			t.Errorf("status %+v after one Announce; want nothing", s)
		}
		if s := b.after(500 * time.Millisecond); s.Lock != driver.Locking || s.Grandmaster != p.id() {
			t.Errorf("status %+v after two; want locking", s)
		}
		locked(t, b.after(3*time.Second), p.id())
	})
	// A single measurement of the path delay will do only if there is no other for long.
	inWorld(t, func(t *testing.T, w *world) {
		p, b := w.puppet(1), w.box(2, -80)
		answered := false
		p.change = func(m any) bool {
			_, answer := m.(*protocol.DelayResp)
			once := answer && answered
			answered = answered || answer
			return !once
		}
		defer p.start().stop()
		defer b.start(t, Config{})()
		if s := b.after(5500 * time.Millisecond); s.Lock != driver.Locking || b.media.Mapping() == nil {
			t.Errorf("status %+v after one answer; want locking", s)
		}
		locked(t, b.after(time.Second), p.id())
	})
}

// TestIgnores checks what is no master for us: we take over instead.
func TestIgnores(t *testing.T) {
	announce := func(change func(*protocol.Announce)) func(*puppet) {
		return func(p *puppet) { change(&p.announce) }
	}
	for _, test := range []struct {
		name string
		peer func(*puppet)
	}{
		{"another domain", announce(func(a *protocol.Announce) { a.DomainNumber = 1 })},
		{"PTP version 1", announce(func(a *protocol.Announce) { a.Version = 1 })},
		{"802.1AS", announce(func(a *protocol.Announce) { a.SdoIDAndMsgType |= 0x10 })},
		{"alternate master", announce(func(a *protocol.Announce) { a.FlagField |= protocol.FlagAlternateMaster })},
		{"255 steps away", announce(func(a *protocol.Announce) { a.StepsRemoved = 255 })},
		{"our own time come back", announce(func(a *protocol.Announce) {
			a.StepsRemoved = 1
			a.GrandmasterIdentity, _ = protocol.NewClockIdentity([]byte{0x02, 0, 0, 0, 0, 2})
		})},
		{"our own message", announce(func(a *protocol.Announce) {
			a.SourcePortIdentity.ClockIdentity, _ = protocol.NewClockIdentity([]byte{0x02, 0, 0, 0, 0, 2})
		})},
		{"announced once", func(p *puppet) {
			n := 0
			p.change = func(m any) bool {
				if _, ok := m.(*protocol.Announce); ok {
					n++
					return n == 1
				}
				return true
			}
		}},
		{"a worse one", announce(func(a *protocol.Announce) { a.GrandmasterPriority1 = 200 })},
		{"cut short", func(p *puppet) {
			p.change = func(m any) bool {
				if a, ok := m.(*protocol.Announce); ok {
					b, _ := a.MarshalBinary()
					p.end.SendGeneral(b[:len(b)-1], group)
					return false
				}
				return true
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.t = t
				p, b := w.puppet(1), w.box(2, 0)
				test.peer(p)
				defer p.start().stop()
				defer b.start(t, Config{})()
				if s := b.after(10 * time.Second); !s.Master || s.Lock != driver.Locked {
					t.Errorf("status %+v; want to be master", s)
				}
			})
		})
	}
}

// TestBadSyncs checks that nonsense from the master does not move the mapping.
func TestBadSyncs(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(m any)
	}{
		{"an impossible number of nanoseconds", func(m any) {
			if f, ok := m.(*protocol.FollowUp); ok {
				f.PreciseOriginTimestamp.Nanoseconds = 1e9
			}
		}},
		{"a time in the far future", func(m any) {
			if f, ok := m.(*protocol.FollowUp); ok {
				f.PreciseOriginTimestamp.Seconds[0] = 0xff
			}
		}},
		{"a correction that is too big", func(m any) {
			if f, ok := m.(*protocol.SyncDelayReq); ok {
				f.CorrectionField = 1<<63 - 1
			}
		}},
		{"old sequence numbers", func(m any) {
			switch m := m.(type) {
			case *protocol.SyncDelayReq:
				m.SequenceID -= 1000
			case *protocol.FollowUp:
				m.SequenceID -= 1000
				m.PreciseOriginTimestamp.Seconds[5]++
			}
		}},
		{"delays of less than a year", func(m any) {
			if d, ok := m.(*protocol.DelayResp); ok {
				d.ReceiveTimestamp.Seconds[2]--
			}
		}},
		{"answers to others", func(m any) {
			if d, ok := m.(*protocol.DelayResp); ok {
				d.RequestingPortIdentity.PortNumber++
				d.ReceiveTimestamp.Nanoseconds = 0
			}
		}},
		{"answers to nothing", func(m any) {
			if d, ok := m.(*protocol.DelayResp); ok {
				d.SequenceID++
				d.ReceiveTimestamp.Nanoseconds = 0
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				p, b := w.puppet(1), w.box(2, 10)
				bad := false
				p.change = func(m any) bool {
					if bad {
						test.change(m)
					}
					return true
				}
				defer p.start().stop()
				defer b.start(t, Config{})()
				locked(t, b.after(10*time.Second), p.id())
				p.mu.Lock()
				bad = true
				p.mu.Unlock()
				b.after(2 * time.Second)
				b.near(t, p.time, 200*time.Nanosecond)
			})
		})
	}
}

// TestSequenceBegunAnew has a master that counts from somewhere else after a pause.
func TestSequenceBegunAnew(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, b := w.puppet(1), w.box(2, 10)
		p.start()
		defer b.start(t, Config{SlaveOnly: true})()
		locked(t, b.after(20*time.Second), p.id())
		p.stop()
		if s := b.after(4 * time.Second); s.Lock != driver.Unlocked {
			t.Errorf("status %+v without Syncs; want unlocked", s)
		}
		p = w.puppet(1) // numbers begin at 0
		defer p.start().stop()
		locked(t, b.after(5*time.Second), p.id())
	})
}

// TestDelayRequests checks how often they are sent: what the master allows, in the mean.
func TestDelayRequests(t *testing.T) {
	for _, test := range []struct {
		grant     protocol.LogInterval
		low, high int
	}{
		{0, 70, 130}, {1, 35, 65}, {3, 6, 20}, {-2, 260, 400}, {noInterval, 70, 130},
		{127 - 1, 1, 20}, // bounded by 32 s
		{-128, 780, 801}, // and by our own pace
	} {
		inWorld(t, func(t *testing.T, w *world) {
			p, b := w.puppet(1), w.box(2, 10)
			p.grant = test.grant
			defer p.start().stop()
			defer b.start(t, Config{})()
			b.after(2125 * time.Millisecond)
			b.after(100 * time.Second)
			n := p.count(protocol.MessageDelayReq)
			if n < test.low || n > test.high {
				t.Errorf("%d requests in 100 s with 2^%d s granted; want %d to %d", n, test.grant, test.low, test.high)
			}
		})
	}
}

// TestDeaf has a master that answers no delay requests.
func TestDeaf(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, b := w.puppet(1), w.box(2, 10)
		p.mute = true
		defer p.start().stop()
		defer b.start(t, Config{})()
		if s := b.after(5 * time.Second); s.Lock != driver.Locking || b.media.Mapping() != nil {
			t.Errorf("status %+v; want locking without a mapping", s)
		}
		s := b.after(5 * time.Second)
		locked(t, s, p.id())
		if s.PathDelay != 0 {
			t.Errorf("path delay %d ns; want 0", s.PathDelay)
		}
		b.near(t, p.time, w.delay+time.Microsecond)
	})
}

// TestDelayAnswers has masters answer delay requests to all or to one, and want to be asked
// alone.
func TestDelayAnswers(t *testing.T) {
	unicast := func(p *puppet) {
		p.change = func(m any) bool {
			if s, ok := m.(*protocol.SyncDelayReq); ok {
				s.FlagField |= protocol.FlagUnicast
			}
			return true
		}
	}
	for _, test := range []struct {
		name   string
		master func(p *puppet)
		// alone tells that it is to be asked alone, and late that we find that out.
		alone bool
		late  int
	}{
		{"multicast", func(*puppet) {}, false, 0},
		{"answers to one", func(p *puppet) { p.private = true }, false, 0},
		{"wants to be asked alone", func(p *puppet) { p.private, p.picky = true, true }, true, 1},
		{"sends its Syncs to us alone", func(p *puppet) { p.private, p.picky = true, true; unicast(p) }, true, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				p, b := w.puppet(1), w.box(2, 10)
				test.master(p)
				defer p.start().stop()
				defer b.start(t, Config{})()
				s := b.after(15 * time.Second)
				locked(t, s, p.id())
				if want := w.delay.Nanoseconds(); s.PathDelay < want-100 || s.PathDelay > want+100 {
					t.Errorf("path delay %d ns; want %d", s.PathDelay, want)
				}
				if n := b.logged("the PTP master does not answer delay requests"); n != test.late {
					t.Errorf("said %d times that it does not answer; want %d", n, test.late)
				}
				b.after(10 * time.Second)
				p.mu.Lock()
				defer p.mu.Unlock()
				for _, m := range p.heard[max(0, len(p.heard)-5):] {
					if r := m.(*protocol.SyncDelayReq); (r.FlagField&protocol.FlagUnicast != 0) != test.alone {
						t.Errorf("asked with the flags %#x; alone: want %v", r.FlagField, test.alone)
					}
				}
			})
		})
	}
}

// TestTwinMaster has a second master of the same identity, with another time, come, and the
// first fall silent, come back and go.
func TestTwinMaster(t *testing.T) {
	for _, first := range []byte{1, 9} { // it does not matter whose address is lower
		inWorld(t, func(t *testing.T, w *world) {
			p, twin, b := w.puppet(first), w.puppet(5), w.box(2, 10)
			twin.node.identity, twin.announce.SourcePortIdentity, twin.announce.GrandmasterIdentity = p.node.identity, p.announce.SourcePortIdentity, p.announce.GrandmasterIdentity
			twin.step(100 * time.Millisecond)
			p.start()
			defer b.start(t, Config{})()
			locked(t, b.after(20*time.Second), p.id())
			defer twin.start().stop()
			for range 30 {
				locked(t, b.after(time.Second), p.id())
				b.near(t, p.time, time.Microsecond)
			}
			if n := b.logged("two PTP masters have one identity"); n != 1 {
				t.Errorf("said %d times that there are two; want once", n)
			}
			p.mu.Lock()
			p.change = func(m any) bool { _, announce := m.(*protocol.Announce); return announce }
			p.mu.Unlock()
			locked(t, b.after(20*time.Second), p.id())
			b.near(t, twin.time, time.Microsecond)
			p.mu.Lock()
			p.change = func(any) bool { return true }
			p.mu.Unlock()
			for range 20 { // it is good again, but no better
				locked(t, b.after(time.Second), p.id())
				b.near(t, twin.time, time.Microsecond)
			}
			p.stop()
			locked(t, b.after(20*time.Second), p.id())
			b.near(t, twin.time, time.Microsecond)
		})
	}
}

// TestTimestamps checks what is told of where timestamps come from.
func TestTimestamps(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, b := w.puppet(1), w.box(2, 10)
		var e *end
		plug := b.plug
		b.plug = func() *end {
			e = plug()
			e.stamping = stamping{hardware: true}
			return e
		}
		p.start()
		defer b.start(t, Config{SlaveOnly: true})()
		check := func(want string, hardware, software int) {
			t.Helper()
			if s := b.Status(); s.Timestamps != want {
				t.Errorf("timestamps %q; want %q", s.Timestamps, want)
			}
			for line, want := range map[string]int{"the network card takes the time": hardware, "the kernel takes the time": software} {
				if n := b.logged(line); n != want {
					t.Errorf("said %d times that %s; want %d", n, line, want)
				}
			}
		}
		b.after(time.Second)
		check("", 1, 0)
		locked(t, b.after(10*time.Second), p.id())
		check("hardware", 1, 0)
		w.mu.Lock()
		e.stamping = stamping{why: errUnplugged}
		w.mu.Unlock()
		locked(t, b.after(10*time.Second), p.id())
		check("software", 1, 1)
		p.stop()
		b.after(20 * time.Second)
		check("", 1, 1)
	})
}

// TestNegativeDelay has a path that takes less than no time.
func TestNegativeDelay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, b := w.puppet(1), w.box(2, 10)
		p.change = func(m any) bool {
			if d, ok := m.(*protocol.DelayResp); ok {
				d.CorrectionField = protocol.NewCorrection(float64(100 * time.Microsecond))
			}
			return true
		}
		defer p.start().stop()
		defer b.start(t, Config{})()
		s := b.after(10 * time.Second)
		locked(t, s, p.id())
		if s.PathDelay != 0 {
			t.Errorf("path delay %d ns; want 0", s.PathDelay)
		}
		b.near(t, p.time, w.delay+time.Microsecond)
	})
}

// TestUnstamped has a network driver that tells no time of sending.
func TestUnstamped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, b := w.puppet(1), w.box(2, 10)
		plug := b.plug
		b.plug = func() *end {
			e := plug()
			e.unstamped = true
			return e
		}
		defer p.start().stop()
		defer b.start(t, Config{})()
		locked(t, b.after(10*time.Second), p.id())
	})
}

// TestSteps has the master's time step, and checks that the mapping jumps only where that
// is too far to slew.
func TestSteps(t *testing.T) {
	for _, by := range []time.Duration{
		-time.Hour, -2 * time.Millisecond, -900 * time.Microsecond, -10 * time.Microsecond,
		10 * time.Microsecond, 900 * time.Microsecond, 2 * time.Millisecond, 37 * time.Second,
	} {
		// The times of delay requests are random.
		for n := range 10 {
			t.Run(fmt.Sprint(by, " ", n), func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					p, b := w.puppet(1), w.box(2, 30)
					defer p.start().stop()
					defer b.start(t, Config{})()
					locked(t, b.after(40*time.Second), p.id())
					p.step(by)
					jumps := 0
					begin := b.off(p.time)
					for before := begin; time.Duration(b.off(p.time)).Abs() > time.Microsecond || before == begin; {
						b.after(time.Millisecond)
						off := b.off(p.time)
						if moved := time.Duration(off - before).Abs(); moved > time.Microsecond {
							jumps++
						}
						before = off
						if jumps > 3 {
							t.Fatal("the mapping jumps again and again")
						}
					}
					want := 0
					if by.Abs() > jump {
						want = 1
					}
					if jumps != want {
						t.Errorf("%d jumps; want %d", jumps, want)
					}
					locked(t, b.after(10*time.Second), p.id())
					b.near(t, p.time, 500*time.Nanosecond)
				})
			})
		}
	}
}

// TestHostSlewed has an NTP client slew the host's clock, which audio runs by.
func TestHostSlewed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, b := w.puppet(1), w.box(2, 30)
		defer p.start().stop()
		defer b.start(t, Config{})()
		locked(t, b.after(40*time.Second), p.id())
		for _, ppm := range []float64{500, -500, 0} {
			b.crystal.slewBy(ppm)
			// Until the next mapping nobody can know, and then it is made good.
			most := time.Duration(0)
			for range 3000 {
				b.after(time.Millisecond)
				most = max(most, time.Duration(b.off(p.time)).Abs())
			}
			if limit := 250 * time.Microsecond; most > limit {
				t.Errorf("slewing by %v ppm: off by %v; want %v at most", ppm, most, limit)
			}
			b.near(t, p.time, time.Microsecond)
			locked(t, b.Status(), p.id())
		}
	})
}
