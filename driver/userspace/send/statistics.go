package send

import (
	"math/bits"
	"sync/atomic"
	"syscall"
	"time"
)

// LatenessBuckets is the number of ranges that lateness is counted by.
const LatenessBuckets = 16

// Statistics is what became of a source's packets.
type Statistics struct {
	// Packets were sent, over each leg, and Octets of payload (RFC 3550 §6.4.1).
	Packets, Octets uint64
	// Errors are packets that the kernel did not take, each leg's by itself.
	Errors uint64
	// Missed are packets that were not sent because it was too late for them.
	Missed uint64
	// Lateness counts packets by the time from when they were due until the kernel had
	// taken them: the first below 1 µs, that with index i from 2^(i-1) µs to below 2^i µs,
	// the last all longer ones.
	Lateness [LatenessBuckets]uint64
	// MaxLateness is the longest such time.
	MaxLateness time.Duration
}

// counters are written by the thread that sends alone.
type counters struct {
	packets, octets, errors, missed atomic.Uint64
	lateness                        [LatenessBuckets]atomic.Uint64
	max                             atomic.Int64
	errno                           atomic.Uint32 // of the last error
}

// Statistics tells what became of the source's packets so far.
func (s *Source) Statistics() Statistics {
	c := &s.counters
	st := Statistics{
		Packets: c.packets.Load(), Octets: c.octets.Load(), Errors: c.errors.Load(), Missed: c.missed.Load(),
		MaxLateness: time.Duration(c.max.Load()),
	}
	for i := range c.lateness {
		st.Lateness[i] = c.lateness[i].Load()
	}
	return st
}

// sent counts a packet with so many octets of payload, late by nanoseconds.
func (c *counters) sent(octets int, late int64) {
	c.packets.Add(1)
	c.octets.Add(uint64(octets))
	late = max(late, 0)
	c.lateness[min(bits.Len64(uint64(late)/1000), LatenessBuckets-1)].Add(1)
	if late > c.max.Load() {
		c.max.Store(late)
	}
}

// failed counts a packet that the kernel did not take.
func (c *counters) failed(why syscall.Errno) {
	c.errors.Add(1)
	c.errno.Store(uint32(why))
}
