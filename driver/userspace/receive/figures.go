package receive

import (
	"time"

	"aes67os/driver"
)

// Figures count what has come since the sink was added.
func (s *Sink) Figures() driver.SinkFigures {
	now := s.device.moment()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.mapping != nil {
		s.ledger.advance(now.position)
	}
	f := driver.SinkFigures{
		Lost: s.ledger.lost, Interruptions: s.ledger.interruptions, Legs: make([]driver.LegFigures, len(s.legs)),
	}
	for i := range s.legs {
		leg := &f.Legs[i]
		*leg = s.legs[i].LegFigures
		leg.Lost = s.legs[i].sequence.lost
		s.legs[i].before.put(leg)
	}
	return f
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
func (s *spread) put(into *driver.LegFigures) {
	if s.n == 0 {
		return
	}
	into.Minimum, into.Maximum = time.Duration(s.min), time.Duration(s.max)
	into.Average = time.Duration(s.sum / int64(s.n))
}
