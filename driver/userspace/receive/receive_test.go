package receive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"
	"aes67os/driver/userspace/rtp"
)

// TestMaps has streams of all codecs come to more than one sink, with channels that go
// nowhere.
func TestMaps(t *testing.T) {
	for _, codec := range []driver.Codec{driver.L16, driver.L24, driver.AM824} {
		f := newFixture(t, rate)
		st := stream(1)
		st.Codec, st.Map = codec, []int{driver.Unmapped, 5, driver.Unmapped, 0}
		f.add(st)
		other := st
		other.Map, other.PlayoutDelay = []int{1, driver.Unmapped, 2, 7}, 4*spp
		f.add(other)
		elsewhere := st
		elsewhere.Legs = []driver.Leg{st.Legs[0]}
		elsewhere.Legs[0].Destination = netip.AddrPortFrom(st.Legs[0].Destination.Addr(), 5006)
		elsewhere.Map = []int{6, 6, 6, 6}
		nothing := f.add(elsewhere)
		f.play(st, run(0, 1, step{}))
		want := map[int][]int32{}
		got := map[int][]int32{}
		for channel := range f.capture.Channels() {
			line := make([]int32, spp+1)
			f.capture.Read(channel, f.begin+int64(st.PlayoutDelay), line)
			got[channel] = line
			want[channel] = make([]int32, spp+1)
		}
		keeps := int32(-1 << 8)
		if codec == driver.L16 {
			keeps = -1 << 16
		}
		for i := range spp {
			for channel, to := range map[int]int{1: 5, 3: 0} {
				want[to][i] = value(channel, f.begin+int64(i)) & keeps
			}
		}
		for channel, to := range map[int]int{0: 1, 2: 2, 3: 7} {
			want[to][spp] = value(channel, f.begin) & keeps // a packet later
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: channels (-want +got):\n%s", codec, diff)
		}
		if got := nothing.Figures().Legs[0].Packets; got != 0 {
			t.Errorf("%s: %d packets to another port", codec, got)
		}
	}
}

// TestEdge has a packet that is just not too early.
func TestEdge(t *testing.T) {
	for _, test := range []struct {
		beyond int64
		want   driver.LegFigures
	}{
		{0, driver.LegFigures{Packets: 1}},
		{1, driver.LegFigures{Packets: 1, Early: 1}},
	} {
		f := newFixture(t, rate)
		st := stream(1)
		sink := f.add(st)
		ahead := size/2 - delay + 1 + test.beyond
		f.play(st, []step{{change: func(w *wire) { w.Timestamp += uint32(ahead) }}})
		if diff := cmp.Diff(test.want, sink.Figures().Legs[0], ignoreTimes); diff != "" {
			t.Errorf("%d beyond (-want +got):\n%s", test.beyond, diff)
		}
	}
}

