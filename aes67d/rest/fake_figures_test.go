package rest

import (
	"cmp"
	"context"
	"time"

	"aes67os/aes67d/session"
	"aes67os/driver"
)

// What a driver measures, in the tests.
var (
	exampleSource = driver.Figures{
		Source: &driver.SourceFigures{
			Packets: 1000, Octets: 288000, Errors: 2, Missed: 1, MaxLateness: 20 * time.Millisecond, TotalLateness: 123456789,
			Lateness: []uint64{1, 2, 4, 8, 16, 32, 64, 128, 256, 400, 80, 5, 1, 1, 1, 1},
		},
		Levels: []driver.Level{{Peak: -6.02, RMS: -12.5}, {Peak: driver.Silence, RMS: driver.Silence}},
	}
	exampleSink = driver.Figures{
		Sink: &driver.SinkFigures{Lost: 96, Interruptions: 3, Legs: []driver.LegFigures{
			{Packets: 5000, Lost: 2, Late: 4, Minimum: -500 * time.Microsecond, Average: 3 * time.Millisecond, Maximum: 3500 * time.Microsecond},
			{
				Packets: 5002, Duplicate: 4990, Early: 5, WrongPayloadType: 6, ForeignSSRC: 7, Malformed: 8,
				Minimum: time.Millisecond, Average: 2 * time.Millisecond, Maximum: 2500 * time.Microsecond,
			},
		}},
		Levels: []driver.Level{{Peak: 0, RMS: 3.01}},
	}
	exampleClock = driver.ClockFigures{
		Interface: "eth0", Timestamps: "hardware", Offset: -123, PathDelay: 4567, Jitter: 89, Fault: "eth1 is not there",
	}
)

func (s *sessions) SourceFigures(_ context.Context, id int) (driver.Figures, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.source[id]; !ok || s.fails != nil {
		return driver.Figures{}, cmp.Or(s.fails, check(id), session.ErrNotInUse)
	}
	return exampleSource, nil
}

func (s *sessions) SinkFigures(_ context.Context, id int) (driver.Figures, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.sink[id]; !ok || s.fails != nil {
		return driver.Figures{}, cmp.Or(s.fails, check(id), session.ErrNotInUse)
	}
	return exampleSink, nil
}

func (s *sessions) Clock(context.Context) (driver.ClockFigures, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return exampleClock, s.fails
}

func (s *sessions) Figures(context.Context) (session.Figures, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := session.Figures{Sources: map[int]driver.Figures{}, Sinks: map[int]driver.Figures{}, PTP: exampleClock}
	for id := range s.source {
		all.Sources[id] = exampleSource
	}
	for id := range s.sink {
		all.Sinks[id] = exampleSink
	}
	return all, s.fails
}
