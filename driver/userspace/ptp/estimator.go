package ptp

import (
	"math"
	"slices"
	"time"

	"aes67os/driver/userspace/media"
)

const (
	// syncSlot is the time of which one Sync is kept, the least delayed: masters may
	// send 128 a second.
	syncSlot = int64(100 * time.Millisecond)
	// minSyncs is with how many there is a first line.
	minSyncs = 4
	// stepOffset is how far a Sync must be off to be taken for a step of the master, or
	// for a delay not worth counting. stepSyncs is after how many in accord it is the
	// step, and stepPatience in any case.
	stepOffset   = int64(time.Millisecond)
	stepSyncs    = 8
	stepPatience = 32
	// maxDelays is how many delay measurements are kept, and maxAround how much they may
	// be, in nanoseconds.
	maxDelays = 32
	maxAround = 1e9
	// jitterOffsets is of how many offsets the jitter is taken.
	jitterOffsets = 32
	// window is the time to look back.
	window = int64(32 * time.Second)
	// recent is the time in which the last samples, and at least minRecent, must fit a
	// line, to within fitSpreads of the usual spread, or minMisfit in nanoseconds. spreadFits is of how many
	// lines that is the mean.
	recent     = int64(2 * time.Second)
	minRecent  = 8
	fitSpreads = 4
	minMisfit  = 1000
	spreadFits = 32
)

// sample is a pair of timestamps, in raw and in PTP time.
type sample struct{ raw, ptp int64 }

// exchange is a delay measurement: when the request left by our clock and came by the
// master's, and how far that is above the line along which Syncs come, both ways of the
// path together.
type exchange struct {
	sample
	around float64
}

// estimator makes a line from raw to PTP time out of timestamps. It forgets by
// being replaced.
type estimator struct {
	syncs  []sample
	delays []exchange
	// strange are Syncs that do not fit, until it is known what they are.
	strange []sample
	// arrivals is the line along which undelayed Syncs come: PTP time less the path
	// delay. ready tells that there is one.
	arrivals media.Mapping
	ready    bool
	// spread is how exactly undelayed Syncs lie along it, of late, in nanoseconds.
	spread float64
	// holding tells that they do not at present: something has changed. Until only the new
	// is left of what is recent, the line follows with the slope that it had.
	holding bool
	until   int64
	// delay is the mean path delay, as measured: it may be negative.
	delay float64
	// offsets are the last of them, for the jitter.
	offsets []float64
	// points and heights are what a fit works with, kept for the next.
	points  []point
	heights []float64
}

// newEstimator knows nothing but how fast PTP time was before.
func newEstimator(rate float64) *estimator {
	return &estimator{arrivals: media.Mapping{Rate: rate}}
}

// span is the time over which there are Syncs.
func (e *estimator) span() time.Duration {
	if len(e.syncs) == 0 {
		return 0
	}
	return time.Duration(e.syncs[len(e.syncs)-1].raw - e.syncs[0].raw)
}

// pathDelay is never below 0, which stands for asymmetry and noise.
func (e *estimator) pathDelay() float64 { return max(e.delay, 0) }

// line leads from raw to PTP time.
func (e *estimator) line() media.Mapping {
	l := e.arrivals
	l.PTP += int64(e.pathDelay())
	return l
}

// sync adds a Sync: when it came, and when the master had sent it. It tells whether it
// means that the master's time has stepped, of which everything else is forgotten.
func (e *estimator) sync(s sample) (stepped bool) {
	if e.ready {
		offset := e.arrivals.PTPAt(s.raw) - s.ptp
		if max(offset, -offset) > stepOffset {
			return e.doubt(s)
		}
		e.offsets = append(e.offsets, float64(offset))
		if len(e.offsets) > jitterOffsets {
			e.offsets = slices.Delete(e.offsets, 0, 1)
		}
	}
	e.strange = nil
	e.add(s)
	return false
}

// doubt keeps a Sync that does not fit, and believes it when others say the same.
func (e *estimator) doubt(s sample) (stepped bool) {
	e.strange = append(e.strange, s)
	ahead := func(s sample) int64 { return s.ptp - e.arrivals.PTPAt(s.raw) }
	low, high := ahead(s), ahead(s)
	for _, other := range e.strange {
		low, high = min(low, ahead(other)), max(high, ahead(other))
	}
	accord := len(e.strange) >= stepSyncs && high-low < stepOffset
	if !accord && len(e.strange) < stepPatience {
		return false
	}
	// The path is what it was, only what was measured along the old line is of no use.
	believed := e.strange
	e.syncs, e.delays, e.strange, e.offsets, e.ready, e.holding = nil, nil, nil, nil, false, false
	for _, s := range believed {
		e.add(s)
	}
	e.fit()
	return true
}

