package ring

import "math"

// part is how many samples are measured at a time: few enough to stay in the processor's
// nearest cache.
const part = 512

// Level is how loud a channel is from position on, for so many samples: the largest
// magnitude and the root mean square, of full scale both, so 0 to 1. It may be measured while
// others write.
func (r *Ring) Level(channel int, position int64, samples int) (peak, rms float64) {
	if samples <= 0 || !r.written[channel].Load() {
		return 0, 0
	}
	var (
		buffer [part]int32
		all    sums
	)
	for done := 0; done < samples; done += part {
		some := buffer[:min(part, samples-done)]
		r.Read(channel, position+int64(done), some)
		all.add(some)
	}
	return all.peak(), all.rms(samples)
}

// sums are what levels are made of. They are exact: floating point would lose what is quiet
// beside what is loud, and is no faster.
type sums struct {
	// largest is the largest square of a sample.
	largest uint64
	// The sum of the squares is squares + carries × 2⁶⁴.
	squares, carries uint64
}

func (s *sums) add(samples []int32) {
	largest, squares, carries := s.largest, s.squares, s.carries
	for _, v := range samples {
		square := uint64(int64(v) * int64(v))
		if square > largest {
			largest = square
		}
		squares += square
		if squares < square {
			carries++
		}
	}
	s.largest, s.squares, s.carries = largest, squares, carries
}

// fullScale is 0 dB.
const fullScale = 1 << 31

func (s *sums) peak() float64 { return math.Sqrt(float64(s.largest)) / fullScale }

func (s *sums) rms(n int) float64 {
	sum := float64(s.squares) + math.Ldexp(float64(s.carries), 64)
	return math.Sqrt(sum/float64(n)) / fullScale
}
