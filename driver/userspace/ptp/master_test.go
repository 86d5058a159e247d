package ptp

import (
	"context"
	"io/fs"
	"net/netip"
	"testing"
	"time"

	"github.com/facebook/time/ptp/protocol"
	"github.com/google/go-cmp/cmp"

	"aes67os/driver"
)

// TestMasterMessages checks what a grandmaster sends, and how often.
func TestMasterMessages(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, b := w.puppet(1), w.box(2, 0)
		p.change = func(any) bool { return false } // it listens only
		defer p.start().stop()
		defer b.start(t, Config{Domain: 0, Priority2: 7})()
		b.after(8 * time.Second)
		p.mu.Lock()
		p.heard = nil
		p.mu.Unlock()
		b.after(20 * time.Second)
		for kind, want := range map[protocol.MessageType]int{
			protocol.MessageAnnounce: 10, protocol.MessageSync: 160, protocol.MessageFollowUp: 160, protocol.MessageDelayReq: 0,
		} {
			if n := p.count(kind); n < want-1 || n > want+1 {
				t.Errorf("%d %s in 20 s; want %d", n, kind, want)
			}
		}
		self := protocol.PortIdentity{ClockIdentity: 0x020000fffe000002, PortNumber: 1}
		var announce *protocol.Announce
		var sync *protocol.SyncDelayReq
		var followUp *protocol.FollowUp
		p.mu.Lock()
		for _, m := range p.heard {
			switch m := m.(type) {
			case *protocol.Announce:
				announce = m
			case *protocol.SyncDelayReq:
				sync = m
			case *protocol.FollowUp:
				followUp = m
			}
		}
		p.mu.Unlock()
		wantAnnounce := &protocol.Announce{
			Header: protocol.Header{
				SdoIDAndMsgType: 0xb, Version: 2, MessageLength: 64, FlagField: protocol.FlagPTPTimescale,
				SourcePortIdentity: self, SequenceID: announce.SequenceID, ControlField: 5, LogMessageInterval: 1,
			},
			AnnounceBody: protocol.AnnounceBody{
				CurrentUTCOffset: 37, GrandmasterPriority1: 128, GrandmasterPriority2: 7, GrandmasterIdentity: self.ClockIdentity,
				GrandmasterClockQuality: protocol.ClockQuality{ClockClass: 248, ClockAccuracy: 0xfe, OffsetScaledLogVariance: 0xffff},
				TimeSource:              0xa0,
			},
		}
		if diff := cmp.Diff(wantAnnounce, announce); diff != "" {
			t.Errorf("Announce (-want +got):\n%s", diff)
		}
		wantSync := &protocol.SyncDelayReq{Header: protocol.Header{
			Version: 2, MessageLength: 44, FlagField: protocol.FlagTwoStep,
			SourcePortIdentity: self, SequenceID: sync.SequenceID, LogMessageInterval: -3,
		}}
		if diff := cmp.Diff(wantSync, sync); diff != "" {
			t.Errorf("Sync (-want +got):\n%s", diff)
		}
		wantFollowUp := &protocol.FollowUp{Header: protocol.Header{
			SdoIDAndMsgType: 0x8, Version: 2, MessageLength: 44, SourcePortIdentity: self,
			SequenceID: followUp.SequenceID, ControlField: 2, LogMessageInterval: -3,
		}, FollowUpBody: followUp.FollowUpBody}
		if diff := cmp.Diff(wantFollowUp, followUp); diff != "" {
			t.Errorf("Follow_Up (-want +got):\n%s", diff)
		}
		got, _ := nanoseconds(followUp.PreciseOriginTimestamp)
		if ago := b.crystal.read().real + 37e9 - got; ago < 0 || ago > 2*publishInterval.Nanoseconds() {
			t.Errorf("Follow_Up says %d, %v ago; want the host's time and 37 s", got, time.Duration(ago))
		}
	})
}

