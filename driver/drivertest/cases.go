package drivertest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"aes67os/driver"
)

// cases are the clauses of the contract.
var cases = []struct {
	name string
	test func(t *testing.T, s Subject)
}{
	{"outside of Run", outside},
	{"configuration", configuration},
	{"clock", clock},
	{"one stream", oneStream},
	{"invalid streams", invalidStreams},
	{"all streams", allStreams},
	{"at once", atOnce},
	{"interruption", interruption},
	{"unavailable at first", unavailableAtFirst},
	{"settings", settings},
	{"settings while interrupted", settingsWhileInterrupted},
	{"rate before lock", rateBeforeLock},
	{"rate of an application", applicationRate},
	{"cancelled", cancelled},
	{"cancelled while slow", cancelledWhileSlow},
	{"again", again},
}

// grandmaster is who the clock follows.
var grandmaster = driver.ClockID{0x00, 0x1d, 0xc1, 0xff, 0xfe, 0x50, 0x36, 0x33}

// methods calls every method that asks something of the driver.
func methods(d driver.Driver, ctx context.Context, s driver.Stream) map[string]error {
	_, add := d.Add(ctx, s)
	_, status := d.Status(ctx, 1)
	return map[string]error{
		"SetPTP":          d.SetPTP(ctx, driver.PTPConfig{DSCP: 46}),
		"SetSampleRate":   d.SetSampleRate(ctx, 48000),
		"SetPlayoutDelay": d.SetPlayoutDelay(ctx, 0),
		"Add":             add,
		"Remove":          d.Remove(ctx, 1),
		"Status":          status,
	}
}

// allFail checks that no method works.
func allFail(t *testing.T, ctx context.Context, s Subject, want error) {
	t.Helper()
	for what, err := range methods(s.Driver, ctx, stream(s.Config, 0, true)) {
		isErr(t, what, err, want)
	}
}

func outside(t *testing.T, s Subject) {
	if s.Driver.Name() == "" {
		t.Error("the driver has no name")
	}
	allFail(t, t.Context(), s, driver.ErrUnavailable)
	r := available(t, s)
	r.add(stream(s.Config, 0, true))
	r.finish()
	allFail(t, t.Context(), s, driver.ErrUnavailable)
}

func configuration(t *testing.T, s Subject) {
	for what, spoil := range map[string]func(*driver.Config){
		"no interface":      func(c *driver.Config) { c.Interfaces = nil },
		"nameless":          func(c *driver.Config) { c.Interfaces = []string{""} },
		"long name":         func(c *driver.Config) { c.Interfaces = []string{"enp0123456789s01"} },
		"two names in one":  func(c *driver.Config) { c.Interfaces = []string{"lo,lo"} },
		"three interfaces":  func(c *driver.Config) { c.Interfaces = []string{"a", "b", "c"} },
		"no rate":           func(c *driver.Config) { c.SampleRate = 0 },
		"PTP domain":        func(c *driver.Config) { c.PTP.Domain = 128 },
		"DSCP":              func(c *driver.Config) { c.PTP.DSCP = 64 },
		"no TIC":            func(c *driver.Config) { c.TICFrameSizeAt1FS = 0 },
		"long TIC":          func(c *driver.Config) { c.TICFrameSizeAt1FS = 193 },
		"no TIC at all":     func(c *driver.Config) { c.MaxTICFrameSize = 0 },
		"far too far ahead": func(c *driver.Config) { c.PlayoutDelay = driver.MaxPlayoutDelay + 1 },
	} {
		c := s.Config
		spoil(&c)
		err := s.Driver.Run(t.Context(), c, func(e driver.Event) { t.Errorf("%s: event %#v", what, e) })
		isErr(t, what, err, driver.ErrInvalid)
	}
}

func clock(t *testing.T, s Subject) {
	s.Unlock()
	r := available(t, s)
	s.Lock(grandmaster)
	r.expect(driver.PTPStatus{Lock: driver.Locked, Grandmaster: grandmaster})
	other := driver.ClockID{1, 2, 3, 4, 5, 6, 7, 8}
	s.Lock(other)
	r.expect(driver.PTPStatus{Lock: driver.Locked, Grandmaster: other})
	s.Unlock()
	r.expect(driver.PTPStatus{})
	r.finish()
}

