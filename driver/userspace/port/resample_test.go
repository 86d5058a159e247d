package port

import (
	"math"
	"testing"
)

// resampleSine makes a sine, in parts of different lengths, into another rate. The
// frequency is in Hz.
func resampleSine(frequency float64, in, out uint32, ratio float64, samples int) []int32 {
	r := newResampler(1, largest, in, out)
	step := float64(in) / float64(out) * ratio
	from, to := planes(1, largest), planes(1, largest*8)
	var made []int32
	for position, n := 0, 1; len(made) < samples; n = n*7%largest + 1 {
		for i := range n {
			from[0][i] = int32(math.Round(0.9 * math.MaxInt32 * math.Sin(2*math.Pi*math.Mod(frequency/float64(in)*float64(position+i), 1))))
		}
		position += n
		made = append(made, to[0][:r.process(from, to, n, step)]...)
	}
	return made[:samples]
}

func TestResamplerIsPure(t *testing.T) {
	for _, tc := range []struct {
		in, out uint32
		ppm     float64
	}{
		{48000, 48000, 0}, {48000, 48000, 200}, {48000, 48000, -200}, {48000, 48000, 0.1},
		{44100, 48000, 0}, {48000, 44100, 0}, {96000, 48000, 50}, {48000, 192000, -50}, {192000, 44100, 0},
	} {
		for _, frequency := range []float64{20, 997, 10000, 18000} {
			ratio := 1 + tc.ppm*1e-6
			made := resampleSine(frequency, tc.in, tc.out, ratio, 2*halfTaps+24000)[2*halfTaps*4:]
			fit := fitSine(made, frequency/float64(tc.out)*ratio)
			t.Logf("%d to %d Hz, %v ppm, %v Hz: THD+N %.1f dB, level %.4f dB", tc.in, tc.out, tc.ppm, frequency, fit.thdn, 20*math.Log10(fit.amplitude/(0.9*math.MaxInt32)))
			if fit.thdn > -115 {
				t.Errorf("%d to %d Hz, %v ppm, %v Hz: THD+N %.1f dB", tc.in, tc.out, tc.ppm, frequency, fit.thdn)
			}
			if level := 20 * math.Log10(fit.amplitude/(0.9*math.MaxInt32)); math.Abs(level) > 0.01 {
				t.Errorf("%d to %d Hz, %v ppm, %v Hz: level %.4f dB; want 0", tc.in, tc.out, tc.ppm, frequency, level)
			}
		}
	}
}

// What a lower rate cannot carry must not come back as another frequency.
func TestResamplerRejects(t *testing.T) {
	for _, frequency := range []float64{25500, 30000, 47000} {
		made := resampleSine(frequency, 96000, 48000, 1, 24000)[1000:]
		sum := 0.0
		for _, s := range made {
			sum += float64(s) * float64(s)
		}
		level := 10*math.Log10(sum/float64(len(made))/(0.9*0.9/2)) - 20*math.Log10(math.MaxInt32)
		t.Logf("%v Hz: %.1f dB", frequency, level)
		if level > -105 {
			t.Errorf("%v Hz is left with %.1f dB", frequency, level)
		}
	}
}

// The first output is of the first input, so that positions can be told.
func TestResamplerKeepsTime(t *testing.T) {
	for _, rates := range [][2]uint32{{48000, 48000}, {44100, 48000}, {96000, 48000}, {48000, 96000}} {
		const frequency = 1000
		made := resampleSine(frequency, rates[0], rates[1], 1, 24000)
		// The first ones are made of silence too. A whole number of turns is left out.
		turn := int(rates[1] / frequency)
		skip := turn * 8
		fit := fitSine(made[skip:], frequency/float64(rates[1]))
		if late := -fit.phase / (2 * math.Pi) * float64(rates[1]) / frequency; math.Abs(late) > 1e-4 && rates[1]%frequency == 0 {
			t.Errorf("%d to %d Hz: %.6f samples late", rates[0], rates[1], late)
		}
	}
}

func TestResamplerPending(t *testing.T) {
	r := newResampler(2, largest, 48000, 44100)
	in, out := planes(2, largest), planes(2, largest)
	const step = 48000.0 / 44100
	fed, made := 0, 0
	for n := 1; fed < 10000; n = n*5%largest + 1 {
		fed += n
		made += r.process(in, out, n, step)
		if got, want := r.pending(), float64(fed)-float64(made)*step; math.Abs(got-want) > 1e-6 {
			t.Fatalf("after %d samples, of which %d were made: pending %.6f; want %.6f", fed, made, got, want)
		}
	}
}

// Full scale has to stay full scale: a filter rings above it.
func TestResamplerSaturates(t *testing.T) {
	r := newResampler(1, largest, 48000, 48000)
	in, out := planes(1, largest), planes(1, largest+2)
	for i := range in[0] {
		in[0][i] = math.MaxInt32
		if i/50%2 == 1 {
			in[0][i] = math.MinInt32
		}
	}
	n := r.process(in, out, largest, 1+1e-3)
	for i, s := range out[0][halfTaps : n-1] {
		// Between the edges, where there is nothing but full scale.
		if at := (i + halfTaps) % 50; at > 10 && at < 40 && (s > 0) != ((i+halfTaps)/50%2 == 0) {
			t.Fatalf("sample %d = %d: it has wrapped", i+halfTaps, s)
		}
	}
}

func TestResamplerDoesNotAllocate(t *testing.T) {
	r := newResampler(8, largest, 48000, 48000)
	in, out := planes(8, largest), planes(8, largest+8)
	if n := testing.AllocsPerRun(100, func() { r.process(in, out, 48, 1.0001) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkResampler(b *testing.B) {
	r := newResampler(8, largest, 48000, 48000)
	in, out := planes(8, largest), planes(8, largest+8)
	for b.Loop() {
		r.process(in, out, 48, 1.0001)
	}
	// Of one core, for eight channels at 48 kHz.
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6*100, "%core")
}
