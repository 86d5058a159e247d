package send

import (
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"
	"aes67os/driver/userspace/rtp"

	"golang.org/x/sys/unix"
)

// Local time begins anywhere, PTP time is that of the year 2025.
const (
	localStart = 12_345_678_901
	ptpStart   = 1_750_000_000_123_456_789
)

// bench is a sender without threads, sockets and time of its own.
type bench struct {
	*Sender
	t    testing.TB
	run  *run
	time int64 // local

	guard sync.Mutex // of what follows, where a thread sends
	sent  []sent
	// refuse tells for a packet to a destination why the network does not take it.
	refuse func(to netip.AddrPort) syscall.Errno
	open   int // sockets
}

// sent is a packet as it was sent.
type sent struct {
	At      int64 // local time
	Link    int32 // index of the interface
	To      netip.AddrPort
	Header  rtp.Header
	Payload []byte
}

func newBench(t testing.TB, rate uint32) *bench {
	b := &bench{t: t, time: localStart, refuse: func(netip.AddrPort) syscall.Errno { return 0 }}
	b.Sender = New(&media.Clock{}, slog.New(slog.DiscardHandler))
	b.host = host{
		now: func() int64 { return b.time }, sleep: func(until int64) { b.time = max(b.time, until) },
		find: func(name string) int32 { return int32(len(name)) },
		open: func(uint16, *slog.Logger) (socket, error) { b.open++; return memory{b}, nil },
	}
	b.clock.Set(&media.Mapping{Local: localStart, PTP: ptpStart, Rate: 1.000_05})
	b.run = newRun(b.Sender, []string{"one", "other"}, rate, pattern())
	if err := b.begin(b.run); err != nil {
		t.Fatal(err)
	}
	return b
}

// memory is a socket that remembers.
type memory struct{ b *bench }

func (m memory) Close() error { m.b.open--; return nil }

func (m memory) Send(batch []message) (int, syscall.Errno) {
	m.b.guard.Lock()
	defer m.b.guard.Unlock()
	for i := range batch {
		h := &batch[i].header
		to := (*[8]byte)(unsafe.Pointer(h.Name)) // struct sockaddr_in
		port := uint16(to[2])<<8 | uint16(to[3])
		link := atomic.LoadInt32((*int32)(unsafe.Add(unsafe.Pointer(h.Control), unix.CmsgLen(0))))
		s := sent{At: m.b.time, Link: link, To: netip.AddrPortFrom(netip.AddrFrom4([4]byte(to[4:])), port)}
		if errno := m.b.refuse(s.To); errno != 0 {
			if i > 0 {
				return i, 0
			}
			return 0, errno
		}
		packet := unsafe.Slice(h.Iov.Base, h.Iov.Len)
		var err error
		if s.Header, s.Payload, err = rtp.Parse(append([]byte(nil), packet...)); err != nil {
			m.b.t.Errorf("the packet %x cannot be parsed: %v", packet, err)
		}
		m.b.sent = append(m.b.sent, s)
	}
	return len(batch), 0
}

// pattern is a ring whose every sample is known. It is not to be written to.
var pattern = sync.OnceValue(func() *ring.Ring {
	r := ring.New(driver.MaxChannels, 1<<13)
	samples := make([]int32, r.Samples())
	for channel := range r.Channels() {
		for i := range samples {
			samples[i] = sample(channel, int64(i))
		}
		r.Write(channel, 0, samples)
	}
	return r
})

// sample is what the ring has, of 16 bits for all codecs to carry it.
func sample(channel int, position int64) int32 {
	return int32(uint32(position&(1<<13-1))<<3^uint32(channel)*2003) << 16
}

// stream is a stereo source with a leg on each interface.
func stream(id int) driver.Stream {
	s := driver.Stream{
		ID: id, Source: true, Name: fmt.Sprintf("source %d", id), Codec: driver.L24, SampleRate: 48000,
		SamplesPerPacket: 48, PayloadType: 98, DSCP: 34, TTL: 15, SSRC: 0x1000 + uint32(id),
		TimestampOffset: 4_000_000_000, Map: []int{2 * id, 2*id + 1},
	}
	for i := range 2 {
		s.Legs = append(s.Legs, driver.Leg{
			Interface: i, Local: netip.AddrFrom4([4]byte{10, 67, byte(i), 1}),
			Destination: netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 1, byte(i), byte(id)}), 5004),
			SourcePort:  5004,
		})
	}
	return s
}

// single is stream with one leg.
func single(id int) driver.Stream {
	s := stream(id)
	s.Legs = s.Legs[:1]
	return s
}

func (b *bench) add(st driver.Stream) *Source {
	b.t.Helper()
	s, err := b.Add(st)
	if err != nil {
		b.t.Fatalf("Add(%s) = %v; want no error", st.Name, err)
	}
	return s
}

// pass lets nanoseconds pass, and returns what is sent in them.
func (b *bench) pass(ns int64) []sent {
	b.sent = nil
	for end := b.time + ns; b.time < end; {
		b.run.sleep(min(b.run.tick(), end))
	}
	return b.sent
}

// position is that of a packet, found by its timestamp.
func (b *bench) position(s sent, st driver.Stream) int64 {
	now := media.Position(b.clock.Mapping().PTPAt(s.At), st.SampleRate)
	return now + int64(int32(s.Header.Timestamp-st.TimestampOffset-uint32(now)))
}
