package session

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"aes67os/aes67d/multicast"
	"aes67os/aes67d/sdp"
	"aes67os/driver"
)

// sink is a sink with what follows of it. It is not changed once it is in a state.
type sink struct {
	Sink
	description sdp.Description
	inDriver    placement
}

// fetchTimeout bounds how long a description may take to come.
const fetchTimeout = 10 * time.Second

// PutSink adds the sink, or replaces the one with its id. If its SDP is to be fetched,
// that happens once, here.
func (m *Manager) PutSink(ctx context.Context, s Sink) error {
	if err := s.check(); err != nil {
		return err
	}
	s.Map = slices.Clone(s.Map)
	if !s.UseSDP {
		fetching, cancel := context.WithTimeout(ctx, fetchTimeout)
		text, err := m.Fetch(fetching, s.Source)
		cancel()
		if err != nil {
			return err
		}
		s.SDP, s.UseSDP = text, true
	}
	d, err := m.parse(s)
	if err != nil {
		return err
	}
	if packet := d.Streams[0].SamplesPerPacket; s.Delay < packet {
		return invalid("delay cannot be %d samples, for a packet of this stream has %d", s.Delay, packet)
	}
	return m.putSink(ctx, s, d)
}

// parse reads the sink's SDP.
func (m *Manager) parse(s Sink) (sdp.Description, error) {
	d, warnings, err := sdp.Parse([]byte(s.SDP))
	if err != nil {
		return d, fmt.Errorf("%w: %w", ErrParseSDP, err)
	}
	for _, w := range warnings {
		m.Log.Warn("the SDP of a sink is unusual", "sink", s.ID, "name", s.Name, "what", w)
	}
	if driver.Codec(d.Streams[0].Codec).WordLength() == 0 {
		return d, fmt.Errorf("%w: %s cannot be received, only L16, L24 and AM824", ErrParseSDP, d.Streams[0].Codec)
	}
	if n := d.Streams[0].Channels; n != len(s.Map) {
		m.Log.Warn("a sink's map has another number of channels than its stream; those without a partner are left out",
			"sink", s.ID, "name", s.Name, "map", len(s.Map), "stream", n)
	}
	return d, nil
}

func (m *Manager) putSink(ctx context.Context, s Sink, d sdp.Description) error {
	err := m.change(ctx, func(ctx context.Context, next *state) error {
		entry := &sink{Sink: s, description: d}
		if err := free(&next.sinks, entry); err != nil {
			return err
		}
		if err := next.sameClock(s, d); err != nil {
			return err
		}
		if old := next.sinks[s.ID]; old != nil {
			entry.inDriver = old.inDriver
		}
		return put(ctx, m, next, &next.sinks, entry, next.wantSink(entry))
	})
	if err != nil {
		return err
	}
	return m.save()
}

// sameClock tells whether the stream's clock is the one we follow, if the user wants to
// know. While we follow none there is nothing to compare.
func (st *state) sameClock(s Sink, d sdp.Description) error {
	if s.IgnoreRefClock || st.ptp.Grandmaster == (driver.ClockID{}) {
		return nil
	}
	for _, stream := range d.Streams {
		c, domain := stream.Clock, st.settings.Driver.PTP.Domain
		if c.Grandmaster == (driver.ClockID{}) {
			continue
		}
		if c.Grandmaster != st.ptp.Grandmaster || c.HasDomain && c.Domain != domain {
			return fmt.Errorf("%w: the stream's clock is %s in domain %d, and ours follows %s in domain %d; ignore_refclk_gmid takes it all the same",
				ErrParseSDP, c.Grandmaster, c.Domain, st.ptp.Grandmaster, domain)
		}
	}
	return nil
}

// RemoveSink removes a sink.
func (m *Manager) RemoveSink(ctx context.Context, id int) error {
	return remove(ctx, m, func(st *state) *slots[sink] { return &st.sinks }, id)
}

// SinkStatus asks the driver how a sink does.
func (m *Manager) SinkStatus(ctx context.Context, id int) (driver.StreamStatus, error) {
	if err := checkID(id); err != nil {
		return driver.StreamStatus{}, err
	}
	// The sink may be replaced while the driver is asked; then there is a newer one.
	for {
		st := m.current.Load()
		s := st.sinks[id]
		if s == nil {
			return driver.StreamStatus{}, fmt.Errorf("%w: there is no sink %d", ErrNotInUse, id)
		}
		if !s.inDriver.placed.in(st) {
			return driver.StreamStatus{}, s.inDriver.waiting(st)
		}
		status, err := m.Driver.Status(ctx, s.inDriver.placed.handle)
		if errors.Is(err, driver.ErrNoStream) && m.current.Load().sinks[id] != s {
			continue
		}
		return status, err
	}
}

// wantSink is what the driver should have of a sink; nil for nothing, because something
// it needs is not there yet.
func (st *state) wantSink(s *sink) *driver.Stream {
	if !st.ready() {
		return nil
	}
	first := s.description.Streams[0]
	stream := &driver.Stream{
		ID: s.ID, Name: s.Name, Codec: driver.Codec(first.Codec), SampleRate: first.SampleRate,
		SamplesPerPacket: first.SamplesPerPacket, PayloadType: first.PayloadType, TTL: first.TTL,
		TimestampOffset: first.TimestampOffset, PlayoutDelay: s.Delay, Map: make([]int, first.Channels),
	}
	if stream.SamplesPerPacket == 0 {
		// Not said: as much as there is time for.
		stream.SamplesPerPacket = max(1, min(s.Delay, st.settings.Driver.MaxTICFrameSize))
	}
	// A sink from a file may have a shorter delay than PutSink takes.
	stream.PlayoutDelay = max(stream.PlayoutDelay, stream.SamplesPerPacket)
	for i := range stream.Map {
		stream.Map[i] = driver.Unmapped
		if i < len(s.Map) {
			stream.Map[i] = s.Map[i]
		}
	}
	for port := range st.settings.Interfaces {
		if leg, ok := st.leg(port, s.destination(port)); ok {
			stream.Legs = append(stream.Legs, leg)
		}
	}
	return stream
}

// destination is where the sink's packets come to on an interface, 0 or 1: a stream
// that is described once is expected on both (SMPTE ST 2022-7).
func (s *sink) destination(port int) netip.AddrPort {
	return s.description.Streams[min(port, len(s.description.Streams)-1)].Destination
}

func (st *state) listSinks() []Sink {
	list := []Sink{}
	for _, s := range st.sinks {
		if s != nil {
			shown := s.Sink
			shown.Map = slices.Clone(s.Map)
			list = append(list, shown)
		}
	}
	return list
}

// ptpGroup is where PTP's general and event messages go (IEEE 1588-2008 annex D.3).
var ptpGroup = netip.AddrFrom4([4]byte{224, 0, 1, 129})

// memberships are the groups to be received: the sinks', and that of the clock.
func (st *state) memberships() []multicast.Membership {
	var list []multicast.Membership
	for port, in := range st.settings.Interfaces {
		if !st.settings.Addresses[port].IsValid() {
			continue
		}
		list = append(list, multicast.Membership{Interface: in.Index, Group: ptpGroup})
		for _, s := range st.sinks {
			if s == nil || !s.destination(port).Addr().IsMulticast() {
				continue
			}
			one := multicast.Membership{Interface: in.Index, Group: s.destination(port).Addr()}
			if !slices.Contains(list, one) {
				list = append(list, one)
			}
		}
	}
	return list
}
