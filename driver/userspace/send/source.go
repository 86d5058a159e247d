package send

import (
	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"
	"aes67os/driver/userspace/rtp"
)

// Source is a stream that is sent.
type Source struct {
	stream driver.Stream
	// samples is the number in a packet, per channel.
	samples int64
	packet  []byte
	legs    []leg
	counters
	// told is what was known of its trouble when watch looked last.
	told trouble

	// Only the thread that sends uses these.
	line    *line
	started bool
	// next is the position of the packet to be sent next, due the local time for it.
	next, due int64
}

// leg is the way of a source's packets over one interface.
type leg struct {
	number  int // of the interface, in the configuration
	outlet  *outlet
	message message
}

// line is how far a stream has come. It outlives the source, for one of the same ID and
// SSRC to continue.
type line struct {
	// end is the position after the last sample that was sent, 0 for none yet.
	end      int64
	sequence uint16
}

func newSource(st driver.Stream, l *line) *Source {
	s := &Source{
		stream: st, samples: int64(st.SamplesPerPacket), line: l, legs: make([]leg, len(st.Legs)),
		packet: make([]byte, rtp.HeaderSize+int(st.SamplesPerPacket)*len(st.Map)*st.Codec.WordLength()),
	}
	// Nobody writes to channels without a device channel again.
	for i := range st.Map {
		rtp.Encode(st.Codec, s.packet[rtp.HeaderSize:], i, len(st.Map), make([]int32, s.samples))
	}
	return s
}

func newLeg(s *Source, l driver.Leg, o *outlet) leg {
	return leg{l.Interface, o, newMessage(s.packet, l, s.stream.DSCP, s.stream.TTL)}
}

func (s *Source) uses(o *outlet) bool {
	for i := range s.legs {
		if s.legs[i].outlet == o {
			return true
		}
	}
	return false
}

// seek finds the packet to be sent next, when now is the time of the sample at position
// and stepped tells that this has not come by the passing of time. second and late are
// numbers of samples; packets are left out once more than late are due.
func (s *Source) seek(position, second, late int64, stepped bool) {
	// That which is being filled.
	current := position - position%s.samples
	s.next = s.line.end + (s.samples-s.line.end%s.samples)%s.samples
	behind := current - s.next // all of that is due
	stepped = stepped || !s.started
	s.started = true
	switch {
	case s.line.end == 0, s.next-position > second, stepped && behind > 0:
	case behind > late:
		s.missed.Add(uint64(behind / s.samples))
	default:
		return
	}
	s.next, s.line.end = current, current
}

// schedule finds the local time at which the next packet is due.
func (s *Source) schedule(m *media.Mapping, rate uint32) {
	s.due = m.LocalAt(media.TimeOf(s.next+s.samples, rate))
}

// build makes the next packet, taking samples as scratch space.
func (s *Source) build(playback *ring.Ring, samples []int32) {
	st := &s.stream
	rtp.Header{
		PayloadType: st.PayloadType, Sequence: s.line.sequence, SSRC: st.SSRC,
		Timestamp: uint32(s.next) + st.TimestampOffset,
	}.Put(s.packet)
	samples = samples[:s.samples]
	for i, channel := range st.Map {
		if channel == driver.Unmapped {
			continue
		}
		playback.Read(channel, s.next, samples)
		rtp.Encode(st.Codec, s.packet[rtp.HeaderSize:], i, len(st.Map), samples)
	}
	s.line.sequence++
	s.next += s.samples
	s.line.end = s.next
}