// TestAnswers checks delay responses, to all and to one.
func TestAnswers(t *testing.T) {
	for _, unicast := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			p, b := w.puppet(1), w.box(2, 0)
			p.change = func(any) bool { return false }
			defer p.start().stop()
			defer b.start(t, Config{})()
			b.after(10 * time.Second)
			m := protocol.SyncDelayReq{Header: p.header(protocol.MessageDelayReq, syncSize, 99, noInterval)}
			m.CorrectionField = protocol.NewCorrection(2.5)
			to, flags := group, uint16(0)
			if unicast {
				m.FlagField, to, flags = protocol.FlagUnicast, p.end.world.ends[1].address, protocol.FlagUnicast
			}
			bytes, _ := m.MarshalBinary()
			p.end.SendEvent(bytes, to)
			b.after(time.Millisecond)
			var got *protocol.DelayResp
			p.mu.Lock()
			for _, m := range p.heard {
				if d, ok := m.(*protocol.DelayResp); ok {
					got = d
				}
			}
			p.mu.Unlock()
			if got == nil {
				t.Fatal("no answer")
			}
			want := &protocol.DelayResp{
				Header: protocol.Header{
					SdoIDAndMsgType: 0x9, Version: 2, MessageLength: 54, FlagField: flags, CorrectionField: protocol.NewCorrection(2.5),
					SourcePortIdentity: protocol.PortIdentity{ClockIdentity: 0x020000fffe000002, PortNumber: 1},
					SequenceID:         99, ControlField: 3, LogMessageInterval: 0,
				},
				DelayRespBody: protocol.DelayRespBody{ReceiveTimestamp: got.ReceiveTimestamp, RequestingPortIdentity: p.identity()},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("unicast %v (-want +got):\n%s", unicast, diff)
			}
		})
	}
}

// TestElection has two of ours elect, by whatever they differ in.
func TestElection(t *testing.T) {
	for _, test := range []struct {
		name string
		a, b Config
		// first tells that a is to win. Its identity is the lower one.
		first bool
	}{
		{"alike", Config{}, Config{}, true},
		{"priority 1", Config{Priority1: 10}, Config{Priority1: 9}, false},
		{"priority 2", Config{Priority2: 10}, Config{Priority2: 9}, false},
		{"priority 1 before priority 2", Config{Priority1: 9, Priority2: 10}, Config{Priority1: 10, Priority2: 9}, true},
		{"one never leads", Config{SlaveOnly: true}, Config{Priority1: 255}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.box(1, 40), w.box(2, -40)
				defer a.start(t, test.a)()
				defer b.start(t, test.b)()
				b.after(30 * time.Second)
				leader, follower := b, a
				if test.first {
					leader, follower = a, b
				}
				s := leader.Status()
				if !s.Master || s.Lock != driver.Locked || s.Grandmaster == (driver.ClockID{}) || s.Interface != -1 {
					t.Errorf("status %+v; want master", s)
				}
				locked(t, follower.Status(), s.Grandmaster)
				follower.near(t, func() int64 { return leader.media.Mapping().PTPAt(leader.crystal.read().mono) }, 500*time.Nanosecond)
			})
		})
	}
}

// TestYields has a better master come while we are it, and go again. Time does not jump
// then, and it runs on at the rate that it had.
func TestYields(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		b := w.box(2, 50)
		defer b.start(t, Config{})()
		if s := b.after(9 * time.Second); !s.Master {
			t.Fatalf("status %+v; want master", s)
		}
		p := w.puppet(1).start()
		locked(t, b.after(60*time.Second), p.id())
		p.mu.Lock()
		p.heard = nil
		p.mu.Unlock()
		b.after(10 * time.Second)
		if n := p.count(protocol.MessageAnnounce) + p.count(protocol.MessageSync); n > 0 {
			t.Errorf("%d messages of a master who has given way", n)
		}
		p.stop()
		truth := p.time
		for range 10 {
			s := b.after(time.Second)
			b.near(t, truth, 500*time.Nanosecond)
			if !s.Master {
				continue
			}
			if s := b.after(time.Minute); !s.Master || s.Lock != driver.Locked {
				t.Errorf("status %+v; want to stay master", s)
			}
			b.near(t, truth, 5*time.Microsecond)
			return
		}
		t.Errorf("status %+v; want to be master", b.Status())
	})
}

