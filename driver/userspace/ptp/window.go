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
// they lie there, in nanoseconds. scratch is room for as many numbers as there are points.
func fitUpper(points []point, slope float64, scratch []float64) (level, newSlope, spread float64) {
	var best [segments]point
	newSlope = medianSlope(leastDelayed(best[:], points, slope), slope)
	level, spread = bestQuarter(residuals(scratch, points, newSlope))
	return level, newSlope, spread
}

// segments is how many points the slope is found from; pairs grow with its square.
const segments = 32

// leastDelayed cuts the points into as many runs as there is room for in best, or fewer, and
// takes the highest of each.
func leastDelayed(best, points []point, slope float64) []point {
	n := min(len(points), len(best))
	best = best[:n]
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
	var room [segments * (segments - 1) / 2]float64
	slopes := room[:0]
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

// residuals are the heights of points above a line of that slope through 0. scratch is where
// they are put.
func residuals(scratch []float64, points []point, slope float64) []float64 {
	scratch = scratch[:0]
	for _, p := range points {
		scratch = append(scratch, p.y-slope*p.x)
	}
	return scratch
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
