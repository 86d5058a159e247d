package ptp

import (
	"testing"
	"time"

	"aes67os/driver/userspace/media"
)

// TestOutput checks that mappings go on from each other.
func TestOutput(t *testing.T) {
	for _, test := range []struct {
		name string
		// late is how long the second publishing is late, by is how far the line has moved
		// then, in nanoseconds.
		late  time.Duration
		by    int64
		leap  bool
		jumps bool
	}{
		{"no move", 0, 0, false, false},
		{"a little", 0, 10_000, false, false},
		{"a little back", 0, -10_000, false, false},
		{"much", 0, 900_000, false, false},
		{"much, and late", time.Second, 900_000, false, false},
		{"too much", 0, 1_100_000, false, true},
		{"a little, but nobody listens", 0, 10_000, true, true},
	} {
		o := output{clock: new(media.Clock)}
		now := reading{raw: 7e9, mono: 5e9}
		line := media.Mapping{Local: 1e9, PTP: 1e18, Rate: 1.00005}
		pass := func(d time.Duration) {
			now.raw += d.Nanoseconds()
			now.mono += int64(float64(d) * 1.0001)
		}
		o.publish(now, line, false)
		for range 20 {
			pass(publishInterval)
			o.publish(now, line, false)
		}
		before := *o.clock.Mapping()
		line.PTP += test.by
		pass(publishInterval + test.late)
		if ahead := o.publish(now, line, test.leap); ahead < test.by-100 || ahead > test.by+100 {
			t.Errorf("%s: %d ns ahead; want %d", test.name, ahead, test.by)
		}
		after := *o.clock.Mapping()
		moved := after.PTPAt(now.mono) - before.PTPAt(now.mono)
		if jumped := max(moved, -moved) > 10; jumped != test.jumps {
			t.Errorf("%s: moved by %d ns; want a jump: %v", test.name, moved, test.jumps)
		}
		if limit := 161e-6; after.Rate-before.Rate > limit || before.Rate-after.Rate > limit {
			t.Errorf("%s: rate from %v to %v; want a change of %v at most", test.name, before.Rate, after.Rate, limit)
		}
		for range 300 {
			pass(publishInterval)
			o.publish(now, line, false)
		}
		o.rest(now)
		pass(time.Second)
		if off := o.clock.Mapping().PTPAt(now.mono) - line.PTPAt(now.raw); off < -100 || off > 100 {
			t.Errorf("%s: off by %d ns in the end", test.name, off)
		}
	}
}

// TestNearReadings has a host become the master and publish, and do so again as it would have
// anyway.
func TestNearReadings(t *testing.T) {
	o := output{clock: new(media.Clock)}
	now := reading{raw: 7e9, mono: 5e9}
	line := media.Mapping{Local: now.raw, PTP: 1e18, Rate: 1}
	o.publish(now, line, false)
	now.raw, now.mono = now.raw+30_500, now.mono+30_000 // half a microsecond of it is wrong
	o.publish(now, line, false)
	if got := o.clock.Mapping().Rate; got < 1-1e-6 || got > 1+10e-6 {
		t.Errorf("after two readings that are 30 µs apart, 500 ns of it wrong, the rate is %v", got)
	}
}

// TestRest checks that nothing slews on when the clock is stopped.
func TestRest(t *testing.T) {
	o := output{clock: new(media.Clock)}
	now := reading{raw: 7e9, mono: 5e9}
	o.rest(now) // there is nothing yet
	line := media.Mapping{Local: 1e9, PTP: 1e18, Rate: 1.00005}
	o.publish(now, line, false)
	line.PTP += 500_000
	o.publish(now, line, false)
	at := o.clock.Mapping().PTPAt(now.mono)
	if o.rest(now); *o.clock.Mapping() != (media.Mapping{Local: now.mono, PTP: at, Rate: 1.00005}) {
		t.Errorf("mapping %+v; want %d at the line's rate", *o.clock.Mapping(), at)
	}
}
