package port

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"aes67os/driver"
)

// Player plays a WAV file over and over. At position p it is at frame p mod its length.
type Player struct {
	Path string
	// To are the device's playback channels, from 0, for each of the file's. A file with
	// one channel goes to all of them.
	To []int
}

// Name implements [Port].
func (p Player) Name() string { return "wav " + word(p.Path) + " > " + channelText(p.To) }

// Run implements [Port].
func (p Player) Run(ctx context.Context, d Device) error {
	if err := d.check(p, nil, p.To); err != nil {
		return err
	}
	d.persist(ctx, p, func(works func()) error { return p.play(ctx, &d, works) })
	return nil
}

// play plays until ctx ends or the file cannot be read.
func (p Player) play(ctx context.Context, d *Device, works func()) error {
	f, w, err := openWAV(p.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if w.rate != d.Rate {
		return fmt.Errorf("%s has %d Hz, the device runs at %d; convert it", p.Path, w.rate, d.Rate)
	}
	if w.channels != 1 && w.channels != len(p.To) {
		d.Log.Info("as many channels as both have are played", "port", p.Name(), "file", w.channels, "port has", len(p.To))
	}
	works()
	frame := int64(w.frame())
	bytes, samples := make([]byte, stretch*frame), make([]int32, stretch)
	return d.generate(ctx, func(from, to int64) error {
		for from < to {
			first := from % w.frames
			n := min(to-from, w.frames-first)
			b, s := bytes[:n*frame], samples[:n]
			if _, err := f.ReadAt(b, w.at+first*frame); err != nil {
				return fmt.Errorf("reading %s: %w", p.Path, err)
			}
			readAhead(f, w, first, n)
			for i, c := range p.To {
				if w.channels == 1 {
					i = 0
				}
				if c == driver.Unmapped || i >= w.channels {
					continue
				}
				w.format.get(b[i*w.format.size():], int(frame), s)
				d.Playback.Write(c, from, s)
			}
			from += n
		}
		return nil
	})
}

// readAhead asks the kernel for what will be played in two seconds, so that reading does
// not wait for a slow card. Files that are shorter are in memory after one round.
func readAhead(f *os.File, w wav, first, n int64) {
	const ahead = 2 * time.Second
	from := first + int64(w.rate)*int64(ahead/time.Second)
	frame := int64(w.frame())
	// It is advice; when it is not taken, all that happens is what would have anyway.
	_ = unix.Fadvise(int(f.Fd()), w.at+from*frame, n*frame, unix.FADV_WILLNEED)
}

func openWAV(path string) (*os.File, wav, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, wav{}, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("not a file")
	}
	var w wav
	if err == nil {
		w, err = parseWAV(f, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, wav{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, w, nil
}
