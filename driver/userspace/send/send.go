// Package send sends all sources of a device.
//
// A packet has the samples from a position that is a multiple of its size, so that all
// hosts cut alike, and goes out when the time of the sample after its last has come. One
// thread does that for all sources (package realtime has what makes it punctual): it
// sleeps until the next packet is due by the newest mapping of the media clock,
// builds all that are due where they were built the last time, and gives them to the
// kernel at once. Nothing is allocated, locked or waited for on the way.
//
// All hang together by that thread, so the order of sources never changes while they
// stay: each goes out at the same place among the others, and its own gaps are as even
// as the thread is.
//
// Positions come from the clock anew each time. What that means when time is not as it
// should be:
//
//   - The thread wakes late: it sends what has become due meanwhile, one packet of each
//     source after the other. After more than 20 ms no receiver waits for that
//     any more, and a burst would harm others: it is left out and counted.
//   - The grandmaster's time jumps forward: it goes on from the new time.
//   - It jumps back: positions that were sent are not sent again, so sources are silent until
//     time comes to where it was. From one second on that is another time scale, with
//     other samples, and it goes on from the new time.
//   - There is no mapping: nothing is sent, because nobody could tell when to play it.
package send

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/realtime"
	"aes67os/driver/userspace/ring"
)

// Sender sends the sources of a device. Its methods are safe for concurrent use.
type Sender struct {
	// Ready, unless nil, is called by Run as soon as sources can be added. It is to be set
	// before Run.
	Ready func()

	clock *media.Clock
	log   *slog.Logger
	host  host

	mu  sync.Mutex
	run *run // nil outside of Run
	// lines are the sequences of all sources there were, by ID and SSRC.
	lines [driver.MaxStreams]struct {
		ssrc uint32
		line *line
	}
}

// host is what a sender needs of the machine.
type host struct {
	// now is the local time, as media.Now has it, and sleep returns when it has come.
	now   func() int64
	sleep func(until int64)
	// find finds the index of a network interface, absent if there is none.
	find func(name string) (index int32)
	// open opens a socket to send from a port.
	open func(port uint16, log *slog.Logger) (socket, error)
}

// New makes a sender that follows clock.
func New(clock *media.Clock, log *slog.Logger) *Sender {
	return &Sender{clock: clock, log: log, host: host{
		now: media.Now, sleep: new(realtime.Turn).Sleep, find: findInterface, open: openSocket,
	}}
}

// Run sends sources from the channels of playback, at rate Hz, over the interfaces with these
// names, until ctx ends; then it returns nil, and there are no sources any more. Interfaces
// need not be there yet, and may go and come back.
//
// playback has at a position the sample that leaves at that position's time. It is cleared
// here, a quarter of it behind the present: whoever fills it may be half of it ahead.
//
// The error is for what cannot begin: a rate of 0, which is driver.ErrInvalid, and a second
// Run at a time.
func (s *Sender) Run(ctx context.Context, interfaces []string, rate uint32, playback *ring.Ring, cpus []int) error {
	if err := driver.ValidateSampleRate(rate); err != nil {
		return err
	}
	r := newRun(s, interfaces, rate, playback)
	if err := s.begin(r); err != nil {
		return err
	}
	defer s.end()
	if s.Ready != nil {
		s.Ready()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, err := range realtime.Lock(cpus) {
			s.log.Warn("sources are sent less punctually", "err", err)
		}
		r.loop(ctx)
	}()
	s.watch(ctx, r)
	<-done
	return nil
}

func (s *Sender) begin(r *run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		return errors.New("the sender runs already")
	}
	s.run = r
	r.findLinks(s.log)
	return nil
}

func (s *Sender) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run.table.Load().close(&table{})
	s.run = nil
}

// Add begins to send a source. A source with the ID and SSRC of one that was removed goes
// on where that ended: its sequence numbers continue, and no position is sent twice.
//
// The error is driver.ErrUnavailable outside of Run, driver.ErrInvalid for what cannot be
// sent, driver.ErrRefused when there are too many sources.
func (s *Sender) Add(st driver.Stream) (*Source, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.run
	if r == nil {
		return nil, fmt.Errorf("%w: nothing sends", driver.ErrUnavailable)
	}
	if err := r.check(st); err != nil {
		return nil, err
	}
	old := r.table.Load()
	if len(old.sources) >= driver.MaxStreams {
		return nil, fmt.Errorf("%w: there are %d sources already", driver.ErrRefused, len(old.sources))
	}
	source := newSource(st, s.line(st, old))
	t := &table{sources: append(slices.Clone(old.sources), source), outlets: slices.Clone(old.outlets)}
	for i, leg := range st.Legs {
		outlet, err := t.outlet(leg.SourcePort, s)
		if err != nil {
			t.close(old)
			return nil, fmt.Errorf("cannot send %q: %w", st.Name, err)
		}
		source.legs[i] = newLeg(source, leg, outlet)
		source.legs[i].message.setLink(r.links[leg.Interface])
	}
	r.publish(t)
	return source, nil
}

// line finds the sequence that a stream continues, or begins one. A source of the same ID
// that is still there keeps its own.
func (s *Sender) line(st driver.Stream, t *table) *line {
	last := &s.lines[st.ID]
	inUse := slices.ContainsFunc(t.sources, func(o *Source) bool { return o.line == last.line })
	if last.line == nil || last.ssrc != st.SSRC || inUse {
		// It begins anywhere (RFC 3550 §5.1).
		last.ssrc, last.line = st.SSRC, &line{sequence: uint16(rand.Uint32())}
	}
	return last.line
}

// Remove ends a source. A packet that is being sent may still go out. A source that is
// gone may be removed again.
func (s *Sender) Remove(source *Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return
	}
	old := s.run.table.Load()
	t := &table{}
	for _, o := range old.sources {
		if o != source {
			t.sources = append(t.sources, o)
		}
	}
	for _, o := range old.outlets {
		if slices.ContainsFunc(t.sources, func(s *Source) bool { return s.uses(o) }) {
			t.outlets = append(t.outlets, o)
		}
	}
	s.run.publish(t)
	old.close(t)
}