func TestTimes(t *testing.T) {
	f := newFixture(t, rate)
	st := stream(2)
	sink := f.add(st)
	f.play(st, []step{
		{n: 0}, {n: 1, transit: ms}, {n: 2, transit: 3 * ms / 2}, {n: 3, transit: 5 * ms / 2},
		{n: 0, leg: 1, transit: ms / 2},
		{n: 4, change: tomorrow}, // which would spoil them
	})
	legs := sink.Figures().Legs
	got := [][]time.Duration{}
	for _, l := range legs {
		got = append(got, []time.Duration{l.Minimum, l.Average, l.Maximum})
	}
	want := [][]time.Duration{{-ms / 2, 3 * ms / 4, 2 * ms}, {3 * ms / 2, 3 * ms / 2, 3 * ms / 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
	for i, want := range []int32{72, 0} { // the better leg's, and since it was asked last
		if got := sink.Status().MinimumTime; got != want {
			t.Errorf("minimum time %d at question %d; want %d", got, i, want)
		}
	}
}

// TestFlags has flags fall when they are asked for, and those for what is there when it
// goes.
func TestFlags(t *testing.T) {
	f := newFixture(t, rate)
	st := stream(1)
	sink := f.add(st)
	check := func(what string, want driver.StreamStatus) {
		t.Helper()
		if diff := cmp.Diff(want, sink.Status()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	muted := driver.StreamStatus{Muted: true, SomeMuted: true, AllMuted: true}
	check("nothing yet", muted)
	f.play(st, []step{{n: 0}, {n: 2}, {n: 2, change: foreign}, {n: 3, change: wrongType}, {n: 1, transit: 3 * ms}})
	check("everything", driver.StreamStatus{
		Receiving: true, SequenceError: true, SSRCError: true, PayloadTypeError: true, TimestampError: true,
		MinimumTime: -48,
	})
	check("asked again", driver.StreamStatus{Receiving: true})
	f.play(st, run(5, 10, step{change: wrongType}))
	check("another type", driver.StreamStatus{Receiving: true, PayloadTypeError: true})
	f.play(st, run(10, 200, step{change: wrongType}))
	muted.PayloadTypeError = true
	check("another type for long", muted)
	f.play(st, run(200, 400, step{transit: 5 * ms}))
	check("all late", driver.StreamStatus{
		Receiving: true, SequenceError: true, TimestampError: true, MinimumTime: -144,
		Muted: true, SomeMuted: true, AllMuted: true,
	})
	f.play(st, run(410, 411, step{}))
	sink.Status()
	f.local += pause - int64(5*ms) - 1
	check("almost away", driver.StreamStatus{Receiving: true})
	f.local++
	check("away", driver.StreamStatus{Muted: true, SomeMuted: true, AllMuted: true})
}

func TestNoClock(t *testing.T) {
	f := newFixture(t, rate)
	st := stream(1)
	sink := f.add(st)
	for _, m := range []*media.Mapping{nil, {PTP: -1 << 62, Rate: 1}} {
		f.clock.Set(m)
		f.play(st, run(0, 10, step{}))
		want := driver.StreamStatus{Receiving: true, Muted: true, SomeMuted: true, AllMuted: true}
		if diff := cmp.Diff(want, sink.Status()); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
	}
	want := driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 20}}}
	if diff := cmp.Diff(want, sink.Figures()); diff != "" {
		t.Errorf("statistics (-want +got):\n%s", diff)
	}
	if got := f.heard(st, 10); got != nil {
		t.Errorf("packets %v are heard; want none", got)
	}
}

// TestClockSteps has the grandmaster's time set by as much, while the talker follows it at
// once: what comes after that is heard, and nothing else.
func TestClockSteps(t *testing.T) {
	for _, by := range []time.Duration{
		-20 * time.Microsecond, -time.Millisecond, -100 * time.Millisecond, -time.Hour,
		// Three times round the ring, and to the packets that were to be heard next.
		-3*size*time.Second/rate - 13*time.Millisecond,
		20 * time.Microsecond, time.Millisecond, 100 * time.Millisecond, time.Hour,
	} {
		const day = 24 * 3600 * rate
		f := newFixture(t, day)
		st := stream(1)
		sink := f.add(st)
		f.play(st, run(0, 100, step{}))
		f.clock.Set(&media.Mapping{PTP: int64(by), Rate: 1})
		f.device.cleaner.clean(f.device.moment())
		f.begin = media.Position(media.TimeOf(f.position(110), rate)+int64(by), rate)
		f.clock.Set(&media.Mapping{Rate: 1})
		f.local = media.TimeOf(f.begin, rate)
		f.play(st, run(0, 40, step{}))
		if diff := cmp.Diff(all(40), f.heard(st, 40)); diff != "" {
			t.Errorf("set by %s: packets heard (-want +got):\n%s", by, diff)
		}
		line, sounds := make([]int32, size), 0
		f.capture.Read(5, 0, line)
		for _, s := range line {
			if s != 0 {
				sounds++
			}
		}
		if by.Abs() >= time.Second && sounds != 40*spp {
			t.Errorf("set by %s: %d samples in the ring; want %d", by, sounds, 40*spp)
		}
		got := sink.Figures()
		if got.Lost > 120*spp || got.Legs[0].Late+got.Legs[0].Early > 0 {
			t.Errorf("set by %s: statistics %+v", by, got)
		}
	}
}

// TestLap has nothing be heard again when the ring comes round.
func TestLap(t *testing.T) {
	f := newFixture(t, rate)
	st := stream(1)
	f.add(st)
	f.play(st, run(0, 20, step{}))
	line := make([]int32, 21*spp)
	sounds := func() (n int) {
		f.capture.Read(5, f.begin+delay, line)
		for _, s := range line {
			if s != 0 {
				n++
			}
		}
		return n
	}
	for passed := int64(0); passed < size; passed += rate / 100 {
		f.local = media.TimeOf(f.begin+20*spp+passed, rate)
		f.device.cleaner.clean(f.device.moment())
		switch got := sounds(); {
		case passed < size/4-20*spp+delay && got != 20*spp:
			t.Fatalf("%d samples are left after %d; want all, for late readers", got, passed)
		case passed > size/2 && got != 0:
			t.Fatalf("%d samples are left after %d; want none, as what comes may be early", got, passed)
		}
	}
}

func TestRemove(t *testing.T) {
	f := newFixture(t, rate)
	st := stream(1)
	sink, other := f.add(st), f.add(st)
	f.play(st, run(0, 1, step{}))
	table := f.device.table.Load()
	f.device.remove(sink)
	f.device.remove(sink) // as often as you like
	f.play(st, run(1, 2, step{}))
	f.device.table.Store(table) // of a packet that was on its way
	f.play(st, run(2, 3, step{}))
	if got := sink.Figures().Legs[0].Packets; got != 1 {
		t.Errorf("%d packets; want 1, before it was removed", got)
	}
	if got := other.Figures().Legs[0].Packets; got != 3 {
		t.Errorf("%d packets; want 3 for the sink that stays", got)
	}
}

func TestInvalid(t *testing.T) {
	f := newFixture(t, rate)
	f.device.capture = ring.New(6, size)
	for what, spoil := range map[string]func(*driver.Stream){
		"source":          func(s *driver.Stream) { s.Source = true },
		"rate":            func(s *driver.Stream) { s.SampleRate = 44100 },
		"channel":         func(s *driver.Stream) { s.Map[0] = 6 },
		"delay":           func(s *driver.Stream) { s.PlayoutDelay = size/2 + 1 },
		"interface":       func(s *driver.Stream) { s.Legs[0].Interface = 2 },
		"no such codec":   func(s *driver.Stream) { s.Codec = "MP3" },
		"no destinations": func(s *driver.Stream) { s.Legs = nil },
	} {
		s := stream(1)
		spoil(&s)
		if _, err := f.device.add(s); !errors.Is(err, driver.ErrInvalid) {
			t.Errorf("%s: %v; want %v", what, err, driver.ErrInvalid)
		}
	}
	if len(f.device.sinks) != 0 {
		t.Errorf("%d sinks are left", len(f.device.sinks))
	}
}

// TestAddFails has a socket or a membership fail: nothing stays of the stream, and the
// others stay. Interfaces that are not there are waited for.
func TestAddFails(t *testing.T) {
	f := newFixture(t, rate)
	f.add(stream(1))
	open := f.device.open
	f.device.open = func(name string, index int, port uint16) (conn, error) {
		if name == "eth1" {
			return nil, os.ErrPermission
		}
		return open(name, index, port)
	}
	if _, err := f.device.add(stream(2)); !errors.Is(err, os.ErrPermission) {
		t.Errorf("add() = %v; want %v", err, os.ErrPermission)
	}
	if n := len(f.device.sinks); n != 1 {
		t.Errorf("%d sinks; want the first", n)
	}
	f.device.find = func(name string) int { return indices[name] % 8 } // eth1 is gone
	f.device.watch()
	f.add(stream(2))
	opened := 0
	f.device.open = func(name string, index int, port uint16) (conn, error) {
		opened++
		return open(name, index, port)
	}
	f.device.find = func(name string) int { return indices[name] }
	f.device.watch()
	f.device.watch()
	if opened != 1 {
		t.Errorf("%d sockets are opened when the interface comes; want 1", opened)
	}
}

// badConn is a socket that cannot join.
type badConn struct {
	noConn
	closed *int
}

func (*badConn) join(netip.Addr) error { return unix.ENOBUFS }
func (c *badConn) close() error        { *c.closed++; return nil }

// TestJoinFails has even a fresh socket not have room for a membership.
func TestJoinFails(t *testing.T) {
	f := newFixture(t, rate)
	closed := 0
	f.device.open = func(string, int, uint16) (conn, error) { return &badConn{closed: &closed}, nil }
	if _, err := f.device.add(stream(1)); !errors.Is(err, unix.ENOBUFS) || closed != 1 {
		t.Errorf("add() = %v, %d sockets closed; want %v, 1", err, closed, unix.ENOBUFS)
	}
}

// TestRun has time pass: interfaces come, and the ring is cleared.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		clock, capture := new(media.Clock), ring.New(2, size)
		clock.Set(&media.Mapping{PTP: int64(time.Hour), Rate: 1})
		r := New(clock, quiet())
		index, opened := 0, make(chan string, 10)
		r.host = host{
			now:  func() int64 { return int64(time.Since(start)) },
			find: func(name string) int { return index },
			open: func(name string, index int, port uint16) (conn, error) {
				opened <- name
				return &noConn{make(chan struct{})}, nil
			},
		}
		const old = 77
		capture.Write(0, old, []int32{1})
		ready := make(chan struct{})
		r.Ready = func() { close(ready) }
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx, []string{"eth0"}, rate, capture) }()
		<-ready
		st := stream(1)
		st.Map = []int{0, 1}
		if _, err := r.Add(st); err != nil {
			t.Fatal(err)
		}
		got := make([]int32, 1)
		if capture.Read(0, old, got); got[0] != 0 {
			t.Error("something is heard of before")
		}
		soon := media.Position(int64(time.Hour), rate) + rate/10
		capture.Write(1, soon, []int32{1})
		r.mu.Lock()
		index = 7
		r.mu.Unlock()
		if name := <-opened; name != "eth0" || time.Since(start) > watchInterval {
			t.Errorf("a socket on %s after %s", name, time.Since(start))
		}
		if capture.Read(1, soon, got); got[0] != 0 {
			t.Error("something is heard that is long past")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v; want nil", err)
		}
		if _, err := r.Add(st); !errors.Is(err, driver.ErrUnavailable) {
			t.Errorf("Add() = %v; want %v", err, driver.ErrUnavailable)
		}
	})
}

