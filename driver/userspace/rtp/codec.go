package rtp

import (
	"encoding/binary"
	"math/bits"

	"aes67os/driver"
)

// Bits of the first byte of an AM824 sample: those of an AES3 subframe beside the audio
// (ST 2110-31 §5). Channel status, user data and the validity bit stay 0, as does the
// mark of a block's start, which divides channel status that we do not have.
const (
	frame  = 1 << 4 // the first subframe of two, as AES3 carries channels in pairs
	parity = 1 << 3 // makes the number of ones even, frame not counted
)

// Encode writes the samples of one of a packet's channels, 0 to channels-1, to their
// places in the payload, where channels are interleaved. Samples have 32 bits, full scale
// is 2³¹; those of L16, and of L24 and AM824, are their upper 16 and 24 bits: what is below
// is cut off. It panics if the payload is shorter than len(samples) × channels × the
// codec's word, and does nothing for an unknown codec.
func Encode(codec driver.Codec, payload []byte, channel, channels int, samples []int32) {
	word := codec.WordLength()
	at, step := channel*word, channels*word
	switch codec {
	case driver.L16:
		encode16(payload, at, step, samples)
	case driver.L24:
		encode24(payload, at, step, samples)
	case driver.AM824:
		first := uint32(0)
		if channel%2 == 0 {
			first = frame
		}
		encode824(payload, at, step, first, samples)
	}
}

// Each loop is a function of its own, for the compiler to keep what it needs in registers: that of
// L24 takes two thirds of the time.

func encode16(payload []byte, at, step int, samples []int32) {
	for _, s := range samples {
		binary.BigEndian.PutUint16(payload[at:], uint16(s>>16))
		at += step
	}
}

func encode24(payload []byte, at, step int, samples []int32) {
	for _, s := range samples {
		b := payload[at : at+3]
		b[0], b[1], b[2] = byte(s>>24), byte(s>>16), byte(s>>8)
		at += step
	}
}

func encode824(payload []byte, at, step int, first uint32, samples []int32) {
	for _, s := range samples {
		audio := uint32(s) >> 8
		label := first | parity*uint32(bits.OnesCount32(audio)&1)
		binary.BigEndian.PutUint32(payload[at:], label<<24|audio)
		at += step
	}
}

// Decode reads the samples of one of a packet's channels from the payload; all is as for
// [Encode]. The lower bits of samples are 0. Of AM824, the first byte is ignored: the
// labels of IEC 61883-6 linear audio are as good as AES3's, and whether something is to be
// heard that its talker calls invalid is for the talker to decide.
func Decode(codec driver.Codec, payload []byte, channel, channels int, samples []int32) {
	word := codec.WordLength()
	at, step := channel*word, channels*word
	switch codec {
	case driver.L16:
		decode16(payload, at, step, samples)
	case driver.L24:
		decode24(payload, at, step, samples)
	case driver.AM824:
		decode824(payload, at, step, samples)
	}
}

func decode16(payload []byte, at, step int, samples []int32) {
	for i := range samples {
		samples[i] = int32(binary.BigEndian.Uint16(payload[at:])) << 16
		at += step
	}
}

func decode24(payload []byte, at, step int, samples []int32) {
	for i := range samples {
		b := payload[at : at+3]
		samples[i] = int32(b[0])<<24 | int32(b[1])<<16 | int32(b[2])<<8
		at += step
	}
}

func decode824(payload []byte, at, step int, samples []int32) {
	for i := range samples {
		samples[i] = int32(binary.BigEndian.Uint32(payload[at:]) << 8)
		at += step
	}
}
