package userspace

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
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
func TestMain(m *testing.M) {
	err := netns.Isolate()
	if err == nil {
		err = exec.Command("ip", "link", "set", "lo", "up").Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

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
	c.set(c.status)
	<-ctx.Done()
	return nil
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
	ports := make(chan *rings, 1)
	d.Ports = append(d.Ports, grab{ports})
	ctx, cancel := context.WithCancel(t.Context())
	available := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- d.Run(ctx, config(), func(e driver.Event) {
			if _, ok := e.(driver.Available); ok {
				available <- struct{}{}
			}
		})
	}()
	<-available
	r := <-ports
	leg := driver.Leg{Local: netip.MustParseAddr("127.0.0.1"), Destination: netip.MustParseAddrPort("239.1.2.3:5004"), SourcePort: 5004}
	source := driver.Stream{
		Source: true, Name: "out", Codec: driver.L24, SampleRate: 48000, SamplesPerPacket: 48, PayloadType: 98, TTL: 1,
		SSRC: 7, TimestampOffset: 4_000_000_000, Map: []int{3, 5}, Legs: []driver.Leg{leg},
	}
	sink := source
	// A sink far behind, so that a busy machine loses nothing.
	sink.Source, sink.Name, sink.SSRC, sink.Map, sink.PlayoutDelay = false, "in", 0, []int{10, 20}, 4800
	in, err := d.Add(t.Context(), sink)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Add(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	// What leaves at a position is the position, in 24 bits; on the other channel its
	// complement.
	from := media.Position(d.clock.Mapping().PTPAt(media.Now()), 48000) + 480
	const length = 9600
	for n := range int64(length) {
		s := int32(from+n) << 8
		r.playback.Write(3, from+n, []int32{s})
		r.playback.Write(5, from+n, []int32{^s &^ 0xff})
	}
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
		status, err := d.Status(t.Context(), in)
		t.Errorf("%d of %d samples are wrong; status %+v, %v", wrong, 2*length, status, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
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
