package receive

// maxGap is how many packets may be missing in a row. When there are more, the talker has
// begun to count anew (RFC 3550 §A.1, MAX_DROPOUT).
const maxGap = 3000

// sequence follows the sequence numbers that come by one leg, to count what was lost on
// the way. The zero value waits for the first packet.
type sequence struct {
	known bool
	// next is the number after the highest that has come.
	next uint16
	// seen has a bit for each of the 64 numbers before next, the lowest for next-1: set
	// if it has come or was never expected.
	seen uint64
	// lost counts numbers that have not come. One that comes late after all is taken off.
	lost uint64
}

// accept takes the number of the next packet that comes. It tells whether all is in order:
// a packet that comes twice is no matter.
func (s *sequence) accept(n uint16) bool {
	switch ahead := int(int16(n - s.next)); {
	case !s.known || ahead >= maxGap || ahead < -64:
		inOrder := !s.known
		s.known, s.next, s.seen = true, n+1, ^uint64(0)
		return inOrder
	case ahead >= 0:
		s.lost += uint64(ahead)
		s.next, s.seen = n+1, s.seen<<(ahead+1)|1
		return ahead == 0
	default:
		bit := uint64(1) << (-ahead - 1)
		if s.seen&bit != 0 {
			return true
		}
		s.seen |= bit
		s.lost--
		return false
	}
}

// restart makes the next packet the first.
func (s *sequence) restart() { s.known = false }
