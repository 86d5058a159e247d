package sap

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/netip"
	"strings"
)

// TypeSDP is the media type of session descriptions.
const TypeSDP = "application/sdp"

// Packet is a SAP packet (RFC 2974 §6).
type Packet struct {
	// Delete tells a deletion from an announcement.
	Delete bool
	// Hash and Origin together name one version of one session's announcement.
	// Version 0 of the protocol has a Hash of 0 for all.
	Hash   uint16
	Origin netip.Addr
	// Type is the payload's media type in lower case, without parameters; empty is
	// [TypeSDP].
	Type    string
	Payload []byte
}

// The first byte: three bits of version, then flags.
const (
	version1       = 1 << 5
	versionMask    = 7 << 5
	flagIPv6       = 1 << 4
	flagDelete     = 1 << 2
	flagEncrypted  = 1 << 1
	flagCompressed = 1 << 0
)

// headerSize is that of the header with an IPv4 origin, in bytes.
const headerSize = 8

// Marshal returns the packet as it is sent. Origin must be an IPv4 address.
func (p Packet) Marshal() ([]byte, error) {
	if !p.Origin.Is4() {
		return nil, fmt.Errorf("the origin of a SAP packet must be an IPv4 address, not %q", p.Origin)
	}
	kind := p.Type
	if kind == "" {
		kind = TypeSDP
	}
	if strings.ContainsRune(kind, 0) {
		return nil, fmt.Errorf("the media type %q contains a zero byte, which ends it", kind)
	}
	first := byte(version1)
	if p.Delete {
		first |= flagDelete
	}
	b := make([]byte, 0, headerSize+len(kind)+1+len(p.Payload))
	b = append(b, first, 0) // no authentication data
	b = binary.BigEndian.AppendUint16(b, p.Hash)
	b = append(b, p.Origin.AsSlice()...)
	b = append(b, kind...)
	b = append(b, 0)
	return append(b, p.Payload...), nil
}

// Parse reads a packet. Authentication data is skipped, a compressed packet is
// unpacked. Encrypted packets and those with an IPv6 origin are well-formed but
// refused, with [errors.ErrUnsupported]. Payload may share memory with b.
func Parse(b []byte) (Packet, error) {
	if len(b) < headerSize {
		return Packet{}, fmt.Errorf("SAP packet of %d bytes is shorter than its header", len(b))
	}
	first := b[0]
	if v := first & versionMask; v != version1 {
		return Packet{}, fmt.Errorf("SAP version %d is not known", v>>5)
	}
	if first&flagEncrypted != 0 {
		return Packet{}, fmt.Errorf("encrypted SAP packet: %w", errors.ErrUnsupported)
	}
	if first&flagIPv6 != 0 {
		return Packet{}, fmt.Errorf("SAP packet with an IPv6 origin: %w", errors.ErrUnsupported)
	}
	p := Packet{
		Delete: first&flagDelete != 0,
		Hash:   binary.BigEndian.Uint16(b[2:]),
		Origin: netip.AddrFrom4([4]byte(b[4:])),
	}
	rest := b[headerSize:]
	authentication := 4 * int(b[1])
	if len(rest) < authentication {
		return Packet{}, fmt.Errorf("SAP packet ends within %d bytes of authentication data", authentication)
	}
	rest = rest[authentication:]
	if first&flagCompressed != 0 {
		var err error
		if rest, err = inflate(rest); err != nil {
			return Packet{}, fmt.Errorf("unpack a compressed SAP packet: %w", err)
		}
	}
	var err error
	p.Type, p.Payload, err = splitType(rest)
	return p, err
}

// splitType takes the payload type from the payload. It may be missing; one can tell
// because SDP begins with "v=0", a deletion of it with "o=", and no media type does.
func splitType(b []byte) (kind string, payload []byte, err error) {
	if len(b) == 0 || bytes.HasPrefix(b, []byte("v=0")) || bytes.HasPrefix(b, []byte("o=")) {
		return TypeSDP, b, nil
	}
	before, payload, ended := bytes.Cut(b, []byte{0})
	if !ended {
		return "", nil, errors.New("SAP packet has neither a payload type nor a session description")
	}
	if len(before) == 0 {
		return TypeSDP, payload, nil
	}
	kind, _, err = mime.ParseMediaType(string(before))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return "", nil, fmt.Errorf("payload type of a SAP packet: %w", err)
	}
	return kind, payload, nil
}

// inflate unpacks zlib's format (RFC 1950), up to maxPacket bytes.
func inflate(b []byte) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, maxPacket+1))
	if err != nil {
		return nil, err
	}
	if len(out) > maxPacket {
		return nil, fmt.Errorf("more than %d bytes", maxPacket)
	}
	return out, nil
}
