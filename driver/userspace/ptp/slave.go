package ptp

import (
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/facebook/time/ptp/protocol"
)

const (
	// syncPatience is how long a master may be without Sync, and syncTimeout after how
	// many intervals it is, whichever is longer.
	syncPatience = 3 * time.Second
	syncTimeout  = 8
	// delayPatience is how long we wait for an answer to the first delay requests.
	delayPatience = 4 * time.Second
	// minSpan is over what time there must be Syncs before the mapping is made of them.
	minSpan = time.Second
	// maxPairs is how many Syncs and Follow_Ups wait for each other.
	maxPairs = 8
	// negativeDelay is a path delay in nanoseconds that is no noise any more.
	negativeDelay = -1000
)

// pair is a two-step Sync and its Follow_Up, which come from two sockets in either order.
type pair struct {
	sequence    uint16
	raw         int64
	corrections [2]protocol.Correction
	origin      protocol.Timestamp
	come, told  bool
}

// slave follows a master.
type slave struct {
	port   *port
	parent *foreign
	log    *slog.Logger

	estimator *estimator
	// fresh tells that there are Syncs which the line does not know yet.
	fresh bool

	pairs []pair
	// sequence is that of the last Sync that counted, at lastSync. begun is when the
	// first came, and until then when we began to wait for it.
	sequence        uint16
	begun, lastSync time.Time
	syncInterval    time.Duration

	// request is the delay request that waits for its answer, if waiting.
	request     uint16
	requestLeft int64
	waiting     bool
	nextRequest time.Time
	interval    time.Duration
	// unicast sends the requests to the master alone. AES67 has multicast; where it is not
	// answered, both are tried.
	unicast bool
	// answers counts those that came. late tells that there was time for them; warned, that
	// we have told of a negative path delay; twin, that we have of another of this identity.
	answers            int
	late, warned, twin bool
}

// own tells whether a message is from the port that is followed.
func (s *slave) own(p *port, h *protocol.Header, from netip.Addr) bool {
	return s != nil && s.port == p && s.parent.sends(h, from)
}

// pair finds the pair of a sequence number, or begins it.
func (s *slave) pair(sequence uint16) *pair {
	i := slices.IndexFunc(s.pairs, func(p pair) bool { return p.sequence == sequence })
	if i < 0 {
		if len(s.pairs) == maxPairs {
			s.pairs = slices.Delete(s.pairs, 0, 1)
		}
		i, s.pairs = len(s.pairs), append(s.pairs, pair{sequence: sequence})
	}
	return &s.pairs[i]
}

// sync takes a Sync. It tells whether it is worth something already.
func (s *slave) sync(now time.Time, m *protocol.SyncDelayReq, p packet) bool {
	s.syncInterval = period(m.LogMessageInterval, syncInterval)
	if m.FlagField&protocol.FlagUnicast != 0 {
		s.unicast = true // its network may have no multicast
	}
	if !p.stamped {
		return false
	}
	if m.FlagField&protocol.FlagTwoStep == 0 {
		return s.take(now, pair{m.SequenceID, p.stamp, [2]protocol.Correction{m.CorrectionField}, m.OriginTimestamp, true, true})
	}
	w := s.pair(m.SequenceID)
	if !w.come {
		w.come, w.raw, w.corrections[0] = true, p.stamp, m.CorrectionField
	}
	return s.match(now, w)
}

// followUp takes a Follow_Up.
func (s *slave) followUp(now time.Time, m *protocol.FollowUp) bool {
	w := s.pair(m.SequenceID)
	if !w.told {
		w.told, w.origin, w.corrections[1] = true, m.PreciseOriginTimestamp, m.CorrectionField
	}
	return s.match(now, w)
}

func (s *slave) match(now time.Time, w *pair) bool {
	if !w.come || !w.told {
		return false
	}
	whole := *w
	s.pairs = slices.DeleteFunc(s.pairs, func(p pair) bool { return p.sequence == whole.sequence })
	return s.take(now, whole)
}

// take uses a Sync of which all is known. One that is older than the last is not used,
// unless there has been none for so long that the master has begun to count anew.
func (s *slave) take(now time.Time, w pair) bool {
	sent, ok := nanoseconds(w.origin, w.corrections[:]...)
	if !ok {
		return false
	}
	if s.lastSync.IsZero() {
		s.begun, s.nextRequest = now, now
	} else if int16(w.sequence-s.sequence) <= 0 && now.Sub(s.lastSync) < s.timeout() {
		return false
	}
	s.sequence, s.lastSync, s.fresh = w.sequence, now, true
	if s.estimator.sync(sample{w.raw, sent}) {
		s.log.Warn("the PTP master's time has stepped")
	}
	return true
}

// timeout is how long there may be no Sync.
func (s *slave) timeout() time.Duration { return max(syncPatience, syncTimeout*s.syncInterval) }

// overdue tells whether there has been none for so long.
func (s *slave) overdue(now time.Time) bool {
	last := s.begun
	if s.lastSync.After(last) {
		last = s.lastSync
	}
	return now.Sub(last) >= s.timeout()
}

// delayResponse takes the answer to a delay request.
func (s *slave) delayResponse(m *protocol.DelayResp) {
	if !s.waiting || m.SequenceID != s.request || m.RequestingPortIdentity != s.port.identity() || m.CorrectionField.TooBig() {
		return
	}
	s.waiting = false
	s.interval = period(m.LogMessageInterval, delayInterval)
	if came, ok := nanoseconds(m.ReceiveTimestamp, -m.CorrectionField); ok {
		s.estimator.exchange(sample{s.requestLeft, came})
		s.answers, s.fresh = s.answers+1, true
	}
}

// tick sends a delay request if one is due, and brings the line up to date.
func (s *slave) tick(now time.Time) {
	if !s.lastSync.IsZero() && !now.Before(s.nextRequest) {
		s.ask(now)
	}
	if !s.late && !s.lastSync.IsZero() && now.Sub(s.begun) > delayPatience {
		s.late = true
		if s.answers == 0 {
			s.log.Warn("the PTP master does not answer delay requests: its time is late by the path delay")
		}
	}
	if !s.fresh {
		return
	}
	s.fresh = false
	s.estimator.fit()
	if delay := s.estimator.delay; delay < negativeDelay && !s.warned {
		s.warned = true
		s.log.Warn("the path delay to the PTP master is negative and taken for 0: the network or the master is asymmetric", "ns", int64(delay))
	}
}

// ask sends a delay request. The time to the next is random, such that the mean is what
// the master allows (IEEE 1588-2008 §9.5.11.2).
func (s *slave) ask(now time.Time) {
	s.nextRequest = now.Add(rand.N(2 * s.interval))
	s.request++
	if s.late && s.answers == 0 {
		s.unicast = !s.unicast
	}
	e, to := &s.port.node.encoder, group
	e.sync = protocol.SyncDelayReq{Header: s.port.header(protocol.MessageDelayReq, syncSize, s.request, noInterval)}
	if s.unicast {
		e.sync.FlagField, to = protocol.FlagUnicast, s.parent.address
	}
	s.requestLeft, s.waiting = s.port.sendEvent(e.encode(&e.sync), to)
}

// usable tells whether a mapping can be made.
func (s *slave) usable() bool {
	return s.estimator.ready && s.measured(1) && s.estimator.span() >= minSpan
}

// measured tells whether the path delay has been measured so many times, or will not be
// soon.
func (s *slave) measured(times int) bool { return s.answers >= times || s.late }
