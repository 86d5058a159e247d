package ptp

import (
	"testing"
	"time"
)

// TestStamp checks how timestamps become raw times while somebody sets the clock.
func TestStamp(t *testing.T) {
	const s, ms, us = int64(time.Second), int64(time.Millisecond), int64(time.Microsecond)
	now := reading{raw: 100 * s, mono: 50 * s, real: 1000 * s, width: 1 * us}
	pass := func(d int64) { now.raw, now.mono, now.real = now.raw+d, now.mono+d, now.real+d }
	h := newHost(func() reading { return now }, nil)
	check := func(what string, age int64, want bool) {
		t.Helper()
		raw, ok := h.stamp(now.real - age)
		if ok != want || ok && raw != now.raw-age {
			t.Errorf("%s: stamp %d ns old is %d, %v; want %d, %v", what, age, raw, ok, now.raw-age, want)
		}
	}
	check("at rest", 0, true)
	check("at rest", ms, true)
	check("not yet due", -ms, false)
	check("ages old", 2*s, false)
	pass(s)
	check("later", 300*us, true)
	now.mono, now.real = now.mono+100*us, now.real+100*us // both are slewed
	check("slewed", 300*us, true)

	for _, by := range []int64{-3600 * s, -10 * ms, -20 * us, 20 * us, 10 * ms, 3600 * s} {
		pass(s)
		now.real += by
		check("just set", ms, false)
		pass(900 * ms)
		check("set lately", ms, false)
		pass(100 * ms)
		check("set long ago", ms, true)
	}
	pass(s)
	now.real += us
	check("set by nothing to speak of", ms, true)
	now.real, now.width = now.real+100*us, 200*us
	check("read slowly, so that one cannot tell", ms, true)
}

// TestReadClocks looks at the real ones.
func TestReadClocks(t *testing.T) {
	a := readClocks()
	b := readClocks()
	if b.raw <= a.raw || b.mono <= a.mono || a.width <= 0 {
		t.Errorf("readings %+v, %+v; want time to pass", a, b)
	}
	if d := time.Since(time.Unix(0, b.real)); d < 0 || d > time.Minute {
		t.Errorf("real time was %v ago; want it to be just now", d)
	}
	if tai := kernelTAI(); tai < 0 || tai > 100 {
		t.Errorf("TAI is %d s ahead; want 0 or what it has been since 1972", tai)
	}
}
