package rest

import (
	"context"
	"sync"

	"aes67os/driver"
)

// reader is one of those who ask for the status of sinks.
type reader int

const (
	byClient reader = iota // GET /api/sink/status
	byMetrics
	byEvents
	readers
)

// statuses asks how sinks do. A driver tells what has happened since it was last asked,
// by anyone; here each reader is told what has happened since it asked itself.
type statuses struct {
	sessions Sessions

	mu     sync.Mutex
	unread [readers]map[int]driver.StreamStatus
}

// ask returns the status of a sink.
func (s *statuses) ask(ctx context.Context, by reader, id int) (driver.StreamStatus, error) {
	now, err := s.sessions.SinkStatus(ctx, id)
	if err != nil {
		return driver.StreamStatus{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.unread {
		if s.unread[r] == nil {
			s.unread[r] = make(map[int]driver.StreamStatus)
		}
		s.unread[r][id] = add(s.unread[r][id], now)
	}
	status := s.unread[by][id]
	delete(s.unread[by], id)
	return status, nil
}

// forget drops what is known of a sink, because another has its id now, or none.
func (s *statuses) forget(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, unread := range s.unread {
		delete(unread, id)
	}
}

// add adds what has happened before to how it is now.
func add(before, now driver.StreamStatus) driver.StreamStatus {
	now.SequenceError = now.SequenceError || before.SequenceError
	now.SSRCError = now.SSRCError || before.SSRCError
	now.PayloadTypeError = now.PayloadTypeError || before.PayloadTypeError
	now.TimestampError = now.TimestampError || before.TimestampError
	now.Receiving = now.Receiving || before.Receiving
	return now
}

// sinkFlags and sinkStatus are the known daemon's form of a status.
type sinkFlags struct {
	SequenceError    bool `json:"rtp_seq_id_error"`
	SSRCError        bool `json:"rtp_ssrc_error"`
	PayloadTypeError bool `json:"rtp_payload_type_error"`
	TimestampError   bool `json:"rtp_sac_error"`
	Receiving        bool `json:"receiving_rtp_packet"`
	SomeMuted        bool `json:"some_muted"`
	AllMuted         bool `json:"all_muted"`
	Muted            bool `json:"muted"`
}

type sinkStatus struct {
	Flags sinkFlags `json:"sink_flags"`
	// MinimumTime is in samples.
	MinimumTime int32 `json:"sink_min_time"`
}

func newSinkStatus(s driver.StreamStatus) sinkStatus {
	return sinkStatus{
		Flags: sinkFlags{
			SequenceError:    s.SequenceError,
			SSRCError:        s.SSRCError,
			PayloadTypeError: s.PayloadTypeError,
			TimestampError:   s.TimestampError,
			Receiving:        s.Receiving,
			SomeMuted:        s.SomeMuted,
			AllMuted:         s.AllMuted,
			Muted:            s.Muted,
		},
		MinimumTime: s.MinimumTime,
	}
}
