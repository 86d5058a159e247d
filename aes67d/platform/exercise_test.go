package platform

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// loop is a card whose output is its input, some frames later, in a time that passes when
// it is waited for.
type loop struct {
	period, buffer int
	// delay is a number of frames.
	delay int
	// each frame lasts so long, in nanoseconds.
	each int64

	clock int64
	// tape has all frames ever played, from the start on; recorded is how many were read.
	tape     [][]int32
	recorded int
	// onRead and onWrite, unless nil, are asked for errors, given how many frames were read.
	onRead, onWrite func(recorded int) error
	change          func(recorded int, planes [][]int32)
}

func (l *loop) shape() (period, buffer int) { return l.period, l.buffer }

func (l *loop) start() error {
	for c := range l.tape {
		l.tape[c] = append(l.tape[c], make([]int32, l.buffer)...)
	}
	return nil
}

func (l *loop) read(_ context.Context, planes [][]int32) error {
	l.clock += int64(l.period) * l.each
	if l.onRead != nil {
		if err := l.onRead(l.recorded); err != nil {
			l.recorded += l.period
			return err
		}
	}
	for c, plane := range planes {
		clear(plane)
		for i := range plane {
			if at := l.recorded + i - l.delay; at >= 0 {
				plane[i] = l.tape[c][at]
			}
		}
	}
	if l.change != nil {
		l.change(l.recorded, planes)
	}
	l.recorded += l.period
	return nil
}

func (l *loop) write(planes [][]int32) error {
	for c, plane := range planes {
		l.tape[c] = append(l.tape[c], plane...)
	}
	if l.onWrite != nil {
		return l.onWrite(l.recorded)
	}
	return nil
}

func (*loop) close() {}

func newLoop() *loop {
	return &loop{period: 48, buffer: 96, delay: 96, each: 20_000, tape: make([][]int32, 2)}
}

func testOptions() *options {
	return &options{format: formats["S24_3LE"], rate: 48000, channels: 2, duration: time.Second, packet: 48}
}

func newTestExercise(l *loop) *exercise {
	x := newExercise(l, testOptions(), l.delay)
	x.now = func() int64 { return l.clock }
	return x
}

func TestExercise(t *testing.T) {
	l := newLoop()
	x := newTestExercise(l)
	if err := x.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := (findings{begun: true, compared: 48000}); x.comparison.findings != want {
		t.Errorf("findings %+v; want %+v", x.comparison.findings, want)
	}
	// A frame waits for the buffer before it is played, and for the delay before it is
	// recorded; both are whole periods, so that it is read at once.
	want := latency{min: 192 * l.each, max: 192 * l.each, sum: 192 * l.each * 48000, frames: 48000}
	if x.latency != want || x.latency.average() != want.min {
		t.Errorf("latency %+v; want %+v", x.latency, want)
	}
	if x.compared.Load() != 48000 || x.wrong.Load() != 0 {
		t.Errorf("told that %d frames are compared, %d wrong; want 48000 and 0", x.compared.Load(), x.wrong.Load())
	}
}

// TestExerciseOddDelay has frames come in the middle of a period, and wait for its end.
func TestExerciseOddDelay(t *testing.T) {
	l := newLoop()
	l.delay = 110
	x := newTestExercise(l)
	if err := x.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := (findings{begun: true, compared: x.comparison.compared}); x.comparison.findings != want {
		t.Errorf("findings %+v; want %+v", x.comparison.findings, want)
	}
	// Of a period the first 34 frames are read 4 periods after they were written, and the
	// other 14 after one more. Of the last, those have not been read.
	periods := (x.comparison.compared + 14) / 48
	want := latency{
		min: 192 * l.each, max: 240 * l.each,
		sum: (192*34*periods + 240*14*(periods-1)) * l.each, frames: x.comparison.compared,
	}
	if x.latency != want {
		t.Errorf("latency %+v; want %+v", x.latency, want)
	}
}

func TestExerciseTrouble(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want trouble
	}{
		"underrun": {errUnderrun, trouble{underruns: 1}},
		"overrun":  {errOverrun, trouble{overruns: 1}},
		"step":     {errStep, trouble{steps: 1}},
	} {
		l := newLoop()
		at := func(recorded int) error {
			if recorded == 4800 {
				return tc.err
			}
			return nil
		}
		if tc.err == errUnderrun {
			l.onWrite = at
		} else {
			l.onRead = at
		}
		x := newTestExercise(l)
		if err := x.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tc.want, x.trouble, cmp.AllowUnexported(trouble{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if x.comparison.compared < x.frames {
			t.Errorf("%s: it ended after %d of %d frames", name, x.comparison.compared, x.frames)
		}
	}
}

func TestExerciseEnds(t *testing.T) {
	t.Run("with the card", func(t *testing.T) {
		l, broken := newLoop(), errors.New("unplugged")
		l.onRead = func(recorded int) error {
			if recorded > 4800 {
				return broken
			}
			return nil
		}
		if err := newTestExercise(l).run(t.Context()); !errors.Is(err, broken) {
			t.Errorf("run() = %v; want %v", err, broken)
		}
	})
	t.Run("with the context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := newLoop()
		l.onRead = func(recorded int) error {
			if recorded > 4800 {
				cancel()
				return ctx.Err()
			}
			return nil
		}
		x := newTestExercise(l)
		if err := x.run(ctx); err != nil || x.comparison.compared == 0 || x.comparison.compared >= x.frames {
			t.Errorf("run() = %v after %d frames of %d", err, x.comparison.compared, x.frames)
		}
	})
	t.Run("after a time", func(t *testing.T) {
		l := newLoop()
		l.onRead = func(recorded int) error {
			if recorded > 4800 {
				return errOverrun
			}
			return nil
		}
		x := newTestExercise(l)
		if err := x.run(t.Context()); err != nil || x.comparison.compared >= x.frames || l.clock < x.limit {
			t.Errorf("run() = %v after %d frames of %d, in %d ns", err, x.comparison.compared, x.frames, l.clock)
		}
	})
	t.Run("in silence", func(t *testing.T) {
		l := newLoop()
		l.change = func(_ int, p [][]int32) { clear(p[0]); clear(p[1]) }
		x := newTestExercise(l)
		if err := x.run(t.Context()); err != nil || x.comparison.begun || int64(l.recorded) < x.silence {
			t.Errorf("run() = %v after %d frames of silence", err, l.recorded)
		}
	})
}
