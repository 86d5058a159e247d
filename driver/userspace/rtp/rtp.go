// Package rtp has what audio over RTP looks like in a packet: the header (RFC 3550 §5.1)
// and the samples (RFC 3551 §4.5.11, RFC 3190 §4, SMPTE ST 2110-31).
//
// Nothing here allocates, because it is done for every packet. That is why the header is
// not parsed by pion/rtp: that makes an error for every bad packet, and lists of CSRCs and
// header extensions of the others, which nobody here wants.
package rtp

import (
	"encoding/binary"
	"errors"
)

// HeaderSize is the size in bytes of a header as sent: one without CSRCs and extension.
const HeaderSize = 12

// The bits of the first two bytes.
const (
	version   = 2 << 6
	padding   = 1 << 5
	extension = 1 << 4
	marker    = 1 << 7
)

// Header is what of a packet's header matters for audio.
type Header struct {
	Marker bool
	// PayloadType is 0 to 127.
	PayloadType uint8
	Sequence    uint16
	// Timestamp is the number of the first sample, mod 2³².
	Timestamp uint32
	SSRC      uint32
}

// Put writes the header to the first HeaderSize bytes of b. It panics if they are not
// there.
func (h Header) Put(b []byte) {
	_ = b[HeaderSize-1]
	b[0], b[1] = version, h.PayloadType&^marker
	if h.Marker {
		b[1] |= marker
	}
	binary.BigEndian.PutUint16(b[2:], h.Sequence)
	binary.BigEndian.PutUint32(b[4:], h.Timestamp)
	binary.BigEndian.PutUint32(b[8:], h.SSRC)
}

// What can be wrong with a packet.
var (
	errShort   = errors.New("the RTP packet is shorter than its header")
	errVersion = errors.New("the RTP packet is not of version 2")
	errPadding = errors.New("the RTP packet has more padding than payload, or padding of no length")
)

// Parse takes a packet apart. CSRCs, the header extension and padding are passed over;
// the payload is part of b. The error is for packets that are shorter than they say.
func Parse(b []byte) (h Header, payload []byte, err error) {
	if len(b) < HeaderSize {
		return Header{}, nil, errShort
	}
	if b[0]&(3<<6) != version {
		return Header{}, nil, errVersion
	}
	h = Header{
		Marker:      b[1]&marker != 0,
		PayloadType: b[1] &^ marker,
		Sequence:    binary.BigEndian.Uint16(b[2:]),
		Timestamp:   binary.BigEndian.Uint32(b[4:]),
		SSRC:        binary.BigEndian.Uint32(b[8:]),
	}
	start := HeaderSize + 4*int(b[0]&0xf) // CSRCs
	if b[0]&extension != 0 {
		if len(b) < start+4 {
			return Header{}, nil, errShort
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:])) // §5.3.1
	}
	if len(b) < start {
		return Header{}, nil, errShort
	}
	payload = b[start:]
	if b[0]&padding != 0 {
		if len(payload) == 0 {
			return Header{}, nil, errPadding
		}
		// The last byte counts the padding, itself included.
		n := int(payload[len(payload)-1])
		if n == 0 || n > len(payload) {
			return Header{}, nil, errPadding
		}
		payload = payload[:len(payload)-n]
	}
	return h, payload, nil
}
