package userspace

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"testing"
	"time"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ptp"
	"aes67os/driver/userspace/ring"

	"github.com/google/go-cmp/cmp"
)

// runDriver runs the driver until the test ends, and returns its rings.
func runDriver(t *testing.T, d *Driver) *rings {
	t.Helper()
	ports := make(chan *rings, 2) // the device may begin twice
	d.Ports = append(d.Ports, grab{ports})
	ctx, cancel := context.WithCancel(t.Context())
	available, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- d.Run(ctx, config(), func(e driver.Event) {
			if _, ok := e.(driver.Available); ok {
				available <- struct{}{}
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-available
	return <-ports
}

// square is the level at which a square wave with this amplitude is: its RMS is its peak, and 3 dB above a
// sine's.
func square(amplitude float64) driver.Level {
	return driver.Level{Peak: decibels(amplitude), RMS: decibels(amplitude * math.Sqrt2)}
}

var silence = driver.Level{Peak: driver.Silence, RMS: driver.Silence}

func TestFigures(t *testing.T) {
	d, _ := newDriver()
	// Time all but stands still, and the level is that of the same samples, however long
	// the test takes.
	d.clock.Set(&media.Mapping{Local: media.Now(), PTP: 1_750_000_000_000_000_000, Rate: 1e-9})
	rings := runDriver(t, d)
	now, _ := d.position(48000)
	fill := func(r *ring.Ring, channel int, amplitude int32) {
		samples := make([]int32, 9600)
		for i := range samples {
			samples[i] = amplitude
		}
		r.Write(channel, now-9600, samples)
		r.Write(channel, now-9601, []int32{math.MaxInt32}) // too long ago
		r.Write(channel, now, []int32{math.MaxInt32})      // yet to come
	}
	fill(rings.playback, 3, 1<<30)
	fill(rings.playback, 4, -1<<31)
	fill(rings.capture, 3, 1<<27)

	leg := driver.Leg{Local: netip.MustParseAddr("127.0.0.1"), Destination: netip.MustParseAddrPort("239.1.2.3:5004"), SourcePort: 5004}
	source := driver.Stream{
		Source: true, Name: "out", Codec: driver.L24, SampleRate: 48000, SamplesPerPacket: 48, PayloadType: 98, TTL: 1,
		Map: []int{3, driver.Unmapped, 4, 5}, Legs: []driver.Leg{leg},
	}
	sink := source
	sink.Source, sink.Name, sink.Map, sink.PlayoutDelay = false, "in", []int{4, 3}, 48
	want := map[string]driver.Figures{
		"out": {
			Source: &driver.SourceFigures{Lateness: make([]uint64, 16)},
			Levels: []driver.Level{square(.5), silence, {Peak: 0, RMS: 3.01}, silence},
		},
		"in": {
			Sink:   &driver.SinkFigures{Legs: make([]driver.LegFigures, 1)},
			Levels: []driver.Level{silence, square(1. / 16)},
		},
	}
	handles := map[string]driver.Handle{}
	for _, s := range []driver.Stream{source, sink} {
		h, err := d.Add(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		handles[s.Name] = h
	}
	check := func(when string) {
		t.Helper()
		got := map[string]driver.Figures{}
		for name, h := range handles {
			f, err := d.Figures(t.Context(), h)
			if err != nil {
				t.Fatal(err)
			}
			got[name] = f
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("figures %s (-want +got):\n%s", when, diff)
		}
	}
	check("at 48 kHz")

	for name, mapping := range map[string]*media.Mapping{
		"without a media clock":   nil,
		"before there can be any": {Local: media.Now(), PTP: -1e9, Rate: 1e-9},
	} {
		d.clock.Set(mapping)
		for _, f := range want {
			for i := range f.Levels {
				f.Levels[i] = silence
			}
		}
		check(name)
	}

	if err := d.SetSampleRate(t.Context(), 96000); err != nil {
		t.Fatal(err)
	}
	check("while the device has another rate")

	if _, err := d.Figures(t.Context(), 999); !errors.Is(err, driver.ErrNoStream) {
		t.Errorf("figures of no stream: %v; want %v", err, driver.ErrNoStream)
	}
}

func TestClock(t *testing.T) {
	d, c := newDriver()
	if _, err := d.Clock(t.Context()); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("Clock outside of Run: %v; want %v", err, driver.ErrUnavailable)
	}
	if _, err := d.Figures(t.Context(), 1); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("Figures outside of Run: %v; want %v", err, driver.ErrUnavailable)
	}
	runDriver(t, d)
	for _, test := range []struct {
		status ptp.Status
		want   driver.ClockFigures
	}{
		{
			ptp.Status{Lock: driver.Locked, Offset: -120, PathDelay: 3000, Jitter: 45, Interface: 0, Timestamps: "software"},
			driver.ClockFigures{Interface: "lo", Timestamps: "software", Offset: -120, PathDelay: 3 * time.Microsecond, Jitter: 45},
		},
		{
			ptp.Status{Lock: driver.Locked, Master: true, Interface: -1, Fault: "eth1 is not there"},
			driver.ClockFigures{Master: true, Fault: "eth1 is not there"},
		},
	} {
		c.set(test.status)
		got, err := d.Clock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("clock (-want +got):\n%s", diff)
		}
	}
}
