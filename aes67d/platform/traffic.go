package platform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"aes67os/driver"
)

// traffic is what became of the packets of all streams, as far as the driver tells.
type traffic struct {
	// counted tells that the driver counts packets. Otherwise there are the flags alone.
	counted bool
	// unsent were not sent, lost did not arrive, late came too late to be heard, foreign were
	// of other talkers or other kinds.
	unsent, lost, late, foreign uint64
	// lateness is the longest time from when a packet was due until it was sent, margin the
	// least from the arrival of one, if any was received, until it was needed.
	lateness, margin time.Duration
	received         bool
	// sequence tells that a packet was missing or out of order, timestamp that one came too
	// late or too early.
	sequence, timestamp bool
}

// traffic asks the driver, even if the test was interrupted.
func (s *stage) traffic() (t traffic, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), streamPatience)
	defer cancel()
	for _, h := range s.sinks {
		status, err := s.tested.Status(ctx, h)
		if err != nil {
			return t, fmt.Errorf("asking how a sink did: %w", err)
		}
		t.sequence = t.sequence || status.SequenceError
		t.timestamp = t.timestamp || status.TimestampError
	}
	m, ok := s.tested.Driver.(driver.Monitor)
	if !ok {
		return t, nil
	}
	t.counted = true
	var errs error
	for _, h := range slices.Concat(s.sources, s.sinks) {
		f, err := m.Figures(ctx, h)
		errs = errors.Join(errs, err)
		t.add(f)
	}
	if errs != nil {
		return t, fmt.Errorf("asking what became of packets: %w", errs)
	}
	return t, nil
}

// since leaves out what was counted before.
func (t traffic) since(before traffic) traffic {
	t.unsent -= before.unsent
	t.lost -= before.lost
	t.late -= before.late
	t.foreign -= before.foreign
	return t
}

func (t *traffic) add(f driver.Figures) {
	if s := f.Source; s != nil {
		t.unsent += s.Missed + s.Errors
		t.lateness = max(t.lateness, s.MaxLateness)
	}
	if f.Sink == nil {
		return
	}
	for _, leg := range f.Sink.Legs {
		t.lost += leg.Lost
		t.late += leg.Late + leg.Early
		t.foreign += leg.WrongPayloadType + leg.ForeignSSRC + leg.Malformed
		if leg.Packets > 0 && (!t.received || leg.Minimum < t.margin) {
			t.received, t.margin = true, leg.Minimum
		}
	}
}