func oneStream(t *testing.T, s Subject) {
	r := available(t, s)
	for _, source := range []bool{true, false} {
		h := r.add(stream(s.Config, 0, source))
		r.legs(len(s.Config.Interfaces))
		if _, err := s.Driver.Status(t.Context(), h); err != nil {
			t.Errorf("Status() = %v; want no error", err)
		}
		_, err := s.Driver.Status(t.Context(), h+1)
		isErr(t, "Status(unknown)", err, driver.ErrNoStream)
		isErr(t, "Remove(unknown)", s.Driver.Remove(t.Context(), h+1), driver.ErrNoStream)
		if err := s.Driver.Remove(t.Context(), h); err != nil {
			t.Errorf("Remove() = %v; want no error", err)
		}
		r.legs(0)
		isErr(t, "Remove(again)", s.Driver.Remove(t.Context(), h), driver.ErrNoStream)
		_, err = s.Driver.Status(t.Context(), h)
		isErr(t, "Status(removed)", err, driver.ErrNoStream)
		if h2 := r.add(stream(s.Config, 0, source)); h2 == h {
			t.Errorf("handle %d was given twice", h)
		} else if err := s.Driver.Remove(t.Context(), h2); err != nil {
			t.Errorf("Remove() = %v; want no error", err)
		}
	}
	r.finish()
}

func allStreams(t *testing.T, s Subject) {
	r := available(t, s)
	handles := make(map[driver.Handle]bool)
	for id := range driver.MaxStreams {
		handles[r.add(stream(s.Config, id, true))] = true
		handles[r.add(stream(s.Config, id, false))] = true
	}
	if len(handles) != 2*driver.MaxStreams {
		t.Errorf("%d handles for %d streams", len(handles), 2*driver.MaxStreams)
	}
	r.legs(2 * driver.MaxStreams * len(s.Config.Interfaces))
	for h := range handles {
		if _, err := s.Driver.Status(t.Context(), h); err != nil {
			t.Errorf("Status(%d) = %v; want no error", h, err)
		}
	}
	for h := range handles {
		if err := s.Driver.Remove(t.Context(), h); err != nil {
			t.Errorf("Remove(%d) = %v; want no error", h, err)
		}
	}
	r.legs(0)
	r.finish()
}

func atOnce(t *testing.T, s Subject) {
	r := available(t, s)
	var wg sync.WaitGroup
	for id := range 8 {
		wg.Go(func() {
			for i := range 20 {
				h, err := s.Driver.Add(t.Context(), stream(s.Config, id, i%2 == 0))
				if err != nil {
					t.Errorf("Add() = %v; want no error", err)
					return
				}
				if _, err := s.Driver.Status(t.Context(), h); err != nil {
					t.Errorf("Status() = %v; want no error", err)
				}
				if err := s.Driver.SetPlayoutDelay(t.Context(), uint32(i)); err != nil {
					t.Errorf("SetPlayoutDelay() = %v; want no error", err)
				}
				if err := s.Driver.Remove(t.Context(), h); err != nil {
					t.Errorf("Remove() = %v; want no error", err)
				}
			}
		})
	}
	wg.Wait()
	r.legs(0)
	r.finish()
}

func interruption(t *testing.T, s Subject) {
	if s.Interrupt == nil {
		return
	}
	s.Lock(grandmaster)
	locked := driver.PTPStatus{Lock: driver.Locked, Grandmaster: grandmaster}
	r := available(t, s)
	r.expect(locked)
	h := r.add(stream(s.Config, 3, true))
	for range 2 {
		s.Interrupt()
		r.expect(driver.Unavailable{})
		allFail(t, t.Context(), s, driver.ErrUnavailable)
		s.Restore()
		r.expect(driver.Available{})
		r.legs(0)
		_, err := s.Driver.Status(t.Context(), h)
		isErr(t, "Status(handle of before)", err, driver.ErrNoStream)
		isErr(t, "Remove(handle of before)", s.Driver.Remove(t.Context(), h), driver.ErrNoStream)
		if h2 := r.add(stream(s.Config, 3, true)); h2 == h {
			t.Errorf("handle %d was given twice", h)
		} else {
			h = h2
		}
		r.expect(locked)
	}
	r.finish()
}

func unavailableAtFirst(t *testing.T, s Subject) {
	if s.Interrupt == nil {
		return
	}
	s.Interrupt()
	r := begin(t, s)
	r.expect(driver.Unavailable{})
	allFail(t, t.Context(), s, driver.ErrUnavailable)
	s.Restore()
	r.expect(driver.Available{})
	r.add(stream(s.Config, 0, false))
	r.finish()

	s.Interrupt()
	r = begin(t, s)
	r.expect(driver.Unavailable{})
	r.finish()
	s.Restore()
}

