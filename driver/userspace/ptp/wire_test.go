package ptp

import (
	"context"
	"encoding"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/facebook/time/ptp/protocol"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
)

// world is a network in memory and the hosts on it, for tests in a bubble of synctest:
// true time is the bubble's.
type world struct {
	t     *testing.T
	delay time.Duration

	mu   sync.Mutex
	ends []*end
}

func newWorld(t *testing.T) *world { return &world{t: t, delay: 20 * time.Microsecond} }

// inWorld runs a test in a bubble. Goroutines that are left make it fail.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
}

// crystal is a host's clocks: raw time, and by how much the others differ from it.
type crystal struct {
	mu sync.Mutex
	// ppm is by how much raw time is fast.
	ppm float64
	// slew is by how many ppm monotonic time is faster than raw time, since a time when
	// it was so far ahead.
	slew  float64
	since int64
	ahead int64
}

func (c *crystal) read() reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().UnixNano()
	raw := now%1_000_000_000_000_000 + int64(c.ppm*1e-6*float64(now%1_000_000_000_000_000))
	mono := raw + c.ahead + int64(c.slew*1e-6*float64(raw-c.since))
	return reading{raw: raw, mono: mono, real: mono + 1_800_000_000_000_000_000}
}

// slewBy makes an NTP client slew the host's clock from now on.
func (c *crystal) slewBy(ppm float64) {
	now := c.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead, c.since, c.slew = now.mono-now.raw, now.raw, ppm
}

// end is an end of the network's cable, with a wire's methods.
type end struct {
	world   *world
	mac     net.HardwareAddr
	address netip.Addr
	crystal *crystal
	in      chan packet
	closed  chan struct{}
	once    sync.Once
	// unstamped makes the driver tell no time of sending.
	unstamped bool
	stamping  stamping
}

func (w *world) plug(last byte, c *crystal) *end {
	e := &end{
		world: w, mac: net.HardwareAddr{0x02, 0, 0, 0, 0, last}, address: netip.AddrFrom4([4]byte{10, 0, 0, last}),
		crystal: c, in: make(chan packet, 10000), closed: make(chan struct{}),
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends = append(w.ends, e)
	return e
}

func (e *end) MAC() net.HardwareAddr { return e.mac }

func (e *end) Stamping() stamping {
	e.world.mu.Lock()
	defer e.world.mu.Unlock()
	return e.stamping
}

func (e *end) send(b []byte, to netip.Addr, event bool) error {
	select {
	case <-e.closed:
		return net.ErrClosed
	default:
	}
	b = append([]byte(nil), b...)
	time.AfterFunc(e.world.delay, func() {
		e.world.mu.Lock()
		defer e.world.mu.Unlock()
		for _, other := range e.world.ends {
			if to == group || to == other.address { // our own come back too
				p := packet{data: b, from: e.address}
				if event {
					p.stamp, p.stamped = other.crystal.read().raw, true
				}
				other.in <- p
			}
		}
	})
	return nil
}

func (e *end) SendEvent(b []byte, to netip.Addr) (int64, bool, error) {
	return e.crystal.read().raw, !e.unstamped, e.send(b, to, true)
}

func (e *end) SendGeneral(b []byte, to netip.Addr) error { return e.send(b, to, false) }

var errUnplugged = errors.New("unplugged")

func (e *end) Receive(deliver func(packet)) error {
	for {
		select {
		case p := <-e.in:
			deliver(p)
		case <-e.closed:
			return errUnplugged
		}
	}
}

func (e *end) Close() {
	e.once.Do(func() {
		close(e.closed)
		e.world.mu.Lock()
		defer e.world.mu.Unlock()
		for i, other := range e.world.ends {
			if other == e {
				e.world.ends = append(e.world.ends[:i:i], e.world.ends[i+1:]...)
				return
			}
		}
	})
}

// box is a clock of ours in a world.
type box struct {
	*Clock
	media   *media.Clock
	crystal *crystal
	// plug is what its interface is attached to; nil for nothing.
	plug func() *end

	mu   sync.Mutex
	told []Status
	// wrote counts the lines of the log.
	wrote map[string]int
}

// Enabled, Handle, WithAttrs and WithGroup make a box a handler of what it logs.
func (b *box) Enabled(context.Context, slog.Level) bool { return true }
func (b *box) WithAttrs([]slog.Attr) slog.Handler       { return b }
func (b *box) WithGroup(string) slog.Handler            { return b }

func (b *box) Handle(_ context.Context, r slog.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrote[r.Message]++
	return nil
}

// logged is how often a line that begins so was logged.
func (b *box) logged(begin string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line, times := range b.wrote {
		if strings.HasPrefix(line, begin) {
			n += times
		}
	}
	return n
}

func (w *world) box(last byte, ppm float64) *box {
	b := &box{media: new(media.Clock), crystal: &crystal{ppm: ppm}, wrote: map[string]int{}}
	b.plug = func() *end { return w.plug(last, b.crystal) }
	changed := func(s Status) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.told = append(b.told, s)
	}
	open := func(_ context.Context, _ string, _ uint8, _ *host) (wire, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.plug == nil {
			return nil, errUnplugged
		}
		return b.plug(), nil
	}
	b.Clock = newClock(b.media, changed, slog.New(slog.NewMultiHandler(slog.NewTextHandler(w.t.Output(), nil), b)), newHost(b.crystal.read, func() int { return 0 }), open)
	return b
}

