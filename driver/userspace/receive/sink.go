package receive

import (
	"math"
	"sync"
	"time"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/rtp"
)

// pause is how long nothing may come before a stream counts as interrupted.
const pause = int64(100 * time.Millisecond)

// Sink is a stream that is received. Its methods are safe for concurrent use.
type Sink struct {
	stream driver.Stream
	device *device
	// frame is the size of one sample of all channels, in bytes.
	frame int

	mu      sync.Mutex
	removed bool
	talker  talker
	ledger  ledger
	legs    []leg
	// status has the flags since it was asked for last.
	status driver.StreamStatus
	// heard is when samples were put into the ring last.
	heard   int64
	samples []int32
}

// leg is one of the ways a stream comes by.
type leg struct {
	driver.LegFigures
	sequence sequence
	before   spread
	// last is when a packet of the stream came last.
	last int64
	// minimum is the least time that packets came before they were needed, in samples,
	// since the status was asked for last.
	minimum int64
}

// never is a time before all others.
const never = math.MinInt64 / 2

func newSink(s driver.Stream, d *device) *Sink {
	k := &Sink{
		stream: s,
		device: d,
		frame:  s.Codec.WordLength() * len(s.Map),
		ledger: newLedger(d.capture.Samples(), int64(d.rate)*pause/int64(time.Second)),
		legs:   make([]leg, len(s.Legs)),
		heard:  never,
	}
	k.samples = make([]int32, maxPacket/k.frame)
	for i := range k.legs {
		k.legs[i].last, k.legs[i].minimum = never, never
	}
	return k
}

// remove makes the sink do nothing more. A packet that is on its way is done with before
// it returns.
func (s *Sink) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = true
}

// receive does what is to be done with a packet that came by a leg.
func (s *Sink) receive(n int, p *packet, now *moment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.removed {
		return
	}
	leg := &s.legs[n]
	leg.Packets++
	header, payload, err := rtp.Parse(p.data)
	if err != nil {
		leg.Malformed++
		return
	}
	if header.PayloadType != s.stream.PayloadType {
		leg.WrongPayloadType++
		s.status.PayloadTypeError = true
		return
	}
	samples := len(payload) / s.frame
	if samples < 1 || samples*s.frame != len(payload) || samples > int(s.stream.SamplesPerPacket) {
		leg.Malformed++
		s.status.PayloadTypeError = true // other samples than were agreed on
		return
	}
	take, other := s.talker.follow(header.SSRC, p.arrival)
	if !take || other {
		s.status.SSRCError = true
	}
	if !take {
		leg.ForeignSSRC++
		return
	}
	if other {
		for i := range s.legs {
			s.legs[i].sequence.restart()
		}
	}
	leg.last = max(leg.last, p.arrival)
	if !leg.sequence.accept(header.Sequence) {
		s.status.SequenceError = true
	}
	if now.mapping != nil {
		s.place(leg, header.Timestamp, payload, samples, p.arrival, now)
	}
}

// place puts the samples of a packet where they belong.
func (s *Sink) place(leg *leg, timestamp uint32, payload []byte, samples int, arrival int64, now *moment) {
	ahead := int32(timestamp - s.stream.TimestampOffset - uint32(now.position))
	from := now.position + int64(ahead) + int64(s.stream.PlayoutDelay)
	to := from + int64(samples)
	room := int64(s.device.capture.Samples() / 2)
	s.ledger.advance(now.position)
	if to-1 > now.position+room {
		leg.Early++
		s.status.TimestampError = true
		return
	}
	if from >= max(now.position-room, 0) {
		before := media.TimeOf(from, s.device.rate) - now.mapping.PTPAt(arrival)
		leg.before.add(before)
		samples := before * int64(s.device.rate) / int64(time.Second)
		if leg.minimum == never || samples < leg.minimum {
			leg.minimum = samples
		}
	}
	if from <= s.ledger.now {
		leg.Late++
		s.status.TimestampError = true
		return
	}
	s.heard = max(s.heard, arrival)
	if !s.ledger.fill(from, to) {
		leg.Duplicate++
		return
	}
	for i, channel := range s.stream.Map {
		if channel != driver.Unmapped {
			rtp.Decode(s.stream.Codec, payload, i, len(s.stream.Map), s.samples[:samples])
			s.device.capture.Write(channel, from, s.samples[:samples])
		}
	}
}

// Status tells how the sink does. Its errors, and MinimumTime, are since it was asked for
// last. Something is received if packets of the stream came within the last 100 ms, by any
// leg. The sink is muted, AllMuted as well, if of none of them there is anything to be
// heard, and always while there is no media clock; SomeMuted tells that there is a leg that
// brings nothing. MinimumTime is that of the better leg, 0 if nothing came. Packets of the
// wrong size are a PayloadTypeError, as they have other samples than was agreed.
func (s *Sink) Status() driver.StreamStatus {
	now := s.device.moment()
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	s.status = driver.StreamStatus{}
	minimum := int64(never)
	for i := range s.legs {
		leg := &s.legs[i]
		minimum = max(minimum, leg.minimum)
		leg.minimum = never
		if now.local-leg.last < pause {
			status.Receiving = true
		} else {
			status.SomeMuted = true
		}
	}
	if minimum != never {
		status.MinimumTime = int32(minimum)
	}
	if now.mapping == nil || now.local-s.heard >= pause {
		status.Muted, status.SomeMuted, status.AllMuted = true, true, true
	}
	return status
}
