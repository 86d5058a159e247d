package ptp

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"aes67os/driver/userspace/media"
)

// path is a simulated way to a master: how its time follows from ours, and how long
// messages take, in nanoseconds.
type path struct {
	// ptp is the master's time at a raw time.
	ptp func(raw int64) int64
	// down and up are the delays of a Sync and of a delay request; negative is a lost one.
	down, up func(raw int64) float64
	// every is the time between Syncs; delay requests go once a second.
	every time.Duration
}

// drift is a master whose clock differs by so many ppm.
func drift(ppm float64) func(raw int64) int64 {
	m := media.Mapping{Local: 0, PTP: 1_700_000_000_000_000_000, Rate: 1 + ppm*1e-6}
	return m.PTPAt
}

// errorsOf runs an estimator for a time and returns by how much its line is off the true
// one, at every publishing once it would be used, in nanoseconds.
func errorsOf(e *estimator, p path, length time.Duration) (off []float64) {
	nextRequest, nextFit := int64(0), int64(0)
	for raw := int64(0); raw < length.Nanoseconds(); raw += p.every.Nanoseconds() {
		if down := p.down(raw); down >= 0 {
			e.sync(sample{raw + int64(down), p.ptp(raw)})
		}
		if raw >= nextRequest {
			nextRequest += int64(time.Second)
			if up := p.up(raw); up >= 0 && len(e.syncs) > 0 {
				left := raw + int64(40*time.Millisecond)
				e.exchange(sample{left, p.ptp(left + int64(up))})
			}
		}
		if raw < nextFit {
			continue
		}
		nextFit = raw + publishInterval.Nanoseconds()
		e.fit()
		if e.ready && e.span() >= minSpan && len(e.delays) > 0 {
			line, now := e.line(), raw+int64(100*time.Millisecond)
			off = append(off, float64(line.PTPAt(now)-p.ptp(now)))
		}
	}
	return off
}

// figures are of the size of some errors.
func figures(off []float64) (rms, p99, most float64) {
	size := make([]float64, len(off))
	for i, o := range off {
		size[i] = math.Abs(o)
		rms += o * o / float64(len(off))
	}
	slices.Sort(size)
	return math.Sqrt(rms), size[len(size)*99/100], size[len(size)-1]
}

func exactly(ns float64) func(int64) float64 { return func(int64) float64 { return ns } }