func settings(t *testing.T, s Subject) {
	s.Lock(grandmaster)
	r := available(t, s)
	r.expect(driver.PTPStatus{Lock: driver.Locked, Grandmaster: grandmaster})
	d := s.Driver
	for what, err := range map[string]error{
		"domain 128":     d.SetPTP(t.Context(), driver.PTPConfig{Domain: 128}),
		"DSCP 64":        d.SetPTP(t.Context(), driver.PTPConfig{DSCP: 64}),
		"0 Hz":           d.SetSampleRate(t.Context(), 0),
		"much too ahead": d.SetPlayoutDelay(t.Context(), driver.MaxPlayoutDelay+1),
	} {
		isErr(t, what, err, driver.ErrInvalid)
	}
	for _, hz := range []uint32{96000, 96000, 44100, s.Config.SampleRate} {
		if err := d.SetSampleRate(t.Context(), hz); err != nil {
			t.Errorf("SetSampleRate(%d) = %v; want no error", hz, err)
		}
		if got := s.Rate(); got != hz {
			t.Errorf("the device runs at %d Hz; want %d", got, hz)
		}
	}
	if err := d.SetPTP(t.Context(), driver.PTPConfig{Domain: 127, DSCP: 63}); err != nil {
		t.Errorf("SetPTP() = %v; want no error", err)
	}
	if err := d.SetPlayoutDelay(t.Context(), 48); err != nil {
		t.Errorf("SetPlayoutDelay() = %v; want no error", err)
	}
	r.finish()
}

func settingsWhileInterrupted(t *testing.T, s Subject) {
	if s.Interrupt == nil {
		return
	}
	s.Lock(grandmaster)
	locked := driver.PTPStatus{Lock: driver.Locked, Grandmaster: grandmaster}
	r := available(t, s)
	r.expect(locked)
	s.Interrupt()
	r.expect(driver.Unavailable{})
	isErr(t, "SetSampleRate", s.Driver.SetSampleRate(t.Context(), 96000), driver.ErrUnavailable)
	s.Restore()
	r.expect(driver.Available{})
	r.expect(locked)
	r.fence()
	if got := s.Rate(); got != 96000 {
		t.Errorf("the device runs at %d Hz after its return; want the 96000 set meanwhile", got)
	}
	r.finish()
}

func rateBeforeLock(t *testing.T, s Subject) {
	s.Unlock()
	r := available(t, s)
	for _, hz := range []uint32{44100, 192000, 96000} {
		if err := s.Driver.SetSampleRate(t.Context(), hz); err != nil {
			t.Errorf("SetSampleRate(%d) = %v; want no error", hz, err)
		}
	}
	s.Lock(grandmaster)
	r.expect(driver.PTPStatus{Lock: driver.Locked, Grandmaster: grandmaster})
	r.fence()
	if got := s.Rate(); got != 96000 {
		t.Errorf("the device runs at %d Hz; want the 96000 set before the clock locked", got)
	}
	r.finish()
}

func applicationRate(t *testing.T, s Subject) {
	if s.ApplicationRate == nil {
		return
	}
	s.Lock(grandmaster)
	r := available(t, s)
	r.expect(driver.PTPStatus{Lock: driver.Locked, Grandmaster: grandmaster})
	r.fence()
	s.ApplicationRate(96000)
	r.expect(driver.SampleRate(96000))
	if got := s.Rate(); got != 96000 {
		t.Errorf("the device runs at %d Hz; want 96000", got)
	}
	s.ApplicationRate(96000) // nothing new, and so no event
	r.fence()
	if err := s.Driver.SetSampleRate(t.Context(), 44100); err != nil {
		t.Errorf("SetSampleRate() = %v; want no error", err)
	}
	s.ApplicationRate(48000)
	r.expect(driver.SampleRate(48000))
	r.finish()
}

func cancelled(t *testing.T, s Subject) {
	r := available(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	allFail(t, ctx, s, context.Canceled)
	r.fence()
	r.legs(0)
	r.finish()
}

func cancelledWhileSlow(t *testing.T, s Subject) {
	if s.Slow == nil {
		return
	}
	r := available(t, s)
	entered, release := s.Slow()
	ctx, cancel := context.WithCancel(t.Context())
	added := make(chan error)
	go func() {
		_, err := s.Driver.Add(ctx, stream(s.Config, 0, true))
		added <- err
	}()
	<-entered
	cancel()
	isErr(t, "Add", <-added, context.Canceled)
	release()
	r.fence()
	r.legs(0)
	r.add(stream(s.Config, 0, true))
	r.finish()
}

func again(t *testing.T, s Subject) {
	r := available(t, s)
	h := r.add(stream(s.Config, 0, true))
	r.finish()
	r = available(t, s)
	r.legs(0)
	_, err := s.Driver.Status(t.Context(), h)
	isErr(t, fmt.Sprintf("Status(handle %d of before)", h), err, driver.ErrNoStream)
	r.add(stream(s.Config, 0, true))
	r.finish()
}