// TestHoldover checks that a clock which never leads keeps the time, and says so.
func TestHoldover(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, b := w.puppet(1), w.box(2, 50)
		p.start()
		stop := b.start(t, Config{SlaveOnly: true})
		locked(t, b.after(60*time.Second), p.id())
		p.stop()
		s := b.after(20 * time.Second)
		if diff := cmp.Diff(Status{Interface: -1}, s); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		b.near(t, p.time, 2*time.Microsecond)
		// It stays when the clock is stopped, and over the beginning of another Run.
		stop()
		b.after(10 * time.Second)
		defer b.start(t, Config{Domain: 3})()
		b.near(t, p.time, 3*time.Microsecond)
		if s := b.after(10 * time.Second); !s.Master {
			t.Errorf("status %+v; want master", s)
		}
		b.near(t, p.time, 5*time.Microsecond)
	})
}

// TestSilentMaster has a master that announces but sends no Sync, and another.
func TestSilentMaster(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		good, silent, b := w.puppet(1), w.puppet(3), w.box(2, 0)
		quiet := true
		silent.announce.GrandmasterPriority1 = 1
		silent.change = func(m any) bool {
			_, announce := m.(*protocol.Announce)
			return announce || !quiet
		}
		defer silent.start().stop()
		defer b.start(t, Config{SlaveOnly: true})()
		if s := b.after(20 * time.Second); s.Lock != driver.Unlocked || s.Grandmaster != silent.id() {
			t.Errorf("status %+v; want unlocked", s)
		}
		defer good.start().stop()
		locked(t, b.after(10*time.Second), good.id())
		locked(t, b.after(time.Minute), good.id())
		silent.mu.Lock()
		quiet = false
		silent.mu.Unlock()
		locked(t, b.after(10*time.Second), silent.id())
	})
}

// TestManyMasters floods a clock with masters, each better than the last.
func TestManyMasters(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, b := w.puppet(1), w.box(2, 0)
		defer p.start().stop()
		defer b.start(t, Config{})()
		locked(t, b.after(10*time.Second), p.id())
		a := p.announce
		a.GrandmasterClockQuality.ClockClass = 100 // all worse than the one there is
		for n := range 200 {
			a.SourcePortIdentity.ClockIdentity, a.GrandmasterIdentity = protocol.ClockIdentity(n+1), protocol.ClockIdentity(n+1)
			for range 2 {
				a.SequenceID++
				p.send(&a, false)
			}
		}
		locked(t, b.after(10*time.Second), p.id())
	})
}

// TestForeignsBounded checks that no more are kept than there is room for, and which.
func TestForeignsBounded(t *testing.T) {
	var all foreigns
	now := time.Unix(1000, 0)
	announce := func(n int) *protocol.Announce {
		m := &protocol.Announce{}
		m.SourcePortIdentity.ClockIdentity = protocol.ClockIdentity(n)
		m.GrandmasterIdentity, m.GrandmasterPriority1 = protocol.ClockIdentity(n), uint8(n)
		return m
	}
	all.announce(now, 0, announce(250), netip.Addr{}, nil)
	keep := all[0]
	for n := 200; n > 0; n-- {
		all.announce(now, 0, announce(n), netip.Addr{}, keep)
	}
	if len(all) != maxForeign || all[0] != keep {
		t.Fatalf("%d masters are kept, the one followed among them: %v; want %d", len(all), all[0] == keep, maxForeign)
	}
	for _, f := range all[1:] {
		if f.priority1 >= maxForeign {
			t.Errorf("priority %d is kept; want the best", f.priority1)
		}
	}
}