// TestEstimator simulates networks, clocks and what happens to them. The bounds are what
// the estimator reaches, and a little more.
func TestEstimator(t *testing.T) {
	t.Parallel()
	const micro, milli = 1e3, 1e6
	r := rand.New(rand.NewPCG(1, 2))
	// queue delays by a constant plus an exponential with that mean.
	queue := func(constant, mean float64) func(int64) float64 {
		return func(int64) float64 { return constant + mean*r.ExpFloat64() }
	}
	// sometimes delays a share of the messages by up to so much more.
	sometimes := func(share, most float64, usual func(int64) float64) func(int64) float64 {
		return func(raw int64) float64 {
			if r.Float64() < share {
				return usual(raw) + most*r.Float64()
			}
			return usual(raw)
		}
	}
	// between does something else for a while.
	between := func(from, to time.Duration, other, usual func(int64) float64) func(int64) float64 {
		return func(raw int64) float64 {
			if raw >= from.Nanoseconds() && raw < to.Nanoseconds() {
				return other(raw)
			}
			return usual(raw)
		}
	}
	uniform := func(low, high float64) func(int64) float64 {
		return func(int64) float64 { return low + (high-low)*r.Float64() }
	}
	lost := exactly(-1)
	eighth := 125 * time.Millisecond
	for _, test := range []struct {
		name     string
		path     path
		from, to time.Duration
		// rms, p99 and most are bounds in nanoseconds.
		rms, p99, most float64
	}{
		{"exact", path{drift(100), exactly(50 * micro), exactly(50 * micro), eighth}, 0, time.Minute, 4, 4, 5},
		{"uniform noise", path{drift(-30), uniform(10*micro, 20*micro), uniform(10*micro, 20*micro), eighth}, 30 * time.Second, 5 * time.Minute, 500, 1200, 1500},
		{"uniform noise, beginning", path{drift(-30), uniform(10*micro, 20*micro), uniform(10*micro, 20*micro), eighth}, 0, 30 * time.Second, 1500, 7000, 8000},
		{"queues", path{drift(100), queue(20*micro, 5*micro), queue(20*micro, 5*micro), eighth}, 30 * time.Second, 5 * time.Minute, 300, 600, 800},
		{"spikes", path{drift(20), sometimes(0.1, 5*milli, queue(5*micro, micro)), sometimes(0.1, 5*milli, queue(5*micro, micro)), eighth}, 30 * time.Second, 5 * time.Minute, 60, 130, 200},
		{"more Syncs delayed than not", path{drift(20), sometimes(0.6, 300*micro, queue(5*micro, micro)), queue(5*micro, micro), eighth}, 30 * time.Second, 5 * time.Minute, 300, 600, 800},
		{"asymmetric queueing", path{drift(-100), sometimes(0.5, 200*micro, queue(30*micro, micro)), queue(30*micro, micro), eighth}, 30 * time.Second, 5 * time.Minute, 200, 400, 600},
		{"a busy minute", path{drift(5), between(60*time.Second, 120*time.Second, queue(50*micro, 100*micro), queue(5*micro, micro)), between(60*time.Second, 120*time.Second, queue(50*micro, 100*micro), queue(5*micro, micro)), eighth}, 30 * time.Second, 5 * time.Minute, 12000, 60000, 90000},
		{"Syncs come no more for a while", path{drift(5), between(60*time.Second, 80*time.Second, lost, queue(5*micro, micro)), queue(5*micro, micro), eighth}, 30 * time.Second, 5 * time.Minute, 80, 200, 400},
		{"every third is lost", path{drift(5), func(raw int64) float64 {
			if r.IntN(3) == 0 {
				return -1
			}
			return 5*micro + micro*r.ExpFloat64()
		}, queue(5*micro, micro), eighth}, 30 * time.Second, 5 * time.Minute, 100, 250, 400},
		{"one Sync a second", path{drift(50), queue(5*micro, micro), queue(5*micro, micro), time.Second}, 30 * time.Second, 5 * time.Minute, 300, 900, 1200},
		{"128 Syncs a second", path{drift(50), queue(5*micro, micro), queue(5*micro, micro), time.Second / 128}, 30 * time.Second, 5 * time.Minute, 100, 200, 250},
		{"the path becomes longer", path{drift(5), between(60*time.Second, time.Hour, queue(25*micro, micro), queue(5*micro, micro)), between(60*time.Second, time.Hour, queue(25*micro, micro), queue(5*micro, micro)), eighth}, 120 * time.Second, 5 * time.Minute, 80, 200, 300},
		{"the master changes its rate by 10 ppm", path{func(raw int64) int64 {
			return drift(5)(raw) + max(0, raw-60e9)/100_000
		}, queue(5*micro, micro), queue(5*micro, micro), eighth}, 30 * time.Second, 5 * time.Minute, 600, 1000, 6000},
		{"a warming crystal, 1 ppm in a minute", path{func(raw int64) int64 {
			return drift(5)(raw) + int64(0.5*1e-6/60*float64(raw)/1e9*float64(raw))
		}, queue(5*micro, micro), queue(5*micro, micro), eighth}, 30 * time.Second, 5 * time.Minute, 1600, 1900, 2200},
		{"the master steps back by 0.9 ms", path{func(raw int64) int64 {
			if raw > 60e9 {
				return drift(5)(raw) - 900e3
			}
			return drift(5)(raw)
		}, queue(5*micro, micro), queue(5*micro, micro), eighth}, 63 * time.Second, 5 * time.Minute, 1000, 1000, 6000},
		{"the master steps by 10 s", path{func(raw int64) int64 {
			if raw > 60e9 {
				return drift(5)(raw) + 10e9
			}
			return drift(5)(raw)
		}, queue(5*micro, micro), queue(5*micro, micro), eighth}, 62 * time.Second, 5 * time.Minute, 100, 250, 1200},
	} {
		t.Run(test.name, func(t *testing.T) {
			off := errorsOf(newEstimator(1), test.path, test.to)
			// Errors are from the end, for some Syncs are lost.
			n := int((test.to - test.from) / max(test.path.every, publishInterval))
			rms, p99, most := figures(off[max(0, len(off)-n):])
			t.Logf("rms %.0f p99 %.0f most %.0f ns", rms, p99, most)
			if rms > test.rms || p99 > test.p99 || most > test.most {
				t.Errorf("errors rms %.0f, p99 %.0f, at most %.0f ns; want %.0f, %.0f, %.0f", rms, p99, most, test.rms, test.p99, test.most)
			}
		})
	}
}

