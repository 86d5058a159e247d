package port

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"
)

// newDevice is a device whose clock is that of the test's bubble: position 0 was in 1970.
func newDevice(rate uint32, channels int) Device {
	d := Device{
		Clock: new(media.Clock), Rate: rate, Log: slog.New(slog.DiscardHandler),
		Playback: ring.New(channels, int(rate/2)), Capture: ring.New(channels, int(rate/2)),
		now: func() int64 { return time.Now().UnixNano() },
	}
	d.Clock.Set(&media.Mapping{Rate: 1})
	return d
}

// begin runs a port in the background, until the test ends or the function is called.
func begin(t *testing.T, p Port, d Device) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var runs sync.WaitGroup
	runs.Go(func() {
		if err := p.Run(ctx, d); err != nil {
			t.Errorf("Run of %q: %v", p.Name(), err)
		}
	})
	stop = func() { cancel(); runs.Wait() }
	t.Cleanup(stop)
	return stop
}

// now is the position of now.
func now(d Device) int64 {
	p, _, _ := d.position()
	return p
}

func read(r *ring.Ring, channel int, from int64, n int) []int32 {
	s := make([]int32, n)
	r.Read(channel, from, s)
	return s
}

// noise has a sample for each position and channel, and no two alike in a row.
func noise(channel int, position int64) int32 {
	x := uint64(position)*0x9E3779B97F4A7C15 + uint64(channel)*0xD1B54A32D192ED03
	x ^= x >> 29
	x *= 0xBF58476D1CE4E5B9
	return int32(x >> 32)
}

func TestRunRefuses(t *testing.T) {
	for name, p := range map[string]Port{
		"channel there is not":          Tone{Frequency: 1000, To: []int{2}},
		"negative channel":              Player{Path: "x.wav", To: []int{-2}},
		"frequency above half the rate": Tone{Frequency: 25000, To: []int{0}},
		"no frequency":                  Tone{Frequency: math.NaN(), To: []int{0}},
		"level above full scale":        Tone{Frequency: 1000, Level: 1, To: []int{0}},
		"capture channel there is not":  Recorder{Path: "x.wav", From: []int{2}},
		"bits":                          Recorder{Path: "x.wav", Bits: 20, From: []int{0}},
		"recording of nothing":          Recorder{Path: "x.wav"},
		"loop of different numbers":     Loop{From: []int{0}, To: []int{0, 1}},
		"loop that takes too long":      Loop{From: []int{0}, To: []int{0}, Delay: time.Minute},
		"card's name":                   &Card{Device: "default", To: []int{0}},
		"card's latency":                &Card{Device: "hw:0", To: []int{0}, Latency: time.Second},
	} {
		if err := p.Run(t.Context(), newDevice(48000, 2)); !errors.Is(err, driver.ErrInvalid) {
			t.Errorf("%s: Run = %v; want %v", name, err, driver.ErrInvalid)
		}
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(48000, 1)
		d.Clock.Set(nil)
		type stretches struct{ from, to int64 }
		var got []stretches
		var mu sync.Mutex
		take := func() []stretches {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			defer func() { got = nil }()
			return got
		}
		ctx, cancel := context.WithCancel(t.Context())
		var runs sync.WaitGroup
		runs.Go(func() {
			d.pace(ctx, 10*time.Millisecond, 100, 1000, func(from, to int64) error {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, stretches{from, to})
				return nil
			})
		})
		defer runs.Wait()
		defer cancel()

		time.Sleep(time.Second)
		if s := take(); s != nil {
			t.Fatalf("without a clock: %v", s)
		}
		d.Clock.Set(&media.Mapping{Rate: 1})
		time.Sleep(10 * time.Millisecond)
		end := now(d) + 100
		check := func(what string, first int64) {
			t.Helper()
			s := take()
			if len(s) == 0 {
				t.Fatalf("%s: nothing", what)
			}
			next := first
			for _, s := range s {
				if s.from != next || s.to <= s.from || s.to-s.from > stretch {
					t.Fatalf("%s: from %d to %d after %d", what, s.from, s.to, next)
				}
				next = s.to
			}
			if end = now(d) + 100; next != end {
				t.Fatalf("%s: ends at %d; want %d", what, next, end)
			}
		}
		check("at first", end-1000)
		next := end
		time.Sleep(time.Second)
		check("after a second", next)

		d.Clock.Set(&media.Mapping{PTP: 1e9, Rate: 1})
		time.Sleep(10 * time.Millisecond)
		check("a second later", now(d)+100-1000)
		d.Clock.Set(&media.Mapping{Rate: 1})
		time.Sleep(10 * time.Millisecond)
		check("a second earlier", now(d)+100-1000)

		next = end
		d.Clock.Set(&media.Mapping{PTP: -5e6, Rate: 1})
		time.Sleep(10 * time.Millisecond)
		check("5 ms earlier", next)
	})
}