// TestProblems has a socket fail to open for some time, which is logged once.
func TestProblems(t *testing.T) {
	f := newFixture(t, rate)
	var logged bytes.Buffer
	f.device.log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn}))
	f.device.find = func(string) int { return 0 }
	f.device.watch()
	f.add(stream(2))
	f.device.find = func(name string) int { return indices[name] }
	open := f.device.open
	opened := 0
	for _, test := range []struct {
		err    error
		opened int
		logs   int
	}{
		{io.EOF, 0, 1}, {io.EOF, 0, 0}, {os.ErrPermission, 0, 1},
		{unix.ENODEV, 0, 0}, // the interface has gone just now
		{nil, 2, 0}, {io.EOF, 2, 0},
	} {
		f.device.open = func(name string, index int, port uint16) (conn, error) {
			if test.err != nil {
				return nil, test.err
			}
			opened++
			return open(name, index, port)
		}
		logged.Reset()
		f.device.watch()
		if got := strings.Count(logged.String(), "level=WARN"); got != test.logs || opened != test.opened {
			t.Errorf("%v: logged %d times, %d sockets; want %d, %d: %s", test.err, got, opened, test.logs, test.opened, &logged)
		}
	}
}

// lineConn is a socket in memory.
type lineConn struct {
	noConn
	// come has what receive returns next; asked is told when it is called.
	come  chan []packet
	asked chan struct{}
	err   chan error
}

