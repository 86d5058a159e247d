package fake_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"aes67os/driver"
	"aes67os/driver/drivertest"
	"aes67os/driver/fake"
)

var config = driver.Config{
	Interfaces: []string{"eth0", "eth1"}, SampleRate: 48000, PTP: driver.PTPConfig{DSCP: 48},
	TICFrameSizeAt1FS: 48, MaxTICFrameSize: 1024,
}

func subject(*testing.T) drivertest.Subject {
	d := fake.New()
	return drivertest.Subject{
		Driver:    d,
		Config:    config,
		Lock:      func(gm driver.ClockID) { d.SetPTPStatus(driver.PTPStatus{Lock: driver.Locked, Grandmaster: gm}) },
		Unlock:    func() { d.SetPTPStatus(driver.PTPStatus{}) },
		Interrupt: func() { d.Interrupt(nil) },
		Restore:   d.Restore,
		Rate:      func() uint32 { return d.Config().SampleRate },
		Legs: func() int {
			n := 0
			for _, s := range d.Streams() {
				n += len(s.Legs)
			}
			return n
		},
		ApplicationRate: d.SetRate,
		Slow: func() (<-chan struct{}, func()) {
			entered, release := make(chan struct{}), make(chan struct{})
			d.Fail(func(driver.Stream) error {
				d.Fail(nil)
				close(entered)
				<-release
				return nil
			})
			return entered, func() { close(release) }
		},
	}
}

func TestContract(t *testing.T) {
	t.Run("real time", func(t *testing.T) { drivertest.Run(t, subject) })
	t.Run("bubble", func(t *testing.T) { drivertest.RunInBubble(t, subject) })
}

func stream(id int, source bool) driver.Stream {
	return driver.Stream{
		ID: id, Source: source, Name: "n", Codec: driver.L16, SampleRate: 48000, SamplesPerPacket: 48,
		PlayoutDelay: 48, Map: []int{0},
		Legs: []driver.Leg{{Local: netip.MustParseAddr("127.0.0.1"), Destination: netip.MustParseAddrPort("239.1.0.1:5004")}},
	}
}

// TestFake shows what others' tests use it for.
func TestFake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := fake.New()
		ctx, end := context.WithCancel(t.Context())
		var events []driver.Event
		done := make(chan error)
		go func() { done <- d.Run(ctx, config, func(e driver.Event) { events = append(events, e) }) }()
		synctest.Wait()

		unlucky := errors.New("unlucky number")
		d.Fail(func(s driver.Stream) error {
			if s.ID == 13 {
				return unlucky
			}
			return nil
		})
		for _, s := range []driver.Stream{stream(2, false), stream(7, true), stream(1, true), stream(0, false)} {
			if _, err := d.Add(ctx, s); err != nil {
				t.Errorf("Add() = %v; want no error", err)
			}
		}
		if _, err := d.Add(ctx, stream(13, true)); err != unlucky {
			t.Errorf("Add() = %v; want %v", err, unlucky)
		}
		want := []driver.Stream{stream(1, true), stream(7, true), stream(0, false), stream(2, false)}
		if diff := cmp.Diff(want, d.Streams(), cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
			t.Errorf("Streams() (-want +got):\n%s", diff)
		}

		gone := errors.New("gone")
		locked := driver.PTPStatus{Lock: driver.Locked, Grandmaster: driver.ClockID{7: 1}}
		d.SetPTPStatus(locked)
		synctest.Wait()
		d.Interrupt(gone)
		d.Interrupt(gone)
		d.SetRate(96000) // of no device
		if err := d.SetPTP(ctx, driver.PTPConfig{Domain: 5}); !errors.Is(err, gone) {
			t.Errorf("SetPTP() = %v; want %v", err, gone)
		}
		d.Restore()
		d.Restore()
		synctest.Wait()
		end()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v; want nil", err)
		}
		wantEvents := []driver.Event{driver.Available{}, locked, driver.Unavailable{Err: gone}, driver.Available{}, locked}
		if diff := cmp.Diff(wantEvents, events, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		changed := config
		changed.PTP = driver.PTPConfig{Domain: 5}
		if diff := cmp.Diff(changed, d.Config()); diff != "" {
			t.Errorf("Config() (-want +got):\n%s", diff)
		}
	})
}
