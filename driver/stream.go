package driver

import "net/netip"

// Limits of a stream and of a device, those of the RAVENNA module.
const (
	// MaxStreams is the number of sources, and of sinks.
	MaxStreams = 64
	// MaxChannels is the number of channels of a stream, and of a device each way.
	MaxChannels = 64
	// MaxPlayoutDelay is the longest safety delay of playback, in samples.
	MaxPlayoutDelay = 1<<31 - 1
)

// Unmapped in a sink's map is a channel of the stream that goes nowhere; in a source's
// one that is silent, which not every driver can do.
const Unmapped = -1

// Stream is an RTP stream to be sent or received.
type Stream struct {
	// ID is the number users gave it, 0 to 63; sources and sinks count apart.
	ID int
	// Source tells that the stream is sent; otherwise it is a sink.
	Source bool
	// Name is for people, 1 to 63 bytes.
	Name  string
	Codec Codec
	// SampleRate is in Hz.
	SampleRate uint32
	// SamplesPerPacket is per channel, at least 1: the number sent, or the most to be
	// expected.
	SamplesPerPacket uint32
	PayloadType      uint8
	DSCP             uint8
	TTL              uint8
	// SSRC of a source (RFC 3550 §8).
	SSRC uint32
	// TimestampOffset is the n of a=mediaclk:direct=n (RFC 7273 §5.2).
	TimestampOffset uint32
	// PlayoutDelay of a sink, in samples: the link offset (AES67-2018 §7.5). It is not
	// below SamplesPerPacket.
	PlayoutDelay uint32
	// Map has the device channel of each of the stream's channels, from 0, or Unmapped.
	Map []int
	// Legs are where it travels: one, or two with the same packets (SMPTE ST 2022-7).
	Legs []Leg
}

// Leg is a stream's way over one network interface.
type Leg struct {
	// Interface is the index in Config.Interfaces.
	Interface int
	// Local is the interface's own address.
	Local netip.Addr
	// Destination is where packets go, a multicast group or one host.
	Destination netip.AddrPort
	// DestinationMAC is where a source's packets go on this link, or what a sink's
	// come to: derived from the group (RFC 1112 §6.4), or the host's, or our own.
	DestinationMAC [6]byte
	// SourcePort is the port a source sends from.
	SourcePort uint16
}

// Codec is how samples are coded in packets, by the name SDP has for it.
type Codec string

// The codecs (RFC 3551 §4.5.11, RFC 3190 §4, AES67-2018 §7.1; AM824 is SMPTE ST 2110-31).
const (
	L16   Codec = "L16"
	L24   Codec = "L24"
	AM824 Codec = "AM824"
)

// WordLength is the size of a sample in packets, in bytes, 0 for an unknown codec.
func (c Codec) WordLength() int {
	switch c {
	case L16:
		return 2
	case L24:
		return 3
	case AM824:
		return 4
	}
	return 0
}

// StreamStatus is how a sink does. Flags are since the last time it was asked.
type StreamStatus struct {
	SequenceError    bool
	SSRCError        bool
	PayloadTypeError bool
	// TimestampError: a packet came too late, or too early.
	TimestampError bool
	Receiving      bool
	Muted          bool
	SomeMuted      bool
	AllMuted       bool
	// MinimumTime is the least time by which packets came before they were needed,
	// in samples.
	MinimumTime int32
}