// start runs the clock; what it returns stops it.
func (b *box) start(t *testing.T, config Config) (stop func()) {
	t.Helper()
	if config.Interfaces == nil {
		config.Interfaces = []string{"eth0"}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, config) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run(%+v) = %v; want nil", config, err)
		}
	})
}

// after passes time and returns the status.
func (b *box) after(d time.Duration) Status {
	time.Sleep(d)
	synctest.Wait()
	return b.Status()
}

// off is by how many nanoseconds the mapping is ahead of a time.
func (b *box) off(truth func() int64) int64 {
	return b.media.Mapping().PTPAt(b.crystal.read().mono) - truth()
}

// puppet is a master that says what a test wants. Its time is the true one.
type puppet struct {
	*port
	end      *end
	announce protocol.Announce
	// change alters messages before they are sent, and returns false for none. mu is held
	// then.
	change func(m any) bool
	// oneStep sends no Follow_Up, early sends it before the Sync.
	oneStep, early bool
	// grant is the logMessageInterval of delay responses; mute sends none.
	grant protocol.LogInterval
	mute  bool
	// private answers to whoever asked only, and picky answers only who asks it alone.
	private, picky bool
	// shift is by how much its time is ahead of the true one.
	shift int64

	mu       sync.Mutex
	heard    []any
	requests []time.Time
	stop     func()
}

func (p *puppet) time() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().UnixNano() + p.shift
}

func (p *puppet) step(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shift += int64(by)
}

// puppet makes a master, better than ours by default, which is to be started.
func (w *world) puppet(last byte) *puppet {
	p := &puppet{end: w.plug(last, &crystal{}), change: func(any) bool { return true }}
	id, _ := protocol.NewClockIdentity(p.end.mac)
	p.port = &port{node: &node{identity: id}}
	p.announce = protocol.Announce{
		Header: p.header(protocol.MessageAnnounce, announceSize, 0, announceInterval),
		AnnounceBody: protocol.AnnounceBody{
			CurrentUTCOffset: 37, GrandmasterPriority1: 128, GrandmasterPriority2: 128,
			GrandmasterClockQuality: protocol.ClockQuality{ClockClass: 6, ClockAccuracy: 0x21, OffsetScaledLogVariance: 0x4e5d},
			GrandmasterIdentity:     id, TimeSource: protocol.TimeSourceGNSS,
		},
	}
	p.announce.FlagField = scaleFlags
	return p
}

