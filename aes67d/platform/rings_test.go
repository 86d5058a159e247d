package platform

import (
	"context"
	"errors"
	"testing"

	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/port"
	"aes67os/driver/userspace/ring"

	"github.com/google/go-cmp/cmp"
)

// world is a ring card at a time that passes when it sleeps.
type world struct {
	*ringCard
	local int64
	// late is how much later it wakes than it wanted to.
	late int64
}

func newWorld(t *testing.T) *world {
	d := port.Device{
		Clock: new(media.Clock), Rate: 48000,
		Playback: ring.New(4, 48000), Capture: ring.New(4, 48000),
	}
	w := &world{ringCard: newRingCard(d, 2, 48, 96), local: 5e9}
	w.set(1000e9)
	w.now = func() int64 { return w.local }
	w.sleep = func(until int64) { w.local = until + w.late }
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	return w
}

// set makes it that PTP time now.
func (w *world) set(ptp int64) {
	w.device.Clock.Set(&media.Mapping{Local: w.local, PTP: ptp, Rate: 1})
}

// pass has frames pass, so many, and what was played recorded.
func (w *world) pass(frames int64) {
	from := w.position()
	samples := make([]int32, frames)
	for c := range w.device.Playback.Channels() {
		w.device.Playback.Read(c, from, samples)
		w.device.Capture.Write(c, from, samples)
	}
	w.local = w.mapping.LocalAt(media.TimeOf(from+frames, w.device.Rate))
}

func TestRings(t *testing.T) {
	w := newWorld(t)
	in, out := planes(2, 48), planes(2, 48)
	s := sequence{formats["S24_3LE"]}
	for n := range 100 {
		// Frames come the buffer later than they were written, two periods. They are
		// written after the first has been read.
		w.pass(48)
		if err := w.read(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		for c := range out {
			s.fill(out[c], int64(n)*48, c)
		}
		if err := w.write(out); err != nil {
			t.Fatal(err)
		}
		want := planes(2, 48)
		for c := range want {
			if n > 2 {
				s.fill(want[c], int64(n-2)*48, c)
			}
		}
		if d := cmp.Diff(want, in); n > 2 && d != "" {
			t.Fatalf("period %d (-want +got):\n%s", n, d)
		}
	}
}

func TestRingsTrouble(t *testing.T) {
	for name, tc := range map[string]struct {
		// what happens before reading, and between reading and writing
		before, between func(w *world)
		read, write     error
	}{
		"in time":           {},
		"read at the last":  {before: func(w *world) { w.pass(96) }},
		"read too late":     {before: func(w *world) { w.pass(97) }, read: errOverrun},
		"write at the last": {between: func(w *world) { w.pass(48) }},
		"write too late":    {between: func(w *world) { w.pass(49) }, write: errUnderrun},
		"woken too late":    {before: func(w *world) { w.late = 2e6 }, read: errOverrun},
		"clock followed":    {before: func(w *world) { w.set(1000e9 + 9e5) }},
		"clock forward":     {before: func(w *world) { w.set(1001e9) }, read: errStep},
		"clock back":        {before: func(w *world) { w.set(900e9) }, read: errStep},
		"clock lost":        {before: func(w *world) { w.device.Clock.Set(nil) }, read: errNoClock},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := planes(2, 48)
			if tc.before != nil {
				tc.before(w)
			}
			if err := w.read(t.Context(), p); !errors.Is(err, tc.read) {
				t.Fatalf("read() = %v; want %v", err, tc.read)
			}
			if tc.between != nil {
				tc.between(w)
			}
			if tc.read == errNoClock {
				return
			}
			if err := w.write(p); !errors.Is(err, tc.write) {
				t.Fatalf("write() = %v; want %v", err, tc.write)
			}
			if tc.read == nil {
				return
			}
			// It has begun anew: all goes on.
			w.late = 0
			for range 10 {
				if err := errors.Join(w.read(t.Context(), p), w.write(p)); err != nil {
					t.Fatalf("after that: %v", err)
				}
			}
		})
	}
}

func TestRingsEnd(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.read(ctx, planes(2, 48)); !errors.Is(err, context.Canceled) {
		t.Errorf("read() = %v; want %v", err, context.Canceled)
	}
}
