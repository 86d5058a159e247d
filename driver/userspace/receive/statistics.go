package receive

import "time"

// Statistics count what a sink has received since it was added.
type Statistics struct {
	// Lost counts samples, of each channel, that were silent because no leg had brought
	// them when their time came, in a stream that went on. Those of an interruption are
	// not among them.
	Lost uint64
	// Interruptions counts the times that a stream went on after it had brought nothing
	// to be heard for more than 100 ms.
	Interruptions uint64
	// Legs are those of the stream.
	Legs []LegStatistics
}

// LegStatistics count the packets that came by one leg.
type LegStatistics struct {
	// Packets counts all that came to the stream's destination, those below among them.
	Packets uint64
	// Lost counts those missing by sequence number. A packet that comes late after all
	// is taken off again.
	Lost uint64
	// Duplicate counts packets with nothing new in them. With two legs, that is every
	// packet of the slower one.
	Duplicate uint64
	// Late and Early count packets whose time had come already, or is too far away;
	// neither is heard.
	Late, Early uint64
	// WrongPayloadType and ForeignSSRC count packets of another kind, and of another
	// talker than the one that is followed.
	WrongPayloadType, ForeignSSRC uint64
	// Malformed counts packets that are not RTP, or have not the size of packets of this
	// stream.
	Malformed uint64
	// Minimum, Average and Maximum are the time between a packet's arrival and that at
	// which its first sample is heard, negative for late ones. Packets that are early, or
	// late by so much, are left out; while there were no others all three are 0.
	Minimum, Average, Maximum time.Duration
}

// spread finds minimum, average and maximum.
type spread struct {
	n             uint64
	min, max, sum int64
}

func (s *spread) add(v int64) {
	if s.n == 0 {
		s.min, s.max = v, v
	}
	s.n++
	s.min, s.max, s.sum = min(s.min, v), max(s.max, v), s.sum+v
}

// put fills in the results.
func (s *spread) put(into *LegStatistics) {
	if s.n == 0 {
		return
	}
	into.Minimum, into.Maximum = time.Duration(s.min), time.Duration(s.max)
	into.Average = time.Duration(s.sum / int64(s.n))
}
