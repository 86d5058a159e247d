package ptp

import (
	"errors"
	"math"
	"testing"
	"time"
)

// oscillator is a network card's clock, and a host whose raw time is the true one.
type oscillator struct {
	// now is the time, begun when the card's clock was ahead of it by ahead and had begun
	// to run fast by ppm.
	now, begun, ahead int64
	ppm               float64
	// noise is how much later than in the middle of a reading the card's clock was read, and
	// width how long the reading took.
	noise, width int64
	stands       bool
	broken       error
	reads        int
}

func (o *oscillator) host() *host {
	return newHost(func() reading { return reading{raw: o.now, mono: o.now, real: o.now} }, nil)
}

// time is what the card's clock shows.
func (o *oscillator) time() int64 {
	if o.stands {
		return o.ahead
	}
	return o.now + o.ahead + int64(o.ppm*1e-6*float64(o.now-o.begun))
}

// steer makes it run otherwise from now on, as another program may.
func (o *oscillator) steer(ppm float64) {
	o.ahead, o.begun, o.ppm = o.time()-o.now, o.now, ppm
}

func (o *oscillator) read() (crossing, error) {
	o.reads++
	c := crossing{phc: o.time() + o.noise, raw: o.now, width: o.width}
	o.now += o.width / 2
	return c, o.broken
}

func (o *oscillator) phc(t *testing.T) *phc {
	t.Helper()
	p, err := newPHC(o.host(), o.read, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	us = int64(time.Microsecond)
	ms = int64(time.Millisecond)
)

// event has a timestamp taken and read after a while, and returns by how much its raw time
// is off.
func (o *oscillator) event(p *phc, age int64) (off int64, ok bool) {
	at, when := o.time(), o.now
	o.now += age
	raw, ok := p.stamp(at)
	return raw - when, ok
}

// TestPHC checks how exactly a card's timestamps become raw time.
func TestPHC(t *testing.T) {
	for _, test := range []struct {
		name string
		o    oscillator
		age  int64
		// disturb happens before every event.
		disturb func(o *oscillator, n int)
		most    int64
		lost    int
	}{
		{"as the host", oscillator{}, 100 * us, nil, 0, 0},
		{"of another epoch", oscillator{ahead: math.MaxInt64 / 2}, 100 * us, nil, 0, 0},
		{"since it was switched on", oscillator{now: 1e15, ahead: -1e15}, 100 * us, nil, 0, 0},
		{"fast", oscillator{ppm: 100}, ms, nil, 2, 0},
		{"slow", oscillator{ppm: -100}, ms, nil, 2, 0},
		{"read late", oscillator{ppm: 100}, 100 * ms, nil, 20, 0},
		{"steered by little", oscillator{ppm: 20}, ms, func(o *oscillator, n int) { o.steer(20 + 5*math.Sin(float64(n))) }, 20, 0},
		{"steered by as much as can be", oscillator{}, 100 * us, func(o *oscillator, n int) { o.steer(900 * math.Sin(float64(n))) }, 200, 0},
		{"noisy", oscillator{width: 2 * us}, 100 * us, func(o *oscillator, n int) { o.noise = int64(900 * math.Sin(float64(n))) }, 920, 0},
		{"sometimes interrupted", oscillator{width: us}, 100 * us, func(o *oscillator, n int) {
			if o.width, o.noise = us, 0; n%7 == 6 {
				o.width, o.noise = 200*us, 90*us
			}
		}, 500, 0},
		{"set now and then", oscillator{}, 100 * us, func(o *oscillator, n int) {
			if n%50 == 49 {
				o.ahead += []int64{ms, -ms, 3600e9, -3600e9}[n/50%4]
			}
		}, 0, 4},
		{"standing still", oscillator{stands: true, ahead: 5e9}, 100 * us, nil, 0, 200},
		{"standing at zero", oscillator{stands: true}, 100 * us, nil, 0, 200},
		{"running at twice the speed", oscillator{ppm: 1e6}, 100 * us, nil, 0, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := test.o
			p := o.phc(t)
			lost := 0
			for n := range 200 {
				o.now += 100 * ms
				if test.disturb != nil {
					test.disturb(&o, n)
				}
				off, ok := o.event(p, test.age)
				if !ok {
					lost++
				} else if max(off, -off) > test.most {
					t.Errorf("event %d is off by %d ns; want %d at most", n, off, test.most)
				}
			}
			if lost != test.lost {
				t.Errorf("%d of 200 timestamps are of no use; want %d", lost, test.lost)
			}
		})
	}
}

// TestPHCStepsBetween has the card's clock set between a timestamp and its reading.
func TestPHCStepsBetween(t *testing.T) {
	for _, by := range []int64{-3600e9, -50 * ms, 50 * ms, 3600e9} {
		o := oscillator{now: 1e12}
		p := o.phc(t)
		o.now += 100 * ms
		if _, ok := o.event(p, us); !ok {
			t.Fatal("a timestamp before is of no use")
		}
		o.now += 100 * ms
		at := o.time()
		o.ahead += by
		o.now += 100 * us
		if raw, ok := p.stamp(at); ok {
			t.Errorf("set by %d ns: raw time %d ns off; want none", by, raw-o.now)
		}
		o.now += 100 * ms
		if off, ok := o.event(p, us); !ok || off != 0 {
			t.Errorf("set by %d ns: a later one is off by %d, %v", by, off, ok)
		}
	}
}

// TestPHCRefuses checks what is no timestamp of lately, and that nothing is after the end.
func TestPHCRefuses(t *testing.T) {
	o := oscillator{now: 1e12}
	p := o.phc(t)
	o.now += 10e9
	for _, age := range []int64{-20 * us, 2e9, 1e15} {
		if _, ok := p.stamp(o.time() - age); ok {
			t.Errorf("one %d ns old is believed", age)
		}
	}
	if _, ok := p.stamp(o.time()); !ok {
		t.Error("one of just now is not believed")
	}
	o.now += 10e9
	o.broken = errors.New("taken out")
	if _, ok := p.stamp(o.time()); ok {
		t.Error("one is believed though the clock cannot be read")
	}
	o.broken = nil
	closed := 0
	p.stop = func() { closed++ }
	p.close()
	p.close()
	if _, ok := p.stamp(o.time()); ok || closed != 1 {
		t.Errorf("closed %d times, a timestamp believed after it: %v; want 1 and not", closed, ok)
	}
}

// TestPHCFlood checks that a flood of packets does not have the clock read for each.
func TestPHCFlood(t *testing.T) {
	o := oscillator{now: 1e12, ppm: 50}
	p := o.phc(t)
	o.now += 100 * ms
	o.reads = 0
	for range 10000 {
		o.now += 10 * us
		if off, ok := o.event(p, 0); !ok || max(off, -off) > 600 { // the rate is not known at first
			t.Fatalf("off by %d, %v", off, ok)
		}
	}
	if o.reads > 11 {
		t.Errorf("the clock was read %d times in 100 ms; want 11 at most", o.reads)
	}
}
