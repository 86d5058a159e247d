package userspace

import (
	"context"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"aes67os/driver"
	"aes67os/driver/drivertest"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/port"
	"aes67os/driver/userspace/ptp"
	"aes67os/driver/userspace/ring"
	"aes67os/test/netns"
)

// TestMain has all tests in a network of their own: a loopback interface.
func TestMain(m *testing.M) { netns.Main(m) }

// clock stands in for PTP: it tells what the test tells it.
type clock struct {
	mu      sync.Mutex
	status  ptp.Status
	changed func(ptp.Status)
}

func (c *clock) set(s ptp.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = s
	if c.changed != nil {
		c.changed(s)
	}
}

// Run implements follower.
func (c *clock) Run(ctx context.Context, _ ptp.Config) error {
	c.mu.Lock()
	c.changed(c.status)
	c.mu.Unlock()
	<-ctx.Done()
	return nil
}

// Status implements follower.
func (c *clock) Status() ptp.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// newDriver makes a driver with a clock that the test sets.
func newDriver() (*Driver, *clock) {
	d, c := New(Options{Log: slog.New(slog.DiscardHandler)}), &clock{}
	d.clock.Set(&media.Mapping{Local: media.Now(), PTP: time.Now().UnixNano(), Rate: 1})
	d.newPTP = func(changed func(ptp.Status)) follower {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed = changed
		return c
	}
	return d, c
}

func config() driver.Config {
	return driver.Config{Interfaces: []string{"lo"}, SampleRate: 48000, TICFrameSizeAt1FS: 48, MaxTICFrameSize: 1024}
}

func TestContract(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Subject {
		d, c := newDriver()
		return drivertest.Subject{
			Driver: d,
			Config: config(),
			Lock:   func(gm driver.ClockID) { c.set(ptp.Status{Lock: driver.Locked, Grandmaster: gm}) },
			Unlock: func() { c.set(ptp.Status{}) },
			Rate: func() uint32 {
				r := d.current.Load()
				r.mu.Lock()
				defer r.mu.Unlock()
				return r.config.SampleRate
			},
			Legs: func() (n int) {
				r := d.current.Load()
				if r == nil {
					return 0
				}
				r.mu.Lock()
				defer r.mu.Unlock()
				for _, s := range r.streams {
					n += len(s.Legs)
				}
				return n
			},
		}
	})
}

// TestAudio sends a known sequence from one channel to another by way of the network, and
// compares every sample.
func TestAudio(t *testing.T) {
	d, c := newDriver()
	c.status = ptp.Status{Lock: driver.Locked}
	// Time runs a tenth as fast as it does: a busy machine may be late by a fifth of a second.
	d.clock.Set(&media.Mapping{Local: media.Now(), PTP: time.Now().UnixNano(), Rate: 0.1})
	r := runDriver(t, d)
	leg := driver.Leg{Local: netip.MustParseAddr("127.0.0.1"), Destination: netip.MustParseAddrPort("239.1.2.3:5004"), SourcePort: 5004}
	source := driver.Stream{
		Source: true, Name: "out", Codec: driver.L24, SampleRate: 48000, SamplesPerPacket: 48, PayloadType: 98, TTL: 1,
		SSRC: 7, TimestampOffset: 4_000_000_000, Map: []int{3, 5}, Legs: []driver.Leg{leg},
	}
	sink := source
	sink.Source, sink.Name, sink.SSRC, sink.Map, sink.PlayoutDelay = false, "in", 0, []int{10, 20}, 4800
	in, err := d.Add(t.Context(), sink)
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Add(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	// What leaves at a position is the position, in 24 bits; on the other channel its
	// complement.
	from := media.Position(d.clock.Mapping().PTPAt(media.Now()), 48000) + 2400
	const length = 4800
	position, complement := make([]int32, length), make([]int32, length)
	for n := range position {
		position[n] = int32(from+int64(n)) << 8
		complement[n] = ^position[n] &^ 0xff
	}
	r.playback.Write(3, from, position)
	r.playback.Write(5, from, complement)
	until := d.clock.Mapping().LocalAt(media.TimeOf(from+length+4800, 48000))
	time.Sleep(time.Duration(until - media.Now())) // until all of it is due
	got := make([]int32, length)
	wrong := 0
	for channel, want := range map[int]func(int64) int32{
		10: func(p int64) int32 { return int32(p) << 8 },
		20: func(p int64) int32 { return ^(int32(p) << 8) &^ 0xff },
	} {
		r.capture.Read(channel, from+4800, got)
		for n, s := range got {
			if s != want(from+int64(n)) {
				wrong++
			}
		}
	}
	if wrong > 0 {
		received, _ := d.Figures(t.Context(), in)
		sent, _ := d.Figures(t.Context(), out)
		t.Errorf("%d of %d samples are wrong; sent %+v, received %+v", wrong, 2*length, *sent.Source, *received.Sink)
	}
}

// TestGarbage checks that a driver which is PTP master, sends and receives makes next to no
// garbage: what has to be collected now and then makes audio late.
func TestGarbage(t *testing.T) {
	d := New(Options{Log: slog.New(slog.DiscardHandler)})
	runDriver(t, d)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if f, err := d.Clock(t.Context()); err != nil || time.Now().After(deadline) {
			t.Fatalf("the driver is not PTP master: %+v, %v", f, err)
		} else if f.Master {
			break
		}
	}
	leg := driver.Leg{Local: netip.MustParseAddr("127.0.0.1"), Destination: netip.MustParseAddrPort("239.1.2.3:5004"), SourcePort: 5004}
	source := driver.Stream{
		Source: true, Name: "out", Codec: driver.L24, SampleRate: 48000, SamplesPerPacket: 48, PayloadType: 98, TTL: 1, Map: []int{0, 1},
		Legs: []driver.Leg{leg},
	}
	sink := source
	sink.Source, sink.Name, sink.PlayoutDelay = false, "in", 480
	for _, s := range []driver.Stream{source, sink} {
		if _, err := d.Add(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	const seconds, most = 4, 6000
	time.Sleep(time.Second) // until all has begun
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	time.Sleep(seconds * time.Second)
	runtime.ReadMemStats(&after)
	if perSecond := (after.TotalAlloc - before.TotalAlloc) / seconds; perSecond > most {
		t.Errorf("%d bytes of garbage a second; want %d at most", perSecond, most)
	} else {
		t.Logf("%d bytes of garbage a second, in %d pieces", perSecond, (after.Mallocs-before.Mallocs)/seconds)
	}
}

type rings struct{ playback, capture *ring.Ring }

// grab is a port that hands the device's rings to the test.
type grab struct{ to chan *rings }

func (grab) Name() string { return "test" }

func (g grab) Run(ctx context.Context, d port.Device) error {
	g.to <- &rings{d.Playback, d.Capture}
	<-ctx.Done()
	return nil
}