// add keeps a Sync and forgets those that are too old.
func (e *estimator) add(s sample) {
	if n := len(e.syncs); n > 0 && s.raw/syncSlot <= e.syncs[n-1].raw/syncSlot {
		// The line's rate is good enough to tell which of two was delayed less.
		if last := e.syncs[n-1]; s.raw > last.raw && s.ptp-e.arrivals.PTPAt(s.raw) > last.ptp-e.arrivals.PTPAt(last.raw) {
			e.syncs[n-1] = s
		}
		return
	}
	e.syncs = append(e.syncs, s)
	young := slices.IndexFunc(e.syncs, func(old sample) bool { return s.raw-old.raw <= window })
	e.syncs = slices.Delete(e.syncs, 0, young)
}

// exchange adds a delay measurement: when the request left and when the master had it.
// One of more than maxAround is nonsense.
func (e *estimator) exchange(s sample) {
	around := e.around(s)
	if math.Abs(around) > maxAround {
		return
	}
	e.delays = append(e.delays, exchange{s, around})
	if len(e.delays) > maxDelays {
		e.delays = slices.Delete(e.delays, 0, 1)
	}
	e.measure()
}

func (e *estimator) around(s sample) float64 { return float64(s.ptp - e.arrivals.PTPAt(s.raw)) }

// measure works out the path delay from the least delayed exchanges.
func (e *estimator) measure() {
	if len(e.delays) == 0 {
		return
	}
	var room [maxDelays]float64
	early := room[:0]
	for _, d := range e.delays {
		early = append(early, -d.around)
	}
	mean, _ := bestQuarter(early)
	e.delay = -mean / 2
}

// fit makes the line anew from what has come.
func (e *estimator) fit() {
	if len(e.syncs) < minSyncs {
		return
	}
	last := e.syncs[len(e.syncs)-1]
	if e.holding && last.raw >= e.until {
		e.holding = false
		e.forget(last.raw - recent)
	}
	points, scratch := e.points[:0], slices.Grow(e.heights, len(e.syncs))
	for _, s := range e.syncs {
		x := s.raw - last.raw
		points = append(points, point{float64(x), float64(s.ptp - last.ptp - x)})
	}
	e.points, e.heights = points, scratch
	newest, slope := points[e.first(last.raw-recent):], e.arrivals.Rate-1
	if !e.holding {
		level, found, spread := fitUpper(points, slope, scratch)
		if !e.ready || fits(residuals(scratch, newest, found), level, max(fitSpreads*e.spread, minMisfit)) {
			e.become(last, level, found, spread)
			e.review()
			return
		}
		e.holding, e.until = true, last.raw-int64(newest[0].x)
	}
	level, spread := bestQuarter(residuals(scratch, newest, slope))
	e.become(last, level, slope, spread)
}

// first is the index of the first Sync since a raw time, or of one before if these are too
// few to tell anything.
func (e *estimator) first(raw int64) int {
	i := slices.IndexFunc(e.syncs, func(s sample) bool { return s.raw >= raw })
	return max(0, min(i, len(e.syncs)-minRecent))
}

// forget forgets what came before a raw time, and exchanges that the line to come will
// not reach. The path delay stays until there is another.
func (e *estimator) forget(raw int64) {
	e.syncs = slices.Delete(e.syncs, 0, e.first(raw))
	e.delays = slices.DeleteFunc(e.delays, func(d exchange) bool { return d.raw < e.syncs[0].raw })
}

// become makes the line one through a height above the last Sync.
func (e *estimator) become(last sample, level, slope, spread float64) {
	e.arrivals = media.Mapping{Local: last.raw, PTP: last.ptp + int64(math.Round(level)), Rate: 1 + slope}
	if !e.ready {
		e.ready, e.spread = true, spread
	}
	e.spread += (spread - e.spread) / spreadFits
}

// fits tells whether the last residuals are those of a line at that level. If the
// best of all is too low, the line is too high. Too low it is only if many are too high.
func fits(residuals []float64, level, misfit float64) bool {
	many, _ := bestQuarter(residuals)
	best := residuals[len(residuals)-1] // they are sorted now
	return many <= level+misfit && best >= level-misfit
}

// review measures the exchanges in the time of the line against it anew. It is better than
// the one there was when they came.
func (e *estimator) review() {
	for i, d := range e.delays {
		if d.raw >= e.syncs[0].raw {
			e.delays[i].around = e.around(d.sample)
		}
	}
	e.measure()
}

// offset is our time less the master's at the last Sync.
func (e *estimator) offset() float64 {
	if len(e.offsets) == 0 {
		return 0
	}
	return e.offsets[len(e.offsets)-1]
}

// jitter is the root mean square of the last offsets.
func (e *estimator) jitter() float64 {
	if len(e.offsets) == 0 {
		return 0
	}
	var sum float64
	for _, o := range e.offsets {
		sum += o * o
	}
	return math.Sqrt(sum / float64(len(e.offsets)))
}