// servo is what ptp4l does with software timestamps and its default options: a PI servo on
// every Sync, with the median of the last 10 path delays. It returns its errors.
func servo(p path, length time.Duration) (off []float64) {
	var delays []float64
	interval := p.every.Seconds()
	kp, ki := 0.1*math.Pow(interval, -0.3), 0.001*math.Pow(interval, 0.4)
	var drift float64
	// ours is the clock it steers; ptp4l begins with the right rate and time, too.
	ours := media.Mapping{PTP: p.ptp(0), Rate: float64(p.ptp(1e9)-p.ptp(0)) / 1e9}
	rate, nextRequest := ours.Rate, int64(0)
	for raw := int64(0); raw < length.Nanoseconds(); raw += p.every.Nanoseconds() {
		came := raw + int64(p.down(raw))
		if raw >= nextRequest {
			nextRequest += int64(time.Second)
			left := raw + int64(40*time.Millisecond)
			up := p.ptp(left+int64(p.up(left))) - ours.PTPAt(left)
			delays = append(delays, float64(up+ours.PTPAt(came)-p.ptp(raw))/2)
			delays = delays[max(0, len(delays)-10):]
		}
		sorted := slices.Sorted(slices.Values(delays))
		offset := float64(ours.PTPAt(came)-p.ptp(raw)) - sorted[len(sorted)/2]
		drift += ki * offset
		ours = media.Mapping{Local: came, PTP: ours.PTPAt(came), Rate: rate - (kp*offset+drift)*1e-9}
		now := raw + int64(100*time.Millisecond)
		off = append(off, float64(ours.PTPAt(now)-p.ptp(now)))
	}
	return off
}

// TestBetterThanServo compares with ptp4l's servo, on the same kinds of timestamps.
func TestBetterThanServo(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for _, test := range []struct {
		name  string
		delay func(int64) float64
	}{
		{"quiet", func(int64) float64 { return 2000 + 300*r.ExpFloat64() }},
		{"queues", func(int64) float64 { return 20000 + 5000*r.ExpFloat64() }},
		{"spikes", func(int64) float64 {
			if r.IntN(50) == 0 {
				return 300e3 * r.Float64()
			}
			return 5000 + 1000*r.ExpFloat64()
		}},
	} {
		p := path{drift(20), test.delay, test.delay, 125 * time.Millisecond}
		const length = 10 * time.Minute
		late := func(off []float64) []float64 { return off[len(off)/10:] }
		rms, p99, _ := figures(late(errorsOf(newEstimator(1), p, length)))
		servoRMS, servoP99, _ := figures(late(servo(p, length)))
		t.Logf("%s: rms %.0f ns, the servo's %.0f; p99 %.0f ns, the servo's %.0f", test.name, rms, servoRMS, p99, servoP99)
		if rms > servoRMS || p99 > servoP99 {
			t.Errorf("%s: rms %.0f, p99 %.0f ns; want at most the servo's %.0f and %.0f", test.name, rms, p99, servoRMS, servoP99)
		}
	}
}
