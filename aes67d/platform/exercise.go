package platform

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"aes67os/driver/userspace/media"
)

// card is a sound card with as many channels out as in, or what behaves like one. Frames
// come and go in periods of as many as the planes have, a plane for each channel.
type card interface {
	// shape is the size of a period, and of the buffer, in frames.
	shape() (period, buffer int)
	// start begins both directions, with a buffer of silence to be played.
	start() error
	// read waits for a period to be recorded, and reads it.
	read(ctx context.Context, planes [][]int32) error
	// write has a period played after all that was written before.
	write(planes [][]int32) error
	close()
}

// What read and write return when the card and the program came apart. The card has begun
// anew by then, or has gone on, and can be used.
var (
	errOverrun  = errors.New("frames were recorded and not read in time")
	errUnderrun = errors.New("frames were not written before they had to be played")
	errStep     = errors.New("the media clock has jumped")
)

// exercise plays the sequence on a card, and records and compares it.
type exercise struct {
	card       card
	channels   int
	comparison comparison
	// frames is how many have to be compared.
	frames int64
	// silence is how many frames may be recorded before the sequence begins, limit how long
	// all may take, in nanoseconds.
	silence, limit int64
	// now is the local time, as [media.Now] has it.
	now func() int64

	// period is the card's; times of when the newest periods were written.
	period int
	times  []int64
	// read is when the newest period had been read.
	read int64
	trouble
	latency latency

	// For others to look at meanwhile: the frames compared, and wrong.
	compared, wrong atomic.Int64
}

// trouble counts how often card and program came apart.
type trouble struct{ underruns, overruns, steps int }

// latency is the time from writing a frame until it had been read, in nanoseconds.
type latency struct {
	min, max, sum int64
	frames        int64
}

func (l *latency) add(t int64, frames int) {
	if l.frames == 0 {
		l.min, l.max = t, t
	}
	l.min, l.max = min(l.min, t), max(l.max, t)
	l.sum += t * int64(frames)
	l.frames += int64(frames)
}

// average is that of all frames, of which there is one.
func (l *latency) average() int64 { return l.sum / l.frames }

// newExercise prepares what the options want, on a card of which what is played is recorded
// at least delay frames later.
func newExercise(c card, o *options, delay int) *exercise {
	period, buffer := c.shape()
	// A quarter of a second is for what nobody knows of.
	span := int64(delay+2*buffer) + int64(o.rate)/4
	x := &exercise{
		card: c, channels: o.channels, frames: int64(o.duration.Seconds() * float64(o.rate)), silence: 5 * int64(o.rate),
		limit: int64(o.duration + allowance), now: media.Now, period: period, times: make([]int64, span/int64(period)+2),
	}
	x.comparison = comparison{sequence: sequence{o.format}, span: span, matched: x.measure}
	return x
}

// allowance is how much longer than its frames last an exercise may take: until the
// sequence comes, and for a card that begins anew.
const allowance = 15 * time.Second

// run does it, until all frames are compared, or the sequence does not come, or it takes too
// long, or ctx ends. The error is the card's, when that is of no more use. Once it has begun
// it allocates nothing.
func (x *exercise) run(ctx context.Context) error {
	in, out := planes(x.channels, x.period), planes(x.channels, x.period)
	if err := x.card.start(); err != nil {
		return err
	}
	c, end := &x.comparison, x.now()+x.limit
	going := func(recorded int64) bool {
		return c.compared < x.frames && (c.begun || recorded < x.silence) && x.now() < end && ctx.Err() == nil
	}
	for written, recorded := int64(0), int64(0); going(recorded); recorded += int64(x.period) {
		for channel, plane := range out {
			c.sequence.fill(plane, written, channel)
		}
		if err := x.card.read(ctx, in); err != nil {
			if !x.count(err) {
				return ignore(ctx, err)
			}
			continue
		}
		x.read = x.now()
		x.times[written/int64(x.period)%int64(len(x.times))] = x.read
		if err := x.card.write(out); err != nil && !x.count(err) {
			return ignore(ctx, err)
		}
		written += int64(x.period)
		c.take(in, written)
		x.compared.Store(c.compared)
		x.wrong.Store(c.faults())
	}
	return nil
}

// ignore leaves out the error of a card that was interrupted.
func ignore(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// count counts a trouble, if it is one that the card has got over.
func (x *exercise) count(err error) bool {
	switch {
	case errors.Is(err, errUnderrun):
		x.underruns++
	case errors.Is(err, errOverrun):
		x.overruns++
	case errors.Is(err, errStep):
		x.steps++
	default:
		return false
	}
	return true
}

// measure takes the latency of frames that have just been read.
func (x *exercise) measure(frame int64, n int) {
	period := int64(x.period)
	for end := frame + int64(n); frame < end; {
		to := min(end, (frame/period+1)*period)
		x.latency.add(x.read-x.times[frame/period%int64(len(x.times))], int(to-frame))
		frame = to
	}
}

// planes are empty frames.
func planes(channels, frames int) [][]int32 {
	p := make([][]int32, channels)
	for i := range p {
		p[i] = make([]int32, frames)
	}
	return p
}
