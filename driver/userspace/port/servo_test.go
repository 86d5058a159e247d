package port

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A card with a clock of its own is seen by the servo in steps of its own, at times that
// are not quite regular.
func TestServo(t *testing.T) {
	for name, tc := range map[string]struct {
		ppm     float64
		step    float64 // samples
		far     float64 // samples from where it should be, at first
		most    float64 // samples: how far it may be after the first seconds
		wander  float64 // ppm: how much the correction may change after half a minute
		halfway float64 // ppm: by how much the card's clock changes after a minute
	}{
		"exact":                {most: 0.1, wander: 0.2, step: 1},
		"fast":                 {ppm: 200, most: 1, wander: 0.2, step: 1},
		"slow":                 {ppm: -200, most: 1, wander: 0.2, step: 1},
		"1 ms steps":           {ppm: 200, step: 48, most: 3, wander: 5},
		"4 ms steps":           {ppm: -200, step: 192, most: 5, wander: 8},
		"far away":             {ppm: 50, step: 1, far: 20, most: 3, wander: 0.8},
		"warms up by a degree": {ppm: 20, step: 1, most: 1, halfway: 1, wander: 2},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			s := servo{rate: 48000}
			s.begin()
			var time, ahead, worst, low, high float64
			ahead, low, high = tc.far, math.Inf(1), math.Inf(-1)
			speed := 0.0
			for time < 120 {
				dt := 0.001 + 0.0002*random.Float64()
				time += dt
				ppm := tc.ppm
				if time > 60 {
					ppm += tc.halfway
				}
				ahead += (ppm*1e-6 + speed) * 48000 * dt
				seen := math.Floor(48000*time+ahead) / tc.step
				seen = math.Floor(seen)*tc.step - 48000*time
				if tc.step == 1 {
					seen += 0.5
				} else {
					seen += tc.step / 2
				}
				speed = s.update(seen, dt)
				if time > 10 {
					worst = max(worst, math.Abs(ahead))
				}
				if time > 30 {
					low, high = min(low, speed*1e6), max(high, speed*1e6)
				}
			}
			t.Logf("within %.2f samples; correction from %.3f to %.3f ppm", worst, low, high)
			if worst > tc.most {
				t.Errorf("%.2f samples from where it should be; want at most %v", worst, tc.most)
			}
			if high-low > tc.wander {
				t.Errorf("the correction goes from %.3f to %.3f ppm", low, high)
			}
			if got, want := s.integral*1e6, -(tc.ppm + tc.halfway); math.Abs(got-want) > 1+tc.wander {
				t.Errorf("learnt %.2f ppm; want %.2f", got, want)
			}
		})
	}
}

func TestServoIsBounded(t *testing.T) {
	s := servo{rate: 48000}
	s.begin()
	for range 100000 {
		if c := s.update(1e6, 0.001); c < -maxCorrection {
			t.Fatalf("a correction of %v", c)
		}
	}
	// It must not take as long to come back.
	for range 5000 {
		s.update(-100, 0.001)
	}
	s.begin()
	if c := s.update(0, 0.001); c < -maxCorrection || c > maxCorrection {
		t.Fatalf("a correction of %v", c)
	}
}

// The card's own speed is learnt once.
func TestServoRemembers(t *testing.T) {
	s := servo{rate: 48000}
	s.begin()
	ahead := 0.0
	for range 30000 {
		ahead += (100e-6 + s.update(ahead, 0.001)) * 48
	}
	s.begin()
	if c := s.update(0, 0.001) * 1e6; math.Abs(c+100) > 1 {
		t.Errorf("begun anew, the correction is %.2f ppm; want -100", c)
	}
}
