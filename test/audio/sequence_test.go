package audio

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// sound is what is played: over and over, a number of frames with a sample for each channel.
type sound interface {
	width() int
	period() int
	// at is a sample, in the upper bits. The frame may be beyond the period.
	at(frame, channel int) int32
}

// sequence is sound in which no sample of 24 bits occurs twice, in any channel, and none
// is 0.
type sequence struct {
	channels, frames int
}

// newSequence is the longest with that many channels, up to 40 s: 64 channels have 5 s.
func newSequence(channels int) sequence {
	return sequence{channels, min((1<<24-1)/channels, 40*rate)}
}

func (s sequence) width() int  { return s.channels }
func (s sequence) period() int { return s.frames }

func (s sequence) at(frame, channel int) int32 {
	// An odd factor maps the numbers below 2²⁴ onto themselves, and 0 only onto 0.
	return int32(uint32((frame%s.frames*s.channels+channel+1)*0x9E3779) << 8)
}

// write makes a WAV file of the upper 16 or 24 bits of it, and returns its name.
func (s sequence) write(t *testing.T, dir string, bits int) string {
	t.Helper()
	le := binary.LittleEndian
	word := bits / 8
	frame := word * s.channels
	size := s.frames * frame
	b := make([]byte, 0, 44+size)
	b = le.AppendUint32(append(b, "RIFF"...), uint32(36+size))
	b = le.AppendUint32(append(b, "WAVEfmt "...), 16)
	b = le.AppendUint16(b, 1) // PCM
	b = le.AppendUint16(b, uint16(s.channels))
	b = le.AppendUint32(b, rate)
	b = le.AppendUint32(b, uint32(rate*frame))
	b = le.AppendUint16(b, uint16(frame))
	b = le.AppendUint16(b, uint16(bits))
	b = le.AppendUint32(append(b, "data"...), uint32(size))
	sample := make([]byte, 4)
	for i := range s.frames {
		for c := range s.channels {
			le.PutUint32(sample, uint32(s.at(i, c)))
			b = append(b, sample[4-word:]...)
		}
	}
	name := filepath.Join(dir, "sequence.wav")
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}