func newLineConn() *lineConn {
	return &lineConn{noConn{make(chan struct{})}, make(chan []packet), make(chan struct{}), make(chan error)}
}

func (c *lineConn) receive() ([]packet, error) {
	select {
	case c.asked <- struct{}{}:
	case <-c.end:
		return nil, net.ErrClosed
	}
	select {
	case p := <-c.come:
		return p, nil
	case err := <-c.err:
		return nil, err
	case <-c.end:
		return nil, net.ErrClosed
	}
}

// TestAllocations counts allocations from the socket to the ring.
func TestAllocations(t *testing.T) {
	f, line, packets := load(t, 64)
	<-line.asked
	if n := testing.AllocsPerRun(200, func() {
		next(f, packets)
		line.come <- packets
		<-line.asked
	}); n != 0 {
		t.Errorf("%v allocations for %d packets; want none", n, len(packets))
	}
}

// load makes a device with that many streams of 8 channels, and a packet for each.
func load(t testing.TB, streams int) (*fixture, *lineConn, []packet) {
	f := newFixture(t, rate)
	line := newLineConn()
	f.device.open = func(string, int, uint16) (conn, error) { return line, nil }
	var packets []packet
	for i := range streams {
		st := stream(1)
		st.Legs[0].Destination = netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 69, 7, byte(i)}), 5004)
		st.Map = []int{0, 1, 2, 3, 4, 5, 6, 7}
		f.add(st)
		packets = append(packets, packet{link: 7, to: st.Legs[0].Destination.Addr().As4(), data: f.packet(st, step{})})
	}
	return f, line, packets
}

// next makes the packets those of 1 ms later, on arrival.
func next(f *fixture, packets []packet) {
	f.begin += spp
	f.local = media.TimeOf(f.begin+spp, rate)
	for i := range packets {
		p := &packets[i]
		p.arrival = f.local
		h, _, err := rtp.Parse(p.data)
		if err != nil {
			panic(err)
		}
		h.Sequence, h.Timestamp = h.Sequence+1, h.Timestamp+spp
		h.Put(p.data)
	}
}

