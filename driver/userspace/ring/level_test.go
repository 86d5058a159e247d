package ring

import (
	"math"
	"testing"
)

func TestLevel(t *testing.T) {
	sine := make([]int32, 4096)
	for i := range sine {
		sine[i] = int32(math.MaxInt32 * math.Sin(2*math.Pi*float64(i)/64))
	}
	quiet := make([]int32, 4096) // but for one sample, the last of those measured
	quiet[1023] = -1
	for _, test := range []struct {
		name      string
		samples   []int32
		at        int64
		n         int
		peak, rms float64
	}{
		{name: "sine", samples: sine, n: 4096, peak: 1, rms: math.Sqrt2 / 2},
		{name: "sine around the end", samples: sine, at: 4096 + 4000, n: 640, peak: 1, rms: math.Sqrt2 / 2},
		{name: "a part of it", samples: sine, at: 1, n: 1, peak: math.Sin(math.Pi / 32), rms: math.Sin(math.Pi / 32)},
		{name: "the least", samples: quiet, n: 1024, peak: 1. / fullScale, rms: 1. / 32 / fullScale},
		{name: "before the least", samples: quiet, n: 1023},
		{name: "the largest", samples: []int32{math.MinInt32, math.MinInt32}, n: 2, peak: 1, rms: 1},
		{name: "half of it", samples: []int32{math.MinInt32, 0, 0, 0}, n: 4, peak: 1, rms: .5},
		{name: "silence", samples: make([]int32, 100), n: 4096},
		{name: "never written", n: 4096},
		{name: "nothing", samples: sine},
	} {
		r := New(3, 4096)
		if test.samples != nil {
			r.Write(1, 0, test.samples)
			r.Write(2, 0, []int32{math.MaxInt32})
		}
		peak, rms := r.Level(1, test.at, test.n)
		if !near(peak, test.peak) || !near(rms, test.rms) {
			t.Errorf("%s: level %g, %g; want %g, %g", test.name, peak, rms, test.peak, test.rms)
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*b }

// BenchmarkLevel is a meter's work: 200 ms of 64 channels at 48 kHz.
func BenchmarkLevel(b *testing.B) {
	r := New(64, 1<<16)
	samples := make([]int32, r.Samples())
	for channel := range r.Channels() {
		for i := range samples {
			samples[i] = int32(uint32(i+channel) * 2654435761)
		}
		r.Write(channel, 0, samples)
	}
	b.ReportAllocs()
	for b.Loop() {
		for channel := range r.Channels() {
			r.Level(channel, 60000, 9600)
		}
	}
}