func (p *puppet) send(m encoding.BinaryMarshaler, event bool) { p.sendTo(m, event, group) }

func (p *puppet) sendTo(m encoding.BinaryMarshaler, event bool, to netip.Addr) {
	p.mu.Lock()
	wanted := p.change(m)
	p.mu.Unlock()
	if !wanted {
		return
	}
	b, err := m.MarshalBinary()
	if err != nil {
		panic(err)
	}
	if event {
		_, _, err = p.end.SendEvent(b, to)
	} else {
		err = p.end.SendGeneral(b, to)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		panic(err)
	}
}

// start has it announce, send Syncs and answer, until it is stopped or the test ends.
func (p *puppet) start() *puppet {
	quit := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		p.end.Receive(func(r packet) {
			header, body, err := new(decoder).decode(r.data, p.announce.DomainNumber)
			if err != nil || header.SourcePortIdentity == p.announce.SourcePortIdentity {
				return
			}
			p.mu.Lock()
			p.heard = append(p.heard, body)
			p.mu.Unlock()
			if header.MessageType() == protocol.MessageDelayReq {
				p.mu.Lock()
				p.requests = append(p.requests, time.Now())
				p.mu.Unlock()
				if !p.mute && (!p.picky || header.FlagField&protocol.FlagUnicast != 0) {
					m := protocol.DelayResp{Header: p.header(protocol.MessageDelayResp, delayRespSize, header.SequenceID, p.grant)}
					m.ReceiveTimestamp, m.RequestingPortIdentity = wireTime(p.time()), header.SourcePortIdentity
					if p.private {
						p.sendTo(&m, false, r.from)
					} else {
						p.send(&m, false)
					}
				}
			}
		})
	})
	all.Go(func() {
		tick := time.NewTicker(publishInterval)
		defer tick.Stop()
		for n := uint16(0); ; n++ {
			if n%announceTicks == 0 {
				a := p.announce
				a.SequenceID = n / announceTicks
				p.send(&a, false)
			}
			p.syncs(n)
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	})
	p.stop = sync.OnceFunc(func() {
		close(quit)
		p.end.Close()
		all.Wait()
	})
	return p
}

func (p *puppet) syncs(n uint16) {
	m := protocol.SyncDelayReq{Header: p.header(protocol.MessageSync, syncSize, n, syncInterval)}
	if p.oneStep {
		m.OriginTimestamp = wireTime(p.time())
		p.send(&m, true)
		return
	}
	m.FlagField = protocol.FlagTwoStep
	f := protocol.FollowUp{Header: p.header(protocol.MessageFollowUp, syncSize, n, syncInterval)}
	if p.early {
		f.PreciseOriginTimestamp = wireTime(p.time() + int64(time.Microsecond))
		p.send(&f, false)
		time.Sleep(time.Microsecond)
		p.send(&m, true)
		return
	}
	f.PreciseOriginTimestamp = wireTime(p.time())
	p.send(&m, true)
	p.send(&f, false)
}

// count is how many messages of a type it has heard from others.
func (p *puppet) count(kind protocol.MessageType) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.heard {
		if m.(interface{ MessageType() protocol.MessageType }).MessageType() == kind {
			n++
		}
	}
	return n
}

func (p *puppet) id() driver.ClockID { return clockID(p.announce.GrandmasterIdentity) }

// deafWire sends nowhere.
type deafWire struct{}

func (deafWire) MAC() net.HardwareAddr                             { return net.HardwareAddr{2, 0, 0, 0, 0, 1} }
func (deafWire) SendEvent([]byte, netip.Addr) (int64, bool, error) { return 0, true, nil }
func (deafWire) SendGeneral([]byte, netip.Addr) error              { return nil }
func (deafWire) Stamping() stamping                                { return stamping{} }
func (deafWire) Receive(func(packet)) error                        { return errUnplugged }
func (deafWire) Close()                                            {}