// TestFailedSocket has a socket fail: there is another the next time it is looked for.
func TestFailedSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, rate)
		var lines []*lineConn
		f.device.open = func(string, int, uint16) (conn, error) {
			lines = append(lines, newLineConn())
			return lines[len(lines)-1], nil
		}
		f.add(stream(1))
		<-lines[0].asked
		f.device.watch()
		lines[0].err <- io.ErrUnexpectedEOF
		synctest.Wait()
		f.device.watch()
		if len(lines) != 2 {
			t.Fatalf("%d sockets were opened; want 2", len(lines))
		}
		<-lines[1].asked
		f.device.close()
	})
}

func TestOutsideOfRun(t *testing.T) {
	r := New(new(media.Clock), quiet())
	if _, err := r.Add(stream(1)); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("Add() = %v; want %v", err, driver.ErrUnavailable)
	}
	r.Remove(nil)
	if err := r.Run(t.Context(), []string{"lo"}, 0, ring.New(1, size)); !errors.Is(err, driver.ErrInvalid) {
		t.Errorf("Run(0 Hz) = %v; want %v", err, driver.ErrInvalid)
	}
}

// FuzzReceive has anything arrive at any time. Whatever it is, samples get to nowhere but
// between now and half the ring ahead.
func FuzzReceive(f *testing.F) {
	x := newFixture(f, rate)
	st := stream(1)
	f.Add(x.packet(st, step{}), x.packet(st, step{n: 1}), int64(rate), int64(0))
	f.Add(x.packet(st, step{change: padded}), x.packet(st, step{change: tomorrow}), int64(rate), int64(time.Hour))
	f.Add(x.packet(st, step{change: mono}), x.packet(st, step{change: otherClock}), int64(0), int64(-1))
	f.Fuzz(func(t *testing.T, first, second []byte, begin, age int64) {
		x := newFixture(t, begin&(1<<40-1))
		st := stream(1)
		st.SamplesPerPacket = maxPacket
		st.PlayoutDelay = maxPacket
		sink := x.add(st)
		sink.ledger.advance(x.device.moment().position)
		for _, b := range [][]byte{first, second, first} {
			x.device.deliver(5004, []packet{{link: 7, to: [4]byte{239, 69, 0, 1}, arrival: x.local - age>>1, data: b[:min(len(b), maxPacket)]}})
		}
		now := x.device.moment().position
		line := make([]int32, size/2)
		x.capture.Read(5, now-size/2+1, line)
		for i, s := range line {
			if s != 0 {
				t.Fatalf("sample %d before now is %#x", size/2-1-i, s)
			}
		}
		got := sink.Figures()
		if got.Legs[0].Packets != 3 || got.Lost > size {
			t.Errorf("statistics %+v", got)
		}
		sink.Status()
	})
}

// BenchmarkPackets is 1 ms of 64 streams of 8 channels, from the socket on.
func BenchmarkPackets(b *testing.B) {
	f, _, packets := load(b, 64)
	b.ReportAllocs()
	for range b.N {
		next(f, packets)
		f.device.cleaner.clean(f.device.moment())
		f.device.deliver(5004, packets)
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N*len(packets)), "ns/packet")
	b.ReportMetric(100*float64(b.Elapsed())/float64(b.N)/float64(time.Millisecond), "%core")
}

// TestDrops has the kernel drop packets, now and then, at two sockets.
func TestDrops(t *testing.T) {
	f := newFixture(t, rate)
	var logged bytes.Buffer
	f.device.log = slog.New(slog.NewTextHandler(&logged, nil))
	var lines []*lineConn
	f.device.open = func(string, int, uint16) (conn, error) {
		lines = append(lines, newLineConn())
		return lines[len(lines)-1], nil
	}
	f.add(stream(2))
	for _, line := range lines {
		<-line.asked
	}
	come := func(line int, dropped ...uint32) {
		var packets []packet
		for _, n := range dropped {
			packets = append(packets, packet{dropped: n})
		}
		lines[line].come <- packets
		<-lines[line].asked
	}
	for i, step := range []struct {
		come func()
		logs string // a part of the one line
	}{
		{func() { come(0, 0, 0); come(1, 0) }, ""},
		{func() { come(0, 0, 3, 4); come(1, 2) }, "packets=6"},
		{func() { come(0, 5) }, ""}, // that is known
		{func() { come(0, 5, 5) }, "not dropped any more"},
		{func() {}, ""},
		{func() { come(1, 1<<32-1) }, "packets=4294967293"},
		{func() { come(1, 1) }, ""}, // 2 more
		{func() {}, "not dropped any more"},
	} {
		logged.Reset()
		step.come()
		f.device.watch()
		if got := logged.String(); strings.Count(got, "\n") > 1 || (got == "") != (step.logs == "") || !strings.Contains(got, step.logs) {
			t.Errorf("step %d: logged %q; want %q", i, got, step.logs)
		}
	}
}
