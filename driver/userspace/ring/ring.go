// Package ring holds the channels of a sound device in one direction, by sample position.
//
// Whoever has samples writes them at their positions, in any order and as often as they
// come; whoever needs samples reads them at the position that is due. Packets that are
// reordered, doubled, or come over two networks need no care of their own for that. What
// nobody has written is silence, because a position is cleared before it is used again.
//
// Readers and writers do not wait for each other. Where they meet at one position, each
// sample is either the old or the new one: that is what Go's memory model says of words
// that are read and written at the same time. Atomic stores would say no more here, and
// cost ten times as much on x86 (121 ns instead of 13 for 48 samples). Programs built with
// the race detector, which cannot know that this is meant, have them all the same.
//
// A device has more channels than most people use. One that was never written is not
// touched by anybody else either, so that the kernel need not find memory for it: 64 channels
// of a second and more are 17 MB.
package ring

import "sync/atomic"

// Ring is a ring of samples for each channel. Samples have 32 bits, full scale is 2³¹.
type Ring struct {
	channels [][]int32
	// written tells of each channel whether there may be anything in it.
	written []atomic.Bool
	mask    int64
}

// New returns a silent ring with room for at least that many samples of each channel.
func New(channels, samples int) *Ring {
	size := 1
	for size < samples {
		size *= 2
	}
	r := &Ring{channels: make([][]int32, channels), written: make([]atomic.Bool, channels), mask: int64(size - 1)}
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
	// Before there are samples, for Clear to find them. Not each time: a store would take
	// the flags from all other processors.
	if w := &r.written[channel]; !w.Load() {
		w.Store(true)
	}
	line := r.channels[channel]
	for len(samples) > 0 {
		n := put(line[position&r.mask:], samples)
		position, samples = position+int64(n), samples[n:]
	}
}

// Read gets samples of a channel, from position on.
func (r *Ring) Read(channel int, position int64, into []int32) {
	if !r.written[channel].Load() {
		clear(into)
		return
	}
	line := r.channels[channel]
	for len(into) > 0 {
		n := get(into, line[position&r.mask:])
		position, into = position+int64(n), into[n:]
	}
}

// Clear makes all channels silent in [from, to).
func (r *Ring) Clear(from, to int64) {
	from = max(from, to-r.mask-1)
	for from < to {
		start := from & r.mask
		n := min(to-from, r.mask+1-start)
		for i, line := range r.channels {
			if r.written[i].Load() {
				wipe(line[start : start+n])
			}
		}
		from += n
	}
}
