package port

import "math"

// resampler makes one sample rate from another, by any ratio, which may change from call
// to call. Each output sample is what a low-pass filter (a sinc in a Kaiser window) gives
// at its place between the input samples. The filter is tabulated at some places and
// interpolated in between by a cubic polynomial, whose error is far below the filter's own.
type resampler struct {
	half  int // input samples of the filter to each side
	table []float64
	// row is the filter at the place of one output sample.
	row []float64
	// history has the input that is still needed; have is its length, the same for all
	// channels. at is the place of the next output sample in it.
	history [][]float64
	have    int
	at      float64
}

const (
	// halfTaps is the length of the filter to each side, in samples of the lower rate. It
	// makes the time a resampler adds: 1 ms at 48 kHz.
	halfTaps = 48
	// phases is in how many places between two input samples the filter is tabulated.
	phases = 256
	// kaiser is the shape of the window: 118 dB of attenuation, reached within kaiserWidth
	// of the filter's edge, in parts of half the lower rate (J. F. Kaiser, 1974).
	kaiser      = 12.0
	kaiserWidth = (118 - 7.95) / (14.36 * 2 * halfTaps)
	// edge is where the filter has half its amplitude, in the same parts: so that what is
	// above half the rate by the width of the edge is gone.
	edge = 1.03 - kaiserWidth
)

// newResampler makes one for so many channels and at most that much input at once.
func newResampler(channels, most int, in, out uint32) *resampler {
	cutoff := edge * min(1, float64(out)/float64(in))
	half := int(math.Ceil(halfTaps * max(1, float64(in)/float64(out))))
	r := &resampler{half: half, table: make([]float64, (phases+3)*2*half), row: make([]float64, 2*half)}
	for phase := range phases + 3 {
		// One row before the first and two after the last are for the interpolation.
		place := float64(phase-1) / phases
		for tap := range 2 * half {
			t := float64(tap-half+1) - place
			r.table[phase*2*half+tap] = cutoff * sinc(cutoff*t) * window(t/float64(half))
		}
	}
	for range channels {
		r.history = append(r.history, make([]float64, 2*half+most))
	}
	r.reset()
	return r
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// window is Kaiser's, over -1 to 1.
func window(x float64) float64 {
	if x <= -1 || x >= 1 {
		return 0
	}
	return bessel(kaiser*math.Sqrt(1-x*x)) / bessel(kaiser)
}

// bessel is the modified Bessel function I₀, by its series.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-17; k++ {
		term *= x / (2 * k) * x / (2 * k)
		sum += term
	}
	return sum
}

// reset forgets all input. The next output is of the first input that comes.
func (r *resampler) reset() {
	for _, h := range r.history {
		clear(h)
	}
	r.have = r.half - 1
	r.at = float64(r.have)
}

// pending is how much of the input is after the place of the next output, in input samples.
func (r *resampler) pending() float64 { return float64(r.have) - r.at }

// process takes n samples of each channel and makes the output that can be made of them,
// with step input samples from each to the next. It returns how many. out has to have room
// for n/step + 2.
func (r *resampler) process(in, out [][]int32, n int, step float64) int {
	for c, h := range r.history {
		for i, s := range in[c][:n] {
			h[r.have+i] = float64(s)
		}
	}
	r.have += n
	made := 0
	for ; int(r.at)+r.half < r.have; made++ {
		first := int(r.at) - r.half + 1
		r.interpolate(r.at - float64(int(r.at)))
		for c, h := range r.history {
			out[c][made] = dot(h[first:first+len(r.row)], r.row)
		}
		r.at += step
	}
	// The filter may begin beyond the input when the step is long.
	if done := min(int(r.at)-r.half+1, r.have); done > 0 {
		for _, h := range r.history {
			copy(h, h[done:r.have])
		}
		r.have -= done
		r.at -= float64(done)
	}
	return made
}

// interpolate makes the row at a place between 0 and 1: Lagrange's polynomial through the
// four rows around it.
func (r *resampler) interpolate(place float64) {
	phase := int(place * phases)
	x := place*phases - float64(phase)
	a := -x * (x - 1) * (x - 2) / 6
	b := (x + 1) * (x - 1) * (x - 2) / 2
	c := -(x + 1) * x * (x - 2) / 2
	d := (x + 1) * x * (x - 1) / 6
	n := len(r.row)
	rows := r.table[phase*n : (phase+4)*n]
	before, at, after, beyond := rows[:n], rows[n:2*n], rows[2*n:3*n], rows[3*n:]
	for i := range r.row {
		r.row[i] = a*before[i] + b*at[i] + c*after[i] + d*beyond[i]
	}
}

func dot(samples, row []float64) int32 {
	sum := 0.0
	for i, f := range row {
		sum += f * samples[i]
	}
	return int32(math.Round(min(max(sum, math.MinInt32), math.MaxInt32)))
}
