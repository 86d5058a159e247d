package port

import (
	"errors"
	"log/slog"
	"math"
	"time"
)

// direction is what differs between the directions of a card that is open.
type direction interface {
	// align starts the card if need be, and makes its distance from the media clock zero.
	align(now moment) error
	// ahead is how far the card is ahead of where it should be, in positions. It also
	// tells whether the card has moved since the last move.
	ahead(now moment) (float64, bool, error)
	// move moves what there is to be moved.
	move(now moment) error
}

// moment is a media position, and the part of a sample that has passed since.
type moment struct {
	position int64
	fraction float64
}

// since is the time from a position to the moment, in samples.
func (m moment) since(position int64) float64 { return float64(m.position-position) + m.fraction }

// Intervals of what is done beside moving samples.
const (
	// still is after what time a card that does not move is taken to stand still.
	still = 100 * time.Millisecond
	// steering is how often a card's own clock is corrected, and the status renewed.
	steering = 100 * time.Millisecond
	// reporting is how often trouble is logged at most.
	reporting = 10 * time.Second
)

// running is a side whose card is there.
type running struct {
	*side
	conversion *conversion
	direction  direction
	log        *slog.Logger

	// aligned is false while the card has to be aligned before anything else.
	aligned bool
	// moves tells that the card has been seen to move.
	moves bool
	// Local times: of the last time that the card moved, and of what is done now and then.
	moved, updated, steered, reported int64
	// trouble is what has not been logged yet.
	trouble bool
}

func newRunning(s *side, c *conversion, log *slog.Logger) *running {
	r := &running{side: s, conversion: c, direction: &playback{conversion: c}, log: log, moved: s.d.local()}
	if s.capture {
		r.direction = &capture{conversion: c}
	}
	return r
}

// tick does what has to be done each millisecond.
func (r *running) tick() error {
	position, fraction, ok := r.d.position()
	if !ok {
		r.aligned = false
		return nil
	}
	local := r.d.local()
	err := r.step(moment{position, fraction}, local)
	if errors.Is(err, errXrun) {
		if r.aligned {
			r.update(func(s *DirectionStatus) { s.Xruns++ })
			r.trouble = true
		}
		r.aligned, err = false, nil
	}
	r.report(local)
	return err
}

// step is a tick while there is a media clock.
func (r *running) step(now moment, local int64) error {
	if !r.aligned {
		if err := r.direction.align(now); err != nil {
			return err
		}
		r.servo.begin()
		r.aligned, r.updated = true, local
	}
	ahead, moved, err := r.direction.ahead(now)
	if err != nil {
		return err
	}
	if !moved {
		if local-r.moved < int64(still) {
			return r.direction.move(now)
		}
		if r.moves {
			r.moves = false
			r.update(func(s *DirectionStatus) { s.Running = false })
			r.log.Info("the sound card stands still")
		}
		return nil
	}
	r.moved = local
	switch {
	case !r.moves: // it began at some time in between
		r.moves, r.aligned = true, false
		r.update(func(s *DirectionStatus) { s.Running = true })
		return nil
	case math.Abs(ahead) > float64(r.conversion.latency)/2:
		r.aligned, r.trouble = false, true
		r.update(func(s *DirectionStatus) { s.Realigned++ })
		return nil
	}
	if err := r.correct(ahead, local); err != nil {
		return err
	}
	return r.direction.move(now)
}

// correct makes the card, or the resampler, faster or slower.
func (r *running) correct(ahead float64, local int64) error {
	correction := r.servo.update(ahead, float64(local-r.updated)/1e9)
	r.updated = local
	steers := r.conversion.steers()
	if !steers {
		r.conversion.correction = correction
	}
	if local-r.steered < int64(steering) {
		return nil
	}
	r.steered = local
	r.update(func(s *DirectionStatus) { s.Ahead, s.Correction = r.servo.smoothed[1], correction })
	if steers {
		return r.conversion.steer(1 + correction)
	}
	return nil
}

// report logs trouble, but not each time.
func (r *running) report(local int64) {
	if !r.trouble || r.reported != 0 && local-r.reported < int64(reporting) {
		return
	}
	r.trouble, r.reported = false, local
	r.log.Warn("the sound card and the media clock came apart", "xruns", r.status.Xruns, "realigned", r.status.Realigned)
}