func TestTone(t *testing.T) {
	for _, tc := range []struct {
		tone Tone
		rate uint32
	}{
		{Tone{Frequency: 997, Level: 0}, 48000},
		{Tone{Frequency: 1000, Level: -20}, 44100},
		{Tone{Frequency: 0.5, Level: -0.1}, 48000},
		{Tone{Frequency: 96000, Level: -6}, 192000},
	} {
		const at = 84_000_000_000_000 // some time in 2025
		whole := make([]int32, 48000)
		tc.tone.fill(whole, at, tc.rate)
		// In parts it is the same, bit by bit.
		part := make([]int32, 100)
		tc.tone.fill(part, at+777, tc.rate)
		for i, s := range part {
			if s != whole[777+i] {
				t.Fatalf("%s: sample %d = %d, begun at 0 it was %d", tc.tone.Name(), 777+i, s, whole[777+i])
			}
		}
		// The phase is that of position 0, by arithmetic that does not lose digits.
		milli := int64(tc.tone.Frequency * 1000)
		turn := int64(tc.rate) * 1000
		for _, i := range []int{0, 1, 47999} {
			phase := ((at + int64(i)) % turn) * milli % turn
			want := math.Pow(10, tc.tone.Level/20) * math.MaxInt32 * math.Sin(2*math.Pi*float64(phase)/float64(turn))
			if got := float64(whole[i]); math.Abs(got-want) > 0.5 {
				t.Errorf("%s: sample %d = %.0f; want %.1f", tc.tone.Name(), i, got, want)
			}
		}
	}
}

func TestToneIsPure(t *testing.T) {
	tone := Tone{Frequency: 997, Level: -20}
	samples := make([]int32, 48000)
	tone.fill(samples, 84_000_000_000_000, 48000)
	fit := fitSine(samples, 997.0/48000)
	if level := 20 * math.Log10(fit.amplitude/math.MaxInt32); math.Abs(level+20) > 1e-6 {
		t.Errorf("level %.6f dBFS; want -20", level)
	}
	if fit.thdn > -160 {
		t.Errorf("THD+N %.1f dB", fit.thdn)
	}
}

func TestToneRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(48000, 3)
		tone := Tone{Frequency: 997, Level: -3, To: []int{0, 2}}
		stop := begin(t, tone, d)
		time.Sleep(time.Second)
		synctest.Wait()
		// A source may read now what is due within the next packets.
		n := d.samples(lead - unhurried)
		want := make([]int32, n)
		tone.fill(want, now(d), d.Rate)
		for c, want := range [][]int32{want, make([]int32, n), want} {
			got := read(d.Playback, c, now(d), int(n))
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("channel %d, %d samples ahead: %d; want %d", c, i, got[i], want[i])
				}
			}
		}
		stop()
	})
}

func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(48000, 4)
		const delay = 5 * time.Millisecond
		begin(t, Loop{From: []int{0, 1, driver.Unmapped}, To: []int{3, 0, 1}, Delay: delay}, d)
		var from int64
		for i := range 200 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
			p := now(d)
			if i == 0 {
				from = p
			}
			// What is received is there when its time comes, and not before.
			for c := range 4 {
				for j := range int64(48) {
					d.Capture.Write(c, p+j, []int32{noise(c, p+j)})
				}
			}
		}
		p := now(d)
		for to, c := range map[int]int{3: 0, 0: 1} {
			for at := from; at < p-48; at++ {
				if got := read(d.Playback, to, at+d.samples(delay), 1)[0]; got != noise(c, at) {
					t.Fatalf("channel %d: %d samples after the beginning %d; want %d", to, at-from, got, noise(c, at))
				}
			}
		}
		for _, s := range read(d.Playback, 1, p, 100) {
			if s != 0 {
				t.Fatal("a channel that nothing goes to is not silent")
			}
		}
	})
}

// fit is a sine found in samples, and what else is in them.
type fit struct {
	amplitude float64
	// phase is that of the first sample, in radians, of a sine.
	phase float64
	// thdn is what is left, against the sine, in dB.
	thdn float64
}

// fitSine finds a sine of a frequency, in turns for each sample, by least squares.
func fitSine(samples []int32, frequency float64) fit {
	var ss, sc, cc, sy, cy float64
	at := func(i int) (float64, float64) {
		return math.Sincos(2 * math.Pi * math.Mod(frequency*float64(i), 1))
	}
	for i, y := range samples {
		s, c := at(i)
		ss, sc, cc = ss+s*s, sc+s*c, cc+c*c
		sy, cy = sy+s*float64(y), cy+c*float64(y)
	}
	det := ss*cc - sc*sc
	a, b := (sy*cc-cy*sc)/det, (cy*ss-sy*sc)/det
	rest := 0.0
	for i, y := range samples {
		s, c := at(i)
		e := float64(y) - a*s - b*c
		rest += e * e
	}
	amplitude := math.Hypot(a, b)
	return fit{amplitude, math.Atan2(b, a), 10 * math.Log10(rest/float64(len(samples))/(amplitude*amplitude/2))}
}

// bestFit also finds the frequency, near to one.
func bestFit(samples []int32, frequency float64) fit {
	width := 0.6 / float64(len(samples)) // farther away there are other minima
	low, high := frequency-width, frequency+width
	for range 60 {
		a, b := low+(high-low)/3, high-(high-low)/3
		if fitSine(samples, a).thdn < fitSine(samples, b).thdn {
			high = b
		} else {
			low = a
		}
	}
	return fitSine(samples, (low+high)/2)
}
