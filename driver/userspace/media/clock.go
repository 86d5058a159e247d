// Package media relates the three times that audio over a network has: the host's own
// clock, PTP time, and the position of samples.
//
// PTP time is the same for all hosts that follow one grandmaster. Multiplied by the
// sample rate it numbers samples: all agree on which sample number is now, without
// having spoken of it (AES67-2018 §6). An RTP timestamp is the low 32 bits of such a
// number, plus the offset in a=mediaclk:direct.
//
// Nothing steers the host's clock. PTP makes a [Mapping] from it, several times a second,
// and whoever needs a time looks at the newest one.
package media

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Mapping tells PTP time from local time: PTP + (t - Local) × Rate. All times are in
// nanoseconds; Local counts as CLOCK_MONOTONIC does, PTP since 1970 TAI (IEEE 1588-2008
// §7.2.2).
type Mapping struct {
	Local, PTP int64
	// Rate is by how much PTP time runs faster than local time: 1.000001 is 1 ppm.
	Rate float64
}

// PTPAt is the PTP time at a local time.
func (m *Mapping) PTPAt(local int64) int64 {
	d := local - m.Local
	return m.PTP + d + int64(float64(d)*(m.Rate-1))
}

// LocalAt is the local time at a PTP time.
func (m *Mapping) LocalAt(ptp int64) int64 {
	d := ptp - m.PTP
	return m.Local + d - int64(float64(d)*(m.Rate-1)/m.Rate)
}

// Clock holds the newest mapping. The zero value has none.
type Clock struct{ mapping atomic.Pointer[Mapping] }

// Mapping is the newest mapping, nil as long as there is none. It is not to be changed.
func (c *Clock) Mapping() *Mapping { return c.mapping.Load() }

// Set makes m the newest mapping; nil for none.
func (c *Clock) Set(m *Mapping) { c.mapping.Store(m) }

// Now is the local time. It is read without a system call where the host can do that, as
// package time does, which counts by the same clock but keeps to itself from when on.
func Now() int64 { return started.local + int64(time.Since(started.time)) }

// started is a moment by both counts.
var started = func() (s struct {
	local int64
	time  time.Time
	// width is how long it took to find out: by half of that local may be wrong, for ever by
	// the same.
	width int64
}) {
	s.width = math.MaxInt64
	for range 20 { // the best is the one in which nothing came between
		before, now, after := monotonic(), time.Now(), monotonic()
		if width := after - before; width < s.width {
			s.local, s.time, s.width = before+width/2, now, width
		}
	}
	return s
}()

func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // it has no error but of a clock that does not exist
	}
	return t.Nano()
}

const second = 1_000_000_000

// Position is the number of the sample that is due at a PTP time, at rate Hz: the last
// whose time has come. PTP times before 1970 do not occur.
func Position(ptp int64, rate uint32) int64 {
	high, low := bits.Mul64(uint64(ptp), uint64(rate))
	position, _ := bits.Div64(high, low, second)
	return int64(position)
}

// TimeOf is the PTP time at which the sample at a position is due.
func TimeOf(position int64, rate uint32) int64 {
	high, low := bits.Mul64(uint64(position), second)
	ptp, rest := bits.Div64(high, low, uint64(rate))
	if rest > 0 {
		ptp++
	}
	return int64(ptp)
}
