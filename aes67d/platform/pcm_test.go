package platform

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"
)

// wire is what both directions of a fake ALSA card have in common: what is played is
// recorded 48 frames later. Time passes when capture is waited for.
type wire struct {
	frame int
	// played and recorded are in bytes.
	played, recorded []byte
	running          map[bool]bool
	calls            []string
	// stands tells that nothing moves, waits how often that was waited for.
	stands bool
	waits  int
}

// direction is a fake PCM.
type direction struct {
	*wire
	capture bool
	// err is the error of the next transfer.
	err error
}

func (d *direction) called(what string) {
	d.calls = append(d.calls, fmt.Sprintf("%s %s", map[bool]string{true: "capture", false: "playback"}[d.capture], what))
}

func (d *direction) Stop() error {
	d.called("stop")
	d.running[d.capture] = false
	return nil
}

func (d *direction) Prepare() error {
	d.called("prepare")
	if d.running[d.capture] {
		return unix.EBUSY
	}
	if d.capture {
		d.recorded = make([]byte, 0)
	} else {
		d.played = make([]byte, 48*d.frame)
	}
	return nil
}

func (d *direction) Start() error {
	d.called("start")
	d.running[d.capture] = true
	return nil
}

func (d *direction) AvailUpdate() (int, error) { return len(d.recorded) / d.frame, nil }

// Wait has half a period pass.
func (d *direction) Wait(int) (bool, error) {
	if d.stands {
		d.waits++
		return false, nil
	}
	if !d.running[true] || !d.running[false] {
		return false, unix.EIO
	}
	n := 24 * d.frame
	d.recorded, d.played = append(d.recorded, d.played[:n]...), d.played[n:]
	return true, nil
}

func (d *direction) Read(bytes any) (int, error) {
	if d.err != nil {
		return 0, d.fail()
	}
	n := copy(bytes.([]byte), d.recorded)
	d.recorded = d.recorded[n:]
	return n / d.frame, nil
}

func (d *direction) Write(bytes any) (int, error) {
	if d.err != nil {
		return 0, d.fail()
	}
	d.played = append(d.played, bytes.([]byte)...)
	return len(bytes.([]byte)) / d.frame, nil
}

// fail is an xrun, which stops the stream.
func (d *direction) fail() error {
	err := d.err
	d.err, d.running[d.capture] = nil, false
	return fmt.Errorf("ioctl failed: %w", err)
}

func (d *direction) Close() error {
	d.called("close")
	return nil
}

func newFakeALSA(f format, channels int) (card *alsaCard, playback, capture *direction) {
	w := &wire{frame: f.size * channels, running: make(map[bool]bool)}
	playback, capture = &direction{wire: w}, &direction{wire: w, capture: true}
	return newALSACard(playback, capture, f, channels, 48, 96), playback, capture
}

// TestALSA runs a test on a card in each format.
func TestALSA(t *testing.T) {
	for name, f := range formats {
		o := testOptions()
		o.format = f
		c, _, _ := newFakeALSA(f, o.channels)
		x := newExercise(c, o, 576)
		if err := x.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := (findings{begun: true, compared: 48000}); x.comparison.findings != want {
			t.Errorf("%s: findings %+v; want %+v", name, x.comparison.findings, want)
		}
		if x.trouble != (trouble{}) {
			t.Errorf("%s: %+v", name, x.trouble)
		}
	}
}

func TestALSAXruns(t *testing.T) {
	begin := []string{
		"capture stop", "capture prepare", "playback stop", "playback prepare", "capture start", "playback start",
	}
	for name, tc := range map[string]struct {
		err     error
		capture bool
		want    error
	}{
		"underrun":             {unix.EPIPE, false, errUnderrun},
		"overrun":              {unix.EPIPE, true, errOverrun},
		"suspended":            {unix.ESTRPIPE, true, errOverrun},
		"unplugged, playback":  {unix.ENODEV, false, unix.ENODEV},
		"unplugged, recording": {unix.ENODEV, true, unix.ENODEV},
	} {
		c, playback, capture := newFakeALSA(formats["S16_LE"], 2)
		p := planes(2, 48)
		if err := errors.Join(c.start(), c.read(t.Context(), p), c.write(p)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(begin, playback.calls); d != "" {
			t.Errorf("%s: began (-want +got):\n%s", name, d)
		}
		playback.calls = nil
		var err error
		if tc.capture {
			capture.err = tc.err
			err = c.read(t.Context(), p)
		} else {
			playback.err = tc.err
			err = c.write(p)
		}
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v; want %v", name, err, tc.want)
		}
		if tc.want == unix.ENODEV {
			continue
		}
		if d := cmp.Diff(begin, playback.calls); d != "" {
			t.Errorf("%s: began anew (-want +got):\n%s", name, d)
		}
		if err := errors.Join(c.read(t.Context(), p), c.write(p)); err != nil {
			t.Errorf("%s: after that: %v", name, err)
		}
	}
}

func TestALSAStands(t *testing.T) {
	c, playback, _ := newFakeALSA(formats["S16_LE"], 2)
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	playback.stands = true
	if err := c.read(t.Context(), planes(2, 48)); err == nil {
		t.Error("read() of a card that does not move = nil; want an error")
	}
	if playback.waits != int(still/wait) {
		t.Errorf("waited %d times; want %d", playback.waits, still/wait)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.read(ctx, planes(2, 48)); !errors.Is(err, context.Canceled) {
		t.Errorf("read() = %v; want %v", err, context.Canceled)
	}
	playback.calls = nil
	c.close()
	if d := cmp.Diff([]string{"playback close", "capture close"}, playback.calls); d != "" {
		t.Errorf("close (-want +got):\n%s", d)
	}
}
