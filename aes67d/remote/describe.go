package remote

import (
	"strconv"
	"strings"
)

// session is what an SDP's o= line identifies (RFC 4566 §5.2). The zero value is that
// of an SDP without one.
type session struct {
	// name has all fields but the version: user, id, types of net and address,
	// address.
	name    string
	version uint64
}

// other tells whether two are different versions of one session. Programs that give
// all their sessions the same id, and there are some, give them all the same version.
func (s session) other(t session) bool {
	return s.name != "" && s.name == t.name && s.version != t.version
}

// describe returns the session's name (RFC 4566 §5.3) and its identity.
func describe(sdp string) (name string, s session) {
	for line := range strings.Lines(sdp) {
		kind, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		switch kind {
		case "o":
			s = parseOrigin(value)
		case "s":
			name = strings.TrimSpace(value)
		case "m":
			return name, s // what follows is about media
		}
	}
	return name, s
}

// parseOrigin reads an o= line; a wrong one is the zero value.
func parseOrigin(line string) session {
	f := strings.Fields(line)
	if len(f) != 6 {
		return session{}
	}
	version, err := strconv.ParseUint(f[2], 10, 64)
	if err != nil {
		return session{}
	}
	f[2] = "" // keeps the number of fields
	return session{name: strings.Join(f, " "), version: version}
}

// crc16 is the checksum the known daemon identifies SDPs by: polynomial 0x1021, first
// value 0xffff (CRC-16/IBM-3740).
func crc16(s string) uint16 {
	crc := uint16(0xffff)
	for i := range len(s) {
		crc ^= uint16(s[i]) << 8
		for range 8 {
			top := crc >> 15
			crc = crc<<1 ^ top*0x1021
		}
	}
	return crc
}
