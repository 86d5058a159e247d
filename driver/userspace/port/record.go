package port

import (
	"context"
	"strconv"
	"sync"
	"time"

	"aes67os/driver"
)

// Recorder writes a WAV file until it ends. It never writes over a file: when there is one
// at Path, as after a power cut, it takes the same name with "-2" before the suffix, and so
// on. A disk that is full, or gone, is tried again.
type Recorder struct {
	Path string
	// Bits of a sample: 16, 24 or 32; zero is DefaultBits.
	Bits int
	// From are the device's capture channels, from 0, for each of the file's.
	From []int
}

// DefaultBits is what the network carries.
const DefaultBits = 24

// Name implements [Port].
func (r Recorder) Name() string {
	name := "record " + word(r.Path)
	if r.Bits != 0 {
		name += " " + strconv.Itoa(r.Bits) + "bit"
	}
	return name + " < " + channelText(r.From)
}

// block is a part of a recording, as the file has it.
type block struct {
	from  int64
	bytes []byte
}

// patience is how long a disk may take for something else, as cards do while they clean
// up, before parts of a recording are silent.
const patience = 3 * time.Second

// Run implements [Port].
func (r Recorder) Run(ctx context.Context, d Device) error {
	if err := d.check(r, r.From, nil); err != nil {
		return err
	}
	if len(r.From) < 1 || len(r.From) > driver.MaxChannels {
		return invalid(r, "%d channels, there can be 1 to %d", len(r.From), driver.MaxChannels)
	}
	bits := r.Bits
	if bits == 0 {
		bits = DefaultBits
	}
	w := wav{rate: d.Rate, channels: len(r.From), format: wavFormats[bits]}
	if w.format == 0 {
		return invalid(r, "there are WAV files of 16, 24 and 32 bits, not of %d", bits)
	}
	// Each time pace wakes there are some stretches, of which the last may be short. Memory
	// for them is had when it is first needed.
	most := int(patience/unhurried) * int((d.samples(unhurried)+stretch-1)/stretch)
	full, empty := make(chan block, most), make(chan []byte, most)
	made := 0

	var writer sync.WaitGroup
	defer writer.Wait()
	defer close(full)
	writer.Go(func() { newRecording(r, &d, w).write(full, empty) })

	samples := make([]int32, stretch)
	return d.consume(ctx, func(from, to int64) error {
		var bytes []byte
		select {
		case bytes = <-empty:
		default:
			if made == most {
				return nil // the writer sees what is missing
			}
			made++
			bytes = make([]byte, stretch*w.frame())
		}
		s := samples[:to-from]
		for i, c := range r.From {
			if c == driver.Unmapped {
				clear(s)
			} else {
				d.Capture.Read(c, from, s)
			}
			w.format.put(bytes[i*w.format.size():], w.frame(), s)
		}
		full <- block{from, bytes[:len(s)*w.frame()]}
		return nil
	})
}
