package platform

import (
	"encoding/binary"
	"maps"
	"slices"

	"aes67os/driver"
)

// format is how an application stores samples, little-endian, by the name ALSA has for it,
// and the codec that carries it.
type format struct {
	name string
	// size is the number of bytes of a sample, of which the lowest have it, shift bits
	// below full scale.
	size, shift int
	codec       driver.Codec
	// bits of a sample, the highest, that the codec carries.
	bits int
}

// formats are those of the known daemon's tests with their codecs, and S24_LE. AM824, for
// S32_LE, has words of 32 bits, 24 of them audio (ST 2110-31 §5).
var formats = map[string]format{
	"S16_LE":  {"S16_LE", 2, 16, driver.L16, 16},
	"S24_3LE": {"S24_3LE", 3, 8, driver.L24, 24},
	"S24_LE":  {"S24_LE", 4, 8, driver.L24, 24},
	"S32_LE":  {"S32_LE", 4, 0, driver.AM824, 24},
}

func formatNames() []string { return slices.Sorted(maps.Keys(formats)) }

// interleave stores the samples of all channels as frames. Those beyond the codec's bits
// are stored, too.
func (f format) interleave(to []byte, planes [][]int32) {
	stride := f.size * len(planes)
	for c, plane := range planes {
		at := c * f.size
		for _, s := range plane {
			s >>= f.shift
			switch b := to[at : at+f.size]; f.size {
			case 2:
				binary.LittleEndian.PutUint16(b, uint16(s))
			case 3:
				b[0], b[1], b[2] = byte(s), byte(s>>8), byte(s>>16)
			default:
				binary.LittleEndian.PutUint32(b, uint32(s))
			}
			at += stride
		}
	}
}

// separate is the reverse of interleave, less what the codec does not carry.
func (f format) separate(planes [][]int32, from []byte) {
	stride := f.size * len(planes)
	for c, plane := range planes {
		at := c * f.size
		for i := range plane {
			var s uint32
			switch b := from[at : at+f.size]; f.size {
			case 2:
				s = uint32(binary.LittleEndian.Uint16(b))
			case 3:
				s = uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
			default:
				s = binary.LittleEndian.Uint32(b)
			}
			plane[i] = int32(s<<f.shift) & f.mask()
			at += stride
		}
	}
}

// mask has the bits of a sample of 32 that the codec carries.
func (f format) mask() int32 { return -1 << (32 - f.bits) }
