package port

import "encoding/binary"

// format is how a sample is stored, little-endian, by the names ALSA has for it. Samples
// of 32 bits lose what a shorter one has no place for; they are not rounded, as they are
// not in RTP packets either (package rtp), so that what came in as 16 bits goes out as it was.
type format int

const (
	s16   format = iota + 1
	s24_3        // three bytes
	s24          // four bytes, of which the highest is sign
	s32
)

// size is the number of bytes of a sample.
func (f format) size() int {
	switch f {
	case s16:
		return 2
	case s24_3:
		return 3
	}
	return 4
}

// put stores samples, the first at the start of b and each stride bytes from the one before.
func (f format) put(b []byte, stride int, samples []int32) {
	at := 0
	for _, s := range samples {
		switch f {
		case s16:
			binary.LittleEndian.PutUint16(b[at:], uint16(s>>16))
		case s24_3:
			b[at], b[at+1], b[at+2] = byte(s>>8), byte(s>>16), byte(s>>24)
		case s24:
			binary.LittleEndian.PutUint32(b[at:], uint32(s>>8))
		case s32:
			binary.LittleEndian.PutUint32(b[at:], uint32(s))
		}
		at += stride
	}
}

// get is the reverse of put.
func (f format) get(b []byte, stride int, samples []int32) {
	at := 0
	for i := range samples {
		switch f {
		case s16:
			samples[i] = int32(binary.LittleEndian.Uint16(b[at:])) << 16
		case s24_3:
			samples[i] = int32(b[at])<<8 | int32(b[at+1])<<16 | int32(b[at+2])<<24
		case s24:
			samples[i] = int32(binary.LittleEndian.Uint32(b[at:])) << 8
		case s32:
			samples[i] = int32(binary.LittleEndian.Uint32(b[at:]))
		}
		at += stride
	}
}
