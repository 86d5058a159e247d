package port

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// fakeCards are sound cards whose clocks are derived from the test's.
type fakeCards struct {
	mu    sync.Mutex
	cards map[string]*fakeCard
}

func (f *fakeCards) open(name cardName, capture bool, want shape) (stream, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.cards[name.id]
	if c == nil {
		return nil, fmt.Errorf("there is no sound card %s", name.id)
	}
	return c.open(capture, want), nil
}

// plug plugs a card in, or with nil pulls it out.
func (f *fakeCards) plug(id string, c *fakeCard) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.cards[id]; old != nil {
		old.mu.Lock()
		old.gone = true
		old.mu.Unlock()
	}
	f.cards[id] = c
	if c == nil {
		delete(f.cards, id)
	}
}

// fakeCard is a card. What it is like is set before it is plugged in.
type fakeCard struct {
	rate     uint32 // 0 is whatever is wanted
	channels int    // at most; 0 is whatever is wanted
	format   format
	// ppm is by how much its clock is too fast, and step in how many frames it moves.
	ppm  float64
	step int
	// ahead is how many frames it takes from its buffer ahead of playing them.
	ahead int
	// pitched tells that it has a pitch control.
	pitched bool
	// sample is what it captures.
	sample func(channel int, frame int64) int32

	mu            sync.Mutex
	gone, stopped bool
	in, out       *fakeStream
	// played is what it played, one channel after the other.
	played [][]int32
}

func (c *fakeCard) open(capture bool, want shape) stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rate != 0 {
		want = want.at(c.rate)
	}
	if c.channels != 0 {
		want.channels = min(want.channels, c.channels)
	}
	want.format = c.format
	if want.format == 0 {
		want.format = s32
	}
	s := &fakeStream{card: c, capture: capture, is: want, bytes: make([]byte, largest*want.channels*want.format.size()), pitch: 1}
	if capture {
		c.in = s
	} else {
		c.out = s
		s.buffer = make([][]int32, want.channels)
		c.played = make([][]int32, want.channels)
	}
	return s
}

// fakeStream is a card's stream.
type fakeStream struct {
	card    *fakeCard
	capture bool
	is      shape
	bytes   []byte

	running, xrun bool
	pitch         float64
	// seen is when hw was brought up to date, in ns of the test's clock; hw is how many
	// frames the card has handled by then, and appl how many the program has.
	seen int64
	hw   float64
	appl int64
	// base is the frame of the card's content with which the stream began.
	base   int64
	buffer [][]int32 // what was written and not played
}

var errGone = errors.New("no such device")

func (s *fakeStream) lock() func() { s.card.mu.Lock(); return s.card.mu.Unlock }

// reported is the card's position as it is told.
func (s *fakeStream) reported() int64 {
	step := int64(max(s.card.step, 1))
	return int64(math.Floor(s.hw)) / step * step
}

// run brings the card up to date.
func (s *fakeStream) run() error {
	if s.card.gone {
		return errGone
	}
	now := time.Now().UnixNano()
	if s.running && !s.card.stopped {
		s.hw += float64(now-s.seen) * 1e-9 * float64(s.is.rate) * (1 + s.card.ppm*1e-6) * s.pitch
	}
	s.seen = now
	at := s.reported()
	if s.capture {
		s.xrun = s.xrun || at-s.appl > int64(s.is.buffer)
	} else if s.running {
		s.xrun = s.xrun || at > s.appl
		for c := range s.buffer {
			n := min(at-(s.appl-int64(len(s.buffer[c]))), int64(len(s.buffer[c])))
			s.card.played[c] = append(s.card.played[c], s.buffer[c][:n]...)
			s.buffer[c] = s.buffer[c][n:]
		}
	}
	if s.xrun {
		s.running = false
		return errXrun
	}
	return nil
}

func (s *fakeStream) shape() shape { return s.is }

func (s *fakeStream) prepare() error {
	defer s.lock()()
	if s.card.gone {
		return errGone
	}
	s.base += int64(s.hw)
	s.running, s.xrun, s.hw, s.appl = false, false, 0, 0
	for c := range s.buffer {
		s.buffer[c] = nil
	}
	return nil
}

func (s *fakeStream) start() error {
	defer s.lock()()
	s.running, s.seen = true, time.Now().UnixNano()
	return s.run()
}

func (s *fakeStream) avail() (int, error) {
	defer s.lock()()
	if err := s.run(); err != nil {
		return 0, err
	}
	if s.capture {
		return int(s.reported() - s.appl), nil
	}
	queued := int(s.appl - s.reported())
	return s.is.buffer - max(min(queued, 1), queued-s.card.ahead), nil
}

func (s *fakeStream) delay() (int, error) {
	defer s.lock()()
	err := s.run()
	return int(s.appl - s.reported()), err
}

func (s *fakeStream) memory() []byte { return s.bytes }

func (s *fakeStream) read(frames int) error {
	defer s.lock()()
	if s.appl+int64(frames) > s.reported() {
		panic("would wait")
	}
	one := make([]int32, 1)
	for c := range s.is.channels {
		for i := range frames {
			one[0] = s.card.sample(c, s.base+s.appl+int64(i))
			s.is.format.put(s.bytes[(i*s.is.channels+c)*s.is.format.size():], 0, one)
		}
	}
	s.appl += int64(frames)
	return nil
}

func (s *fakeStream) write(frames int) error {
	defer s.lock()()
	if s.appl+int64(frames)-s.reported() > int64(s.is.buffer) {
		panic("would wait")
	}
	for c := range s.is.channels {
		samples := make([]int32, frames)
		s.is.format.get(s.bytes[c*s.is.format.size():], s.is.channels*s.is.format.size(), samples)
		s.buffer[c] = append(s.buffer[c], samples...)
	}
	s.appl += int64(frames)
	return nil
}

func (s *fakeStream) steers() bool { return s.card.pitched }

func (s *fakeStream) steer(pitch float64) error {
	defer s.lock()()
	if err := s.run(); err != nil {
		return err
	}
	s.pitch = math.Round(pitch*1e6) / 1e6
	return nil
}

func (s *fakeStream) close() {}
