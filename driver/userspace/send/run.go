package send

import (
	"context"
	"fmt"
	"sync/atomic"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"
	"aes67os/driver/userspace/rtp"
)

// Times in nanoseconds.
const (
	// idle is the longest sleep: how soon a new source or mapping, or the end, is noticed.
	idle = 10e6
	// tooLate is how long after it was due a packet is still sent.
	tooLate = 20e6
	// step is the change of the clock that is none of its being followed, which is by
	// microseconds, but another time.
	step = 1e6
	// again is the least time between two wake-ups, for rounding not to make it none.
	again = 1e3
)

// run is one Run of a sender.
type run struct {
	host
	clock      *media.Clock
	interfaces []string
	links      []int32 // their indices, as last found
	rate       uint32
	playback   *ring.Ring
	// late is tooLate in samples, or less if playback does not keep them for so long.
	late int64
	// table is never changed, but replaced.
	table atomic.Pointer[table]
	// added tells of a new table.
	added chan struct{}
	// cleared is the position up to which playback is clear; only for the goroutine that
	// does it.
	cleared int64

	// Only the thread that sends uses these.
	mapping *media.Mapping // of the last tick
	samples []int32
	batched []*Source
}

// table has the sources, in the order in which they are sent, and what they are sent by.
type table struct {
	sources []*Source
	outlets []*outlet
}

func newRun(s *Sender, interfaces []string, rate uint32, playback *ring.Ring) *run {
	r := &run{
		host: s.host, clock: s.clock,
		interfaces: interfaces, links: make([]int32, len(interfaces)), rate: rate, playback: playback,
		late:    min(int64(rate)*tooLate/1e9, int64(playback.Samples()/4)),
		added:   make(chan struct{}, 1),
		samples: make([]int32, driver.MaxPayload), // of L16 in one channel, more than enough
		batched: make([]*Source, 0, driver.MaxStreams),
	}
	r.table.Store(&table{})
	return r
}

// check tells whether a stream can be sent.
func (r *run) check(st driver.Stream) error {
	if err := st.Validate(len(r.interfaces)); err != nil {
		return err
	}
	switch {
	case !st.Source:
		return fmt.Errorf("%w: the stream is a sink", driver.ErrInvalid)
	case st.SampleRate != r.rate:
		return fmt.Errorf("%w: the stream has %d Hz, the device %d", driver.ErrInvalid, st.SampleRate, r.rate)
	}
	for _, channel := range st.Map {
		if channel >= r.playback.Channels() {
			return fmt.Errorf("%w: the map has device channel %d, there are %d", driver.ErrInvalid, channel, r.playback.Channels())
		}
	}
	return nil
}

func (r *run) publish(t *table) {
	r.table.Store(t)
	select {
	case r.added <- struct{}{}:
	default: // it has not looked since the last
	}
}

// loop sends until ctx ends.
func (r *run) loop(ctx context.Context) {
	for ctx.Err() == nil {
		if len(r.table.Load().sources) > 0 {
			r.sleep(r.tick())
			continue
		}
		select {
		case <-r.added:
		case <-ctx.Done():
		}
	}
}

// tick sends what is due, and tells when to be called again.
func (r *run) tick() (wake int64) {
	now := r.now()
	wake = now + idle
	m := r.clock.Mapping()
	stepped := r.stepped(m, now)
	if m == nil {
		return wake
	}
	position := media.Position(m.PTPAt(now), r.rate)
	t := r.table.Load()
	for _, s := range t.sources {
		s.seek(position, int64(r.rate), r.late, stepped)
		s.schedule(m, r.rate)
	}
	for r.batch(t, now) {
		for _, o := range t.outlets {
			o.flush()
		}
		sent := r.now()
		for _, s := range r.batched {
			s.sent(len(s.packet)-rtp.HeaderSize, sent-s.due)
			s.schedule(m, r.rate)
		}
	}
	for _, s := range t.sources {
		wake = min(wake, s.due)
	}
	return max(wake, now+again)
}

// batch builds the next packet of each source that has one due, and tells whether there
// were any.
func (r *run) batch(t *table, now int64) bool {
	r.batched = r.batched[:0]
	for _, s := range t.sources {
		if s.due > now {
			continue
		}
		s.build(r.playback, r.samples)
		for i := range s.legs {
			s.legs[i].outlet.add(s, &s.legs[i].message)
		}
		r.batched = append(r.batched, s)
	}
	return len(r.batched) > 0
}

// stepped tells whether the mapping is of another time than that before, or the first
// after there was none.
func (r *run) stepped(m *media.Mapping, now int64) bool {
	old := r.mapping
	r.mapping = m
	if old == m {
		return false
	}
	if old == nil || m == nil {
		return true
	}
	change := m.PTPAt(now) - old.PTPAt(now)
	return change > step || change < -step
}
