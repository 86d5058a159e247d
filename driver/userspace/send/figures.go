package send

import (
	"math/bits"
	"sync/atomic"
	"syscall"
	"time"

	"aes67os/driver"
)

// LatenessBuckets is the number of ranges that [driver.SourceFigures] count lateness by.
const LatenessBuckets = 16

// counters are written by the thread that sends alone.
type counters struct {
	packets, octets, errors, missed atomic.Uint64
	lateness                        [LatenessBuckets]atomic.Uint64
	total, max                      atomic.Int64  // of lateness, in nanoseconds
	errno                           atomic.Uint32 // of the last error
}

// Figures tells what became of the source's packets so far.
func (s *Source) Figures() driver.SourceFigures {
	c := &s.counters
	f := driver.SourceFigures{
		Packets: c.packets.Load(), Octets: c.octets.Load(), Errors: c.errors.Load(), Missed: c.missed.Load(),
		Lateness: make([]uint64, LatenessBuckets), TotalLateness: time.Duration(c.total.Load()),
		MaxLateness: time.Duration(c.max.Load()),
	}
	for i := range f.Lateness {
		f.Lateness[i] = c.lateness[i].Load()
	}
	return f
}

// sent counts a packet with so many octets of payload, late by nanoseconds.
func (c *counters) sent(octets int, late int64) {
	c.packets.Add(1)
	c.octets.Add(uint64(octets))
	late = max(late, 0)
	c.lateness[min(bits.Len64(uint64(late)/1000), LatenessBuckets-1)].Add(1)
	c.total.Add(late)
	if late > c.max.Load() {
		c.max.Store(late)
	}
}

// failed counts a packet that the kernel did not take.
func (c *counters) failed(why syscall.Errno) {
	c.errors.Add(1)
	c.errno.Store(uint32(why))
}
