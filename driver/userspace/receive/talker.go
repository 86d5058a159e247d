package receive

import "time"

// silence is for how long a talker must have sent nothing before another is followed.
const silence = int64(250 * time.Millisecond)

// talker is whose packets are taken, by SSRC: those of the first that comes. One that is
// started again comes back with another SSRC, and is followed when nothing has come of the
// first for some time. While the first is there, it is the one, however long the other
// persists: to change between two every now and then would be worse.
type talker struct {
	ssrc  uint32
	known bool
	// last is when its last packet came.
	last int64
}

// follow tells whether a packet that came at a time is to be taken, and whether it is the
// first of another talker.
func (t *talker) follow(ssrc uint32, arrival int64) (take, other bool) {
	switch {
	case !t.known:
		t.known, t.ssrc, t.last = true, ssrc, arrival
	case ssrc == t.ssrc:
		t.last = max(t.last, arrival) // two legs are read by two threads
	case arrival-t.last >= silence:
		t.ssrc, t.last = ssrc, arrival
		return true, true
	default:
		return false, false
	}
	return true, false
}
