// Package ring holds the channels of a sound device in one direction, by sample position.
//
// Whoever has samples writes them at their positions, in any order and as often as they
// come; whoever needs samples reads them at the position that is due. Packets that are
// reordered, doubled, or come over two networks need no care of their own for that. What
// nobody has written is silence, because a position is cleared before it is used again.
//
// Readers and writers do not wait for each other. Where they meet at one position, each
// sample is either the old or the new one.
package ring

import "sync/atomic"

// Ring is a ring of samples for each channel. Samples have 32 bits, full scale is 2³¹.
type Ring struct {
	channels [][]int32
	mask     int64
}

// New returns a silent ring with room for at least that many samples of each channel.
func New(channels, samples int) *Ring {
	size := 1
	for size < samples {
		size *= 2
	}
	r := &Ring{channels: make([][]int32, channels), mask: int64(size - 1)}
	for i := range r.channels {
		r.channels[i] = make([]int32, size)
	}
	return r
}

// Channels is the number of channels.
func (r *Ring) Channels() int { return len(r.channels) }

// Samples is the room for each channel: positions that far apart share a place.
func (r *Ring) Samples() int { return int(r.mask + 1) }

// Write puts samples of a channel where they belong, from position on.
func (r *Ring) Write(channel int, position int64, samples []int32) {
	line := r.channels[channel]
	for i, s := range samples {
		atomic.StoreInt32(&line[(position+int64(i))&r.mask], s)
	}
}

// Read gets samples of a channel, from position on.
func (r *Ring) Read(channel int, position int64, into []int32) {
	line := r.channels[channel]
	for i := range into {
		into[i] = atomic.LoadInt32(&line[(position+int64(i))&r.mask])
	}
}

// Clear makes all channels silent in [from, to).
func (r *Ring) Clear(from, to int64) {
	from = max(from, to-r.mask-1)
	for _, line := range r.channels {
		for p := from; p < to; p++ {
			atomic.StoreInt32(&line[p&r.mask], 0)
		}
	}
}
