package ptp

import (
	"math"
	"slices"
)

// maxSlope bounds the difference of two clocks' rates: crystals are within 100 ppm, and
// a clock that is being slewed by NTP is at most 500 ppm off.
const maxSlope = 600e-6

// point is a sample in a plane in which true time is nearly level: x is local time, y how
// far the other clock is ahead, both in nanoseconds and relative to some sample.
type point struct{ x, y float64 }

// fitUpper finds the line along the upper edge of points in the order of x: where they
// would be if none had been delayed. slope is what it was last. spread tells how exactly
// they lie there, in nanoseconds.
func fitUpper(points []point, slope float64) (level, newSlope, spread float64) {
	newSlope = medianSlope(leastDelayed(points, slope), slope)
	level, spread = bestQuarter(residuals(points, newSlope))
	return level, newSlope, spread
}

// segments is how many points the slope is found from; pairs grow with its square.
const segments = 32

// leastDelayed cuts the points into up to [segments] runs and takes the highest of each.
func leastDelayed(points []point, slope float64) []point {
	n := min(len(points), segments)
	best := make([]point, n)
	for i := range best {
		run := points[i*len(points)/n : (i+1)*len(points)/n]
		best[i] = slices.MaxFunc(run, func(a, b point) int {
			if a.y-slope*a.x < b.y-slope*b.x {
				return -1
			}
			return 1
		})
	}
	return best
}

// medianSlope is the median of the slopes between points far enough apart (Theil and
// Sen's estimator): up to a quarter of the points may be anywhere. Without enough points
// it is what it was.
func medianSlope(points []point, otherwise float64) float64 {
	if len(points) < 4 {
		return otherwise
	}
	apart := (points[len(points)-1].x - points[0].x) / 3
	var slopes []float64
	for i, a := range points {
		for _, b := range points[i+1:] {
			if d := b.x - a.x; d >= apart && d > 0 {
				slopes = append(slopes, (b.y-a.y)/d)
			}
		}
	}
	if len(slopes) == 0 {
		return otherwise
	}
	slices.Sort(slopes)
	return min(max(slopes[len(slopes)/2], -maxSlope), maxSlope)
}

// residuals are the heights of points above a line of that slope through 0.
func residuals(points []point, slope float64) []float64 {
	r := make([]float64, len(points))
	for i, p := range points {
		r[i] = p.y - slope*p.x
	}
	return r
}

// bestQuarter is the mean and the standard deviation of the highest quarter of some
// numbers, which it sorts. Both ways to the master are judged by the same measure, so
// that what it leaves of the usual delay is the same in both and cancels out.
func bestQuarter(numbers []float64) (mean, deviation float64) {
	slices.Sort(numbers)
	best := numbers[len(numbers)-max(1, len(numbers)/4):]
	for _, n := range best {
		mean += n / float64(len(best))
	}
	for _, n := range best {
		deviation += (n - mean) * (n - mean) / float64(len(best))
	}
	return mean, math.Sqrt(deviation)
}
