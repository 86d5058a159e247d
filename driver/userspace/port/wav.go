package port

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"aes67os/driver"
)

// wav describes the samples of a WAV file: RIFF (Microsoft, "Multimedia Programming
// Interface and Data Specifications 1.0"), or RF64 where it is larger than RIFF can tell
// (EBU Tech 3306), which ITU-R BS.2088 calls BW64.
type wav struct {
	rate     uint32
	channels int
	format   format
	// at is where the first sample is, in bytes.
	at     int64
	frames int64
}

// frame is the number of bytes of one sample of each channel.
func (w wav) frame() int { return w.channels * w.format.size() }

// What the fmt chunk says of integer samples, and the rest of the GUID that does so in its
// extensible form (KSDATAFORMAT_SUBTYPE_PCM).
const (
	tagPCM        = 1
	tagExtensible = 0xFFFE
	pcmGUID       = "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xAA\x00\x38\x9B\x71"
)

// maxChunks bounds how much of a file is looked at before its samples.
const maxChunks = 64

// parseWAV reads the description in a file of that size.
func parseWAV(r io.ReaderAt, size int64) (wav, error) {
	var head [12]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return wav{}, notWAV("shorter than a header", err)
	}
	form := string(head[:4])
	if form != "RIFF" && form != "RF64" && form != "BW64" || string(head[8:]) != "WAVE" {
		return wav{}, notWAV("it does not begin as one", nil)
	}
	var w wav
	long := int64(-1) // the size of the samples that a ds64 chunk tells
	at := int64(len(head))
	for range maxChunks {
		var chunk [8]byte
		if _, err := r.ReadAt(chunk[:], at); err != nil {
			return wav{}, notWAV("no samples in it", err)
		}
		id, length := string(chunk[:4]), int64(binary.LittleEndian.Uint32(chunk[4:]))
		at += int64(len(chunk))
		switch {
		case id == "ds64" && form != "RIFF":
			var b [16]byte
			if _, err := r.ReadAt(b[:], at); err != nil {
				return wav{}, notWAV("its ds64 chunk is too short", err)
			}
			long = int64(min(binary.LittleEndian.Uint64(b[8:]), math.MaxInt64))
		case id == "fmt ":
			b := make([]byte, min(length, 40))
			if _, err := r.ReadAt(b, at); err != nil {
				return wav{}, notWAV("its fmt chunk is too short", err)
			}
			if err := w.describe(b); err != nil {
				return wav{}, err
			}
		case id == "data":
			if w.channels == 0 {
				return wav{}, notWAV("its samples come before their description", nil)
			}
			if length == math.MaxUint32 && long >= 0 {
				length = long
			}
			// A recorder that lost its power may have announced more, or have written
			// more than it could still announce.
			w.at, w.frames = at, min(length, size-at)/int64(w.frame())
			if w.frames <= 0 {
				return wav{}, notWAV("it has no samples", nil)
			}
			return w, nil
		}
		at += length + length%2
	}
	return wav{}, notWAV("too much in it before its samples", nil)
}

// describe reads a fmt chunk.
func (w *wav) describe(b []byte) error {
	if len(b) < 16 {
		return notWAV("its fmt chunk is too short", nil)
	}
	tag := binary.LittleEndian.Uint16(b)
	if tag == tagExtensible && len(b) == 40 && string(b[26:]) == pcmGUID {
		tag = binary.LittleEndian.Uint16(b[24:])
	}
	if tag != tagPCM {
		return fmt.Errorf("the samples of this WAV file are of kind %#x; convert them to integers (PCM)", tag)
	}
	w.channels = int(binary.LittleEndian.Uint16(b[2:]))
	w.rate = binary.LittleEndian.Uint32(b[4:])
	bits := binary.LittleEndian.Uint16(b[14:])
	var ok bool
	if w.format, ok = wavFormats[int(bits)]; !ok {
		return fmt.Errorf("the samples of this WAV file have %d bits; convert them to 16, 24 or 32", bits)
	}
	if w.channels < 1 || w.channels > driver.MaxChannels {
		return fmt.Errorf("this WAV file has %d channels; there can be 1 to %d", w.channels, driver.MaxChannels)
	}
	if align := int(binary.LittleEndian.Uint16(b[12:])); align != w.frame() {
		return notWAV(fmt.Sprintf("%d bytes for a frame of %d channels with %d bits", align, w.channels, bits), nil)
	}
	return nil
}

// wavFormats are the formats of files, by the number of bits.
var wavFormats = map[int]format{16: s16, 24: s24_3, 32: s32}

func notWAV(why string, err error) error {
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("not a WAV file: %s", why)
}

// header is the start of a file with that many frames. It has the same size for any number
// of them, because it has room for what RF64 needs (EBU Tech 3306 §3.4: a JUNK chunk that
// becomes a ds64 chunk).
func (w wav) header(frames int64) []byte {
	le := binary.LittleEndian
	bits := w.format.size() * 8
	extensible := w.channels > 2 || bits > 16
	data := frames * int64(w.frame())
	description := 16
	if extensible {
		description = 40
	}
	size := 12 + 8 + 28 + 8 + description + 8
	total := int64(size) - 8 + data + data%2
	large := total > math.MaxUint32

	b := make([]byte, 0, size)
	if large {
		b = le.AppendUint32(append(b, "RF64"...), math.MaxUint32)
		b = le.AppendUint32(append(b, "WAVEds64"...), 28)
		b = le.AppendUint64(b, uint64(total))
		b = le.AppendUint64(b, uint64(data))
		b = le.AppendUint64(b, uint64(frames))
		b = le.AppendUint32(b, 0) // no table of other large chunks
	} else {
		b = le.AppendUint32(append(b, "RIFF"...), uint32(total))
		b = le.AppendUint32(append(b, "WAVEJUNK"...), 28)
		b = append(b, make([]byte, 28)...)
	}
	b = le.AppendUint32(append(b, "fmt "...), uint32(description))
	tag := uint16(tagPCM)
	if extensible {
		tag = tagExtensible
	}
	b = le.AppendUint16(b, tag)
	b = le.AppendUint16(b, uint16(w.channels))
	b = le.AppendUint32(b, w.rate)
	b = le.AppendUint32(b, w.rate*uint32(w.frame()))
	b = le.AppendUint16(b, uint16(w.frame()))
	b = le.AppendUint16(b, uint16(bits))
	if extensible {
		b = le.AppendUint16(b, 22)
		b = le.AppendUint16(b, uint16(bits)) // all of them valid
		b = le.AppendUint32(b, 0)            // channels that are of no loudspeaker
		b = le.AppendUint16(b, tagPCM)
		b = append(b, pcmGUID...)
	}
	b = append(b, "data"...)
	if large {
		return le.AppendUint32(b, math.MaxUint32)
	}
	return le.AppendUint32(b, uint32(data))
}
