// Package sdp writes and reads the descriptions (SDP, RFC 8866) of AES67, RAVENNA and
// SMPTE ST 2110-30 streams.
//
// What we write is, line by line, what the known daemon documents, because its users'
// scripts compare it; receivers of every make accept it. What we read is what devices
// send, which is not always SDP: lines out of order, attributes on the wrong level,
// packet times rounded until they are wrong. A [Description] has only what is needed
// to send or receive a stream, so all of that ends here.
//
// The parts:
//
//   - sdp.go: what a description says.
//   - marshal.go: writing.
//   - normalise.go: brings a text into the form which the SDP library insists on.
//   - parse.go: which of the streams in a description are ours to play.
//   - stream.go, clock.go, packet.go: one stream, its clock, the size of its packets.
//
// A stream may travel twice (SMPTE ST 2022-7). Devices say so in two ways, and both
// become two [Stream]s: two m= lines in an a=group:DUP (RFC 7104 §4.1), or one m= line
// that has two c= lines, or two sources of one group in an a=ssrc-group:DUP (§4.2).
// Several sources without that are one stream which any of them may send (RFC 4570).
package sdp

import (
	"net/netip"

	"aes67os/driver"
)

// Limits on what is read.
const (
	// maxSize is in bytes: more than the largest UDP packet, and so the largest
	// announcement by SAP, has room for.
	maxSize     = 64 << 10
	maxLines    = 2048
	maxStreams  = 32 // m= lines
	maxSources  = 16 // addresses of a source filter
	maxWarnings = 32
)

// Limits of a stream.
const (
	minSampleRate = 8000
	maxSampleRate = 384000
	// maxPayload is what a UDP packet over IPv4 has room for besides the RTP header.
	maxPayload = 65507 - 12
)

// Description says what a session is called and where and how its audio travels.
type Description struct {
	Origin Origin
	// Name is the s= line, empty where that has the "-" of a session without one.
	Name string
	// Info is the i= line of the session, or else of the (first) stream. Dante and
	// RAVENNA devices list the channels in it: "2 channels: Left, Right".
	Info string
	// Streams is one, or two that carry the same (a=group:DUP, RFC 7104; SMPTE ST
	// 2022-7), the primary first.
	Streams []Stream
}

// Origin identifies a session and its version (RFC 8866 §5.2).
type Origin struct {
	// Username is "-" for hosts without users; it has no spaces.
	Username string
	// SessionID is a decimal number.
	SessionID string
	// Version rises with each change of the description.
	Version uint64
	// Address is not valid where the description has a host name, or no origin that
	// could be read.
	Address netip.Addr
}

// SameSession tells whether o and other are of one session, whatever the version (RFC
// 8866 §5.2). An origin without an address is the same as none.
func (o Origin) SameSession(other Origin) bool {
	o.Version, other.Version = 0, 0
	return o.Address.IsValid() && o == other
}

// Stream is an RTP stream of audio.
type Stream struct {
	// Destination is IPv4, a multicast group or a host.
	Destination netip.AddrPort
	// TTL of a multicast stream's packets; 0 when it is not said.
	TTL uint8
	// Sources are the only hosts that packets are accepted from (a=source-filter, RFC
	// 4570); empty: from all.
	Sources []netip.Addr
	// PayloadType is 0 to 127.
	PayloadType uint8
	// Codec is "L16", "L24" or "AM824".
	Codec string
	// SampleRate is 8000 to 384000 Hz.
	SampleRate uint32
	// Channels is 1 to 64.
	Channels int
	// SamplesPerPacket is per channel, the most to expect; 0 when the description does
	// not say.
	SamplesPerPacket uint32
	// TimestampOffset is the n of a=mediaclk:direct=n (RFC 7273 §5.2).
	TimestampOffset uint32
	Clock           Clock
}

// sameFormat tells whether s and t can carry the same audio.
func (s Stream) sameFormat(t Stream) bool {
	return s.Codec == t.Codec && s.SampleRate == t.SampleRate && s.Channels == t.Channels
}

// wordLength is the size of a sample in bytes, 0 for a codec we do not know.
func (s Stream) wordLength() int { return driver.Codec(s.Codec).WordLength() }

// Clock is what a stream's timestamps count (a=ts-refclk, RFC 7273 §4.8). It is zero
// when the description does not say, or names none that others can follow, such as the
// "localmac" of SMPTE ST 2110-10.
type Clock struct {
	// Grandmaster is zero when none is named: the clock is traceable, or the talker
	// has found no master.
	Grandmaster driver.ClockID
	// Domain is the PTP domain, if HasDomain.
	Domain    uint8
	HasDomain bool
	// Traceable: any clock that is traceable to TAI will do. When writing, it goes
	// before Grandmaster.
	Traceable bool
}
