package receive

import "math/bits"

// ledger knows of positions from now on whether their samples are there, and counts those
// that were not when their time came. What a stream has lost shows in what comes after it:
// the positions after its end are not lost as long as nothing more comes, and if that
// takes too long, they are not lost but the stream was interrupted.
type ledger struct {
	// there has a bit for each position, by its remainder.
	there []uint64
	mask  int64
	// patience is the number of positions after the end that make an interruption.
	patience int64

	// open tells that there is a stream; then positions before next have been judged,
	// and those from end on have not come. Otherwise all bits are clear.
	open      bool
	next, end int64
	// now is the latest time seen.
	now int64

	// lost counts positions, interruptions the times that the stream was away.
	lost, interruptions uint64
	begun               bool
}

// newLedger returns a ledger for positions up to half of size ahead, which is a power of
// two.
func newLedger(size int, patience int64) ledger {
	return ledger{
		there:    make([]uint64, (size+63)/64),
		mask:     int64(size - 1),
		patience: min(patience, int64(size/4)),
	}
}

// advance judges the positions whose time has come. Threads that have looked at the clock
// may come here in another order.
func (l *ledger) advance(now int64) {
	if now < l.now-l.patience { // time was set back
		l.now, l.open = now, false
		clear(l.there)
	}
	now = max(now, l.now)
	l.now = now
	if !l.open {
		return
	}
	for to := min(now+1, l.end); l.next < to; {
		word, which, n := l.at(l.next, to)
		l.lost += uint64(n - bits.OnesCount64(*word&which))
		*word &^= which
		l.next += int64(n)
	}
	if now >= l.end+l.patience {
		l.open = false
	}
}

// fill notes that the samples at [from, to), all of them after now, are there. It tells whether any was not before.
func (l *ledger) fill(from, to int64) (fresh bool) {
	if !l.open {
		if l.begun {
			l.interruptions++
		}
		l.open, l.begun = true, true
		l.next, l.end = from, from
	}
	l.next = min(l.next, from) // the first packets may come in any order
	l.end = max(l.end, to)
	for from < to {
		word, which, n := l.at(from, to)
		fresh = fresh || *word&which != which
		*word |= which
		from += int64(n)
	}
	return fresh
}

// at returns the word in which position from is, and which of its bits are for the
// positions from there to, but without, to, and how many they are.
func (l *ledger) at(from, to int64) (word *uint64, which uint64, n int) {
	place := from & l.mask
	first := int(place & 63)
	n = int(min(to-from, int64(64-first), l.mask+1-place))
	return &l.there[place/64], ^uint64(0) >> (64 - n) << first, n
}
