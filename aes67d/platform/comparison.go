package platform

import "slices"

// comparison compares what is recorded to the sequence.
type comparison struct {
	sequence sequence
	// span is how many frames back from the newest that was written one recorded may be.
	span int64
	// matched is told of stretches that are right: the first frame's number and how many.
	matched func(frame int64, n int)

	// next is the number of the frame expected, once one was found.
	next     int64
	expected []int32
	// rest is how many frames must pass before it is looked again where in the sequence the
	// recording is.
	rest int64
	findings
}

// findings are what a comparison has found, in frames.
type findings struct {
	// begun tells that the sequence was found, and foreign that before that there was
	// something else which is no silence.
	begun, foreign bool
	// missing is the number of frames at the beginning of the sequence that never came.
	missing int64
	// compared frames are those from then on. Of those, silent ones had silence in all the
	// channels that were wrong, and altered ones something else.
	compared, silent, altered int64
	// shifts counts how often the recording went on elsewhere in the sequence, shift how
	// many frames later in all.
	shifts int
	shift  int64
	// first is what was wrong first, if compared has anything wrong in it.
	first fault
}

// fault is a sample that is wrong.
type fault struct {
	frame     int64
	channel   int
	got, want int32
}

// faults is how many frames were wrong, or missing.
func (f *findings) faults() int64 { return f.missing + f.silent + f.altered }

// take compares a period, written being how many frames of the sequence were written.
func (c *comparison) take(planes [][]int32, written int64) {
	n := len(planes[0])
	c.rest = max(0, c.rest-int64(n))
	if c.begun && c.equal(planes) {
		c.compared += int64(n)
		c.match(c.next, n)
		c.next += int64(n)
		return
	}
	first, run := c.next, 0 // the frames before this one that are right
	for at := range n {
		right := c.frame(planes, at, written)
		if right && run > 0 && c.next-1 == first+int64(run) {
			run++
			continue
		}
		c.match(first, run)
		first, run = c.next-1, 0
		if right {
			run = 1
		}
	}
	c.match(first, run)
}

func (c *comparison) match(frame int64, n int) {
	if n > 0 {
		c.matched(frame, n)
	}
}

// equal tells whether all channels go on as expected.
func (c *comparison) equal(planes [][]int32) bool {
	for channel, plane := range planes {
		c.expected = slices.Grow(c.expected[:0], len(plane))[:len(plane)]
		c.sequence.fill(c.expected, c.next, channel)
		if !slices.Equal(plane, c.expected) {
			return false
		}
	}
	return true
}

// frame compares a frame and tells whether it is right.
func (c *comparison) frame(planes [][]int32, at int, written int64) bool {
	wrong, silent := c.judge(planes, at)
	switch {
	case !c.begun:
		if c.silence(planes, at) {
			return false
		}
		frame, found := c.find(planes, at, written)
		if !found {
			c.foreign = true
			return false
		}
		c.begun, c.missing, c.next = true, frame, frame
		wrong, silent = c.judge(planes, at)
	case wrong >= 0 && !silent:
		if frame, found := c.find(planes, at, written); found && frame != c.next {
			c.note(planes, at, wrong)
			c.shifts++
			c.shift += frame - c.next
			c.next = frame
			wrong, silent = c.judge(planes, at)
		}
	}
	c.compared++
	if wrong >= 0 {
		c.note(planes, at, wrong)
		if silent {
			c.silent++
		} else {
			c.altered++
		}
	}
	c.next++
	return wrong < 0
}

// silence tells whether there is nothing in a frame.
func (c *comparison) silence(planes [][]int32, at int) bool {
	for _, plane := range planes {
		if plane[at] != 0 {
			return false
		}
	}
	return true
}

// judge finds the first channel of a frame that is not as expected, -1 for none, and whether
// all that are not have silence.
func (c *comparison) judge(planes [][]int32, at int) (wrong int, silent bool) {
	wrong, silent = -1, true
	for channel, plane := range planes {
		if plane[at] == c.sequence.sample(c.next, channel) {
			continue
		}
		if wrong < 0 {
			wrong = channel
		}
		silent = silent && plane[at] == 0
	}
	return wrong, silent
}

// note keeps the first fault.
func (c *comparison) note(planes [][]int32, at, channel int) {
	if c.silent+c.altered == 0 && c.shifts == 0 {
		c.first = fault{c.next, channel, planes[channel][at], c.sequence.sample(c.next, channel)}
	}
}

// find looks for two frames, of which the first is given, in the newest part of the sequence.
// Of each, at least half the channels have to fit: others may be broken. It looks only now
// and then, because there are so many.
func (c *comparison) find(planes [][]int32, at int, written int64) (frame int64, found bool) {
	if c.rest > 0 || at+1 >= len(planes[0]) {
		return 0, false
	}
	for frame = written - 2; frame >= max(0, written-c.span); frame-- {
		if c.fits(planes, at, frame) && c.fits(planes, at+1, frame+1) {
			return frame, true
		}
	}
	c.rest = c.span / 2
	return 0, false
}

// fits tells whether half the channels or more are those of a frame of the sequence.
func (c *comparison) fits(planes [][]int32, at int, frame int64) bool {
	wrong := 0
	for channel, plane := range planes {
		if plane[at] == c.sequence.sample(frame, channel) {
			continue
		}
		if wrong++; 2*wrong > len(planes) {
			return false
		}
	}
	return true
}
