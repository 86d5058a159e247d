package port

import "math"

// servo finds by how much a card's clock has to be corrected so that the card stays where
// it should be. It is a phase-locked loop of the second order: told the distance of the
// card from where it should be, it answers with a speed. What it has learnt of the card's
// own speed is in its integral, so that the distance becomes zero and not only constant.
//
// The distance is known in whole samples only, or, from cards that report in larger
// steps, in many of them. To follow those steps would be heard, as a change of pitch some
// times a second. So the distance is smoothed, and the loop is slow. It begins with a
// bandwidth of 1 Hz, to catch the card, and becomes slower as it has seen more, down to a
// hundredth of that: what is left of changes of pitch then takes half a minute, while the
// warming up of a crystal, which is as slow, still costs less than a sample of distance.
type servo struct {
	rate float64 // samples per second
	// age is the time since begin, in seconds.
	age      float64
	smoothed [2]float64
	integral float64
	speed    float64
}

const (
	firstBandwidth = 1.0  // Hz
	lastBandwidth  = 0.01 // Hz
	// narrowing is the time, in seconds, after which the bandwidth has halved; it is a
	// third after twice that time, and so on.
	narrowing = 0.5
	// smoothing is how much faster the two stages of smoothing are than the loop: as
	// slow as it bears without ringing.
	smoothing = 10
	// maxCorrection is the most that the servo corrects. Crystals are within 100 ppm, and
	// a USB host that follows is told at most 1000.
	maxCorrection = 0.002
)

// begin forgets the distance, but not the card's speed.
func (s *servo) begin() {
	s.age, s.smoothed, s.speed = 0, [2]float64{}, s.integral
}

// update takes the distance by which the card is ahead of where it should be, in samples,
// and the time since the last update, in seconds. It returns the correction: with 1e-6
// the card has to be 1 ppm faster than it would be by itself.
func (s *servo) update(ahead, dt float64) float64 {
	s.age += dt
	bandwidth := max(lastBandwidth, firstBandwidth/(1+s.age/narrowing))
	k := 1 - math.Exp(-2*math.Pi*smoothing*bandwidth*dt)
	s.smoothed[0] += k * (ahead - s.smoothed[0])
	s.smoothed[1] += k * (s.smoothed[0] - s.smoothed[1])

	omega := 2 * math.Pi * bandwidth
	s.integral = bound(s.integral - omega*omega*s.smoothed[1]*dt/s.rate)
	s.speed = bound(s.integral - 2*omega*s.smoothed[1]/s.rate) // damping 1: no overshoot
	return s.speed
}

func bound(f float64) float64 { return min(max(f, -maxCorrection), maxCorrection) }
