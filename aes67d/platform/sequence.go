package platform

// sequence has a sample for each frame, numbered from 0, and channel: noise with all bits
// of the format, none of which is 0, so that it can be told from silence.
type sequence struct{ format format }

// sample is that of a frame and channel. The constants are odd, and those of a known mixing
// function (SplitMix64), so that neighbours have nothing in common.
func (s sequence) sample(frame int64, channel int) int32 {
	x := uint64(frame)*0x9e3779b97f4a7c15 + uint64(channel+1)*0xbf58476d1ce4e5b9
	x ^= x >> 30
	x *= 0x94d049bb133111eb
	v := int32(x>>32) & s.format.mask()
	if v == 0 {
		v = -s.format.mask() // the lowest bit alone
	}
	return v
}

// fill has the samples of a channel from a frame on.
func (s sequence) fill(plane []int32, frame int64, channel int) {
	for i := range plane {
		plane[i] = s.sample(frame+int64(i), channel)
	}
}
