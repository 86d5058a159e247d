package receive

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"
	"aes67os/driver/userspace/rtp"
)

const (
	rate  = 48000
	spp   = 48  // samples per packet
	delay = 144 // a packet without transit is there 2 ms before it is needed
	size  = 1 << 14
	ssrc  = 0x1234
	pt    = 98
)

// indices of the interfaces in tests without a network.
var indices = map[string]int{"eth0": 7, "eth1": 8}

// fixture is a device without a network, at a time that the test sets.
type fixture struct {
	t       testing.TB
	device  *device
	clock   *media.Clock
	capture *ring.Ring
	local   int64
	// begin is the position of the first sample of packet 0.
	begin int64
}

// noConn is a socket that nothing comes by.
type noConn struct{ end chan struct{} }

func (c *noConn) receive() ([]packet, error) { <-c.end; return nil, net.ErrClosed }
func (*noConn) join(netip.Addr) error        { return nil }
func (*noConn) leave(netip.Addr) error       { return nil }
func (c *noConn) interrupt()                 { close(c.end) }
func (*noConn) close() error                 { return nil }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// newFixture makes a device on which it is now begin, which is not negative.
func newFixture(t testing.TB, begin int64) *fixture {
	f := &fixture{t: t, clock: new(media.Clock), capture: ring.New(8, size), begin: begin}
	f.clock.Set(&media.Mapping{Rate: 1})
	f.local = media.TimeOf(begin, rate)
	r := New(f.clock, quiet())
	r.host = host{
		now:  func() int64 { return f.local },
		find: func(name string) int { return indices[name] },
		open: func(string, int, uint16) (conn, error) { return &noConn{make(chan struct{})}, nil },
	}
	f.device = newDevice(r, []string{"eth0", "eth1"}, rate, f.capture)
	f.device.watch()
	t.Cleanup(f.device.close)
	return f
}

// stream is one of two channels, which go to device channels 5 and 3.
func stream(legs int) driver.Stream {
	s := driver.Stream{
		Name: "test", Codec: driver.L24, SampleRate: rate, SamplesPerPacket: spp, PayloadType: pt,
		TimestampOffset: 0xfffff000, PlayoutDelay: delay, Map: []int{5, 3},
	}
	for i := range legs {
		s.Legs = append(s.Legs, driver.Leg{
			Interface: i, Local: netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), Destination: destination(i),
		})
	}
	return s
}

// destination is where the packets of a leg go.
func destination(leg int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 69, byte(leg), 1}), 5004)
}

func (f *fixture) add(s driver.Stream) *Sink {
	f.t.Helper()
	k, err := f.device.add(s)
	if err != nil {
		f.t.Fatalf("add() = %v; want no error", err)
	}
	return k
}

// value is the sample that a talker has for a channel at a position: something with 24
// bits that is not 0.
func value(channel int, position int64) int32 {
	return int32(uint32(position)*2654435761+uint32(channel)*40503)&^0xff | 0x100
}

// wire is a packet as a talker makes it.
type wire struct {
	rtp.Header
	codec driver.Codec
	// samples of a channel; position is that of the first, whatever the timestamp says.
	channels, samples int
	position          int64
	// raw, unless nil, is sent instead.
	raw []byte
}

func (w *wire) bytes() []byte {
	if w.raw != nil {
		return w.raw
	}
	b := make([]byte, rtp.HeaderSize+w.samples*w.channels*w.codec.WordLength())
	w.Put(b)
	samples := make([]int32, w.samples)
	for channel := range w.channels {
		for i := range samples {
			samples[i] = value(channel, w.position+int64(i))
		}
		rtp.Encode(w.codec, b[rtp.HeaderSize:], channel, w.channels, samples)
	}
	return b
}

// step is the arrival of a packet.
type step struct {
	// n counts the packets of a stream from 0. It arrives when its last sample's time has
	// come, and transit later.
	n       int
	transit time.Duration
	leg     int
	change  func(*wire)
}

// run are packets one after the other.
func run(from, to int, like step) []step {
	var all []step
	for n := from; n < to; n++ {
		like.n = n
		all = append(all, like)
	}
	return all
}

// without leaves packets out.
func without(steps []step, n ...int) []step {
	return slices.DeleteFunc(steps, func(s step) bool { return slices.Contains(n, s.n) })
}

// position is that of packet n's first sample.
func (f *fixture) position(n int) int64 { return f.begin + int64(n)*spp }

// arrival is the local time at which the packet comes.
func (f *fixture) arrival(s step) int64 {
	return media.TimeOf(f.position(s.n)+spp, rate) + int64(s.transit)
}

// play has the packets arrive, in the order of their times, 5 ms of time pass, and the ring
// cleared as Run does it.
func (f *fixture) play(st driver.Stream, steps []step) {
	steps = slices.Clone(steps)
	slices.SortStableFunc(steps, func(a, b step) int { return int(f.arrival(a) - f.arrival(b)) })
	for _, s := range steps {
		f.local = max(f.local, f.arrival(s))
		f.device.cleaner.clean(f.device.moment())
		to := st.Legs[s.leg].Destination
		f.device.deliver(to.Port(), []packet{{
			link: indices[[]string{"eth0", "eth1"}[s.leg]], to: to.Addr().As4(),
			arrival: f.arrival(s), data: f.packet(st, s),
		}})
	}
	f.local += int64(5 * time.Millisecond)
}

// packet makes the packet of a step.
func (f *fixture) packet(st driver.Stream, s step) []byte {
	w := &wire{
		Header: rtp.Header{
			PayloadType: st.PayloadType, Sequence: uint16(0xfff0 + s.n), SSRC: ssrc,
			Timestamp: uint32(f.position(s.n)) + st.TimestampOffset,
		},
		codec: st.Codec, channels: len(st.Map), samples: spp, position: f.position(s.n),
	}
	if s.change != nil {
		s.change(w)
	}
	return w.bytes()
}

// heard tells which of the first packets are in the ring, each whole, where they belong.
// Any other must be silent, each whole. Those too long ago to be in the ring do not count.
func (f *fixture) heard(st driver.Stream, packets int) []int {
	f.t.Helper()
	var all []int
	got := make([]int32, spp)
	for n := range packets {
		if f.position(n) < f.device.cleaner.to {
			continue
		}
		there := make(map[bool]int)
		for i, channel := range st.Map {
			if channel == driver.Unmapped {
				continue
			}
			f.capture.Read(channel, f.position(n)+int64(st.PlayoutDelay), got)
			for j, s := range got {
				if want := value(i, f.position(n)+int64(j)); s != 0 && s != want {
					f.t.Fatalf("packet %d, channel %d, sample %d is %#x; want %#x", n, i, j, s, want)
				}
				there[s != 0]++
			}
		}
		if len(there) != 1 {
			f.t.Fatalf("packet %d has %d samples that are heard, and %d not", n, there[true], there[false])
		}
		if there[true] > 0 {
			all = append(all, n)
		}
	}
	return all
}