// TestQualifies checks when a master counts, and until when (IEEE 1588-2008 §9.3.2.4).
func TestQualifies(t *testing.T) {
	begin := time.Unix(1000, 0)
	for _, test := range []struct {
		name     string
		interval protocol.LogInterval
		// heard is when Announces come, in seconds; the same one twice if negative.
		heard []float64
		at    float64
		want  bool
	}{
		{"one", 1, []float64{0}, 0, false},
		{"two", 1, []float64{0, 2}, 2, true},
		{"the same twice", 1, []float64{0, -2}, 2, false},
		{"two within the window", 1, []float64{0, 7.9}, 7.9, false}, // gone between
		{"one lost", 1, []float64{0, 5.9}, 5.9, true},
		{"until three are lost", 1, []float64{0, 2}, 8.9, true},
		{"three are lost", 1, []float64{0, 2}, 9, false},
		{"a fast one", -2, []float64{0, 0.25}, 1.1, true},
		{"a fast one, lost", -2, []float64{0, 0.25}, 1.25, false},
		{"no interval", noInterval, []float64{0, 2}, 8.9, true},
	} {
		var all foreigns
		m := &protocol.Announce{Header: protocol.Header{LogMessageInterval: test.interval}}
		for _, at := range test.heard {
			if at >= 0 {
				m.SequenceID++
			}
			now := begin.Add(time.Duration(max(at, -at) * float64(time.Second)))
			all.expire(now, 0.5)
			all.announce(now, 0, m, netip.Addr{}, nil)
		}
		all.expire(begin.Add(time.Duration(test.at*float64(time.Second))), 0.5)
		if got := len(all) > 0 && all[0].qualified; got != test.want {
			t.Errorf("%s: qualified %v; want %v", test.name, got, test.want)
		}
	}
}

// TestDatasets checks the order of clocks (IEEE 1588-2008 figures 27 and 28). Each is
// better than the next.
func TestDatasets(t *testing.T) {
	q := func(class protocol.ClockClass, accuracy protocol.ClockAccuracy, variance uint16) protocol.ClockQuality {
		return protocol.ClockQuality{ClockClass: class, ClockAccuracy: accuracy, OffsetScaledLogVariance: variance}
	}
	sender := func(id protocol.ClockIdentity, number uint16) protocol.PortIdentity {
		return protocol.PortIdentity{ClockIdentity: id, PortNumber: number}
	}
	list := []dataset{
		{1, q(248, 0xfe, 0xffff), 255, 99, 10, sender(1, 1), 1},
		{2, q(6, 0x21, 0x4e5d), 10, 90, 0, sender(1, 1), 0},
		{2, q(7, 0x20, 0x4e5d), 9, 89, 0, sender(1, 1), 0},
		{2, q(7, 0x21, 0x4e5d), 8, 88, 0, sender(1, 1), 0},
		{2, q(7, 0x21, 0x4e5e), 7, 87, 0, sender(1, 1), 0},
		{2, q(7, 0x21, 0x4e5e), 8, 7, 5, sender(9, 1), 0},
		{2, q(7, 0x21, 0x4e5e), 8, 8, 1, sender(1, 2), 0},
		{2, q(7, 0x21, 0x4e5e), 8, 8, 1, sender(2, 1), 0},
		{2, q(7, 0x21, 0x4e5e), 8, 8, 1, sender(2, 2), 0},
		{2, q(7, 0x21, 0x4e5e), 8, 8, 2, sender(1, 1), 0},
		{2, q(7, 0x21, 0x4e5e), 8, 8, 0, sender(1, 1), 1},
	}
	for i, a := range list {
		for j, b := range list {
			if got := a.compare(b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("compare(%+v, %+v) = %d", a, b, got)
			}
		}
	}
	// A silent one is better than none, and worse than any other.
	a, b := &foreign{dataset: list[0], silent: true}, &foreign{dataset: list[5]}
	if better(a, nil) != a || better(nil, a) != a || better(a, b) != b || better(b, a) != b {
		t.Error("a silent master is preferred")
	}
}

// TestUnplugged has the interface go and come, and checks what is said of it.
func TestUnplugged(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		b := w.box(2, 0)
		plug := b.plug
		b.plug = nil
		defer b.start(t, Config{Interfaces: []string{"eth7"}})()
		s := b.after(3 * time.Second)
		if want := "eth7: unplugged"; s.Fault != want || s.Master {
			t.Errorf("status %+v; want the fault %q, and to wait", s, want)
		}
		if s := b.after(10 * time.Second); !s.Master {
			t.Errorf("status %+v; want to be master of nobody", s)
		}
		b.mu.Lock()
		b.plug = plug
		b.mu.Unlock()
		p := w.puppet(1)
		said := false
		p.change = func(any) bool { return said }
		defer p.start().stop()
		if s := b.after(retryMax); s.Fault != "" {
			t.Errorf("status %+v; want no fault", s)
		}
		// It listens before it leads there, too.
		if n := p.count(protocol.MessageAnnounce); n > 0 {
			t.Errorf("%d Announces at once", n)
		}
		b.after(10 * time.Second)
		if n := p.count(protocol.MessageAnnounce); n == 0 {
			t.Error("no Announces")
		}
		p.mu.Lock()
		said = true
		p.mu.Unlock()
		locked(t, b.after(10*time.Second), p.id())
	})
}

// TestLeadsAtOnce checks who does not wait for the announce timeout.
func TestLeadsAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, b := w.puppet(1), w.box(2, 0)
		p.announce.GrandmasterPriority1 = 200
		defer p.start().stop()
		defer b.start(t, Config{})()
		if s := b.after(2500 * time.Millisecond); !s.Master {
			t.Errorf("status %+v beside a worse clock; want master", s)
		}
	})
	inWorld(t, func(t *testing.T, w *world) {
		b := w.box(2, 0)
		b.open = func(context.Context, string, uint8, *host) (wire, error) { return nil, fs.ErrPermission }
		defer b.start(t, Config{})()
		if s := b.after(time.Millisecond); !s.Master || s.Lock != driver.Locked || s.Fault == "" || b.media.Mapping() == nil {
			t.Errorf("status %+v without rights; want master, with a fault", s)
		}
		b.after(time.Minute)
		for _, line := range []string{"PTP does not run", "PTP runs free"} {
			if n := b.logged(line); n != 1 {
				t.Errorf("said %d times in a minute that %s; want once", n, line)
			}
		}
	})
	inWorld(t, func(t *testing.T, w *world) { // the opposite: an interface that will be back
		p, b := w.puppet(1), w.box(2, 0)
		defer p.start().stop()
		defer b.start(t, Config{})()
		locked(t, b.after(30*time.Second), p.id())
		b.mu.Lock()
		b.plug = nil
		b.mu.Unlock()
		w.mu.Lock()
		own := w.ends[1]
		w.mu.Unlock()
		own.Close()
		if s := b.after(time.Second); s.Master || s.Lock != driver.Unlocked {
			t.Errorf("status %+v just after the interface has gone; want unlocked", s)
		}
		if s := b.after(10 * time.Second); !s.Master {
			t.Errorf("status %+v; want master", s)
		}
	})
}

// TestReports checks that all that is not mere figures is told at once, and those rarely.
func TestReports(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, b := w.puppet(1), w.box(2, 77)
		defer p.start().stop()
		stop := b.start(t, Config{})
		b.after(20 * time.Second)
		stop()
		var got []driver.Lock
		for i, s := range b.told {
			if i == 0 || s.Lock != b.told[i-1].Lock {
				got = append(got, s.Lock)
			}
		}
		if diff := cmp.Diff([]driver.Lock{driver.Unlocked, driver.Locking, driver.Locked}, got); diff != "" {
			t.Errorf("locks (-want +got):\n%s", diff)
		}
		if n := len(b.told); n > 30 {
			t.Errorf("%d reports in 20 s", n)
		}
		if s := b.Status(); s != idle {
			t.Errorf("status %+v after Run; want %+v", s, idle)
		}
	})
}

// TestConfig checks what Run refuses.
func TestConfig(t *testing.T) {
	for _, config := range []Config{
		{}, {Interfaces: []string{"a", "b", "c"}}, {Interfaces: []string{"a"}, Domain: 128}, {Interfaces: []string{"a"}, DSCP: 64},
	} {
		if err := New(nil, nil, nil).Run(t.Context(), config); err == nil {
			t.Errorf("Run(%+v) = nil; want an error", config)
		}
	}
}
