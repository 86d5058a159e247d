package send

import (
	"context"
	"log/slog"
	"syscall"
	"time"

	"aes67os/driver/userspace/media"
)

const (
	// cleanInterval is how often the ring is cleared: as much at once as keeps a processor for a few
	// hundredths of a millisecond, and seldom, since each time wakes some threads.
	cleanInterval = 50 * time.Millisecond
	watchInterval = time.Second
)

// trouble is what is known of a source's.
type trouble struct {
	errors, missed uint64
	failing        bool
}

// watch does, until ctx ends, what the thread that sends has no time for: it clears the ring,
// looks for the interfaces, and tells in the log when sources begin and cease to have
// trouble.
func (s *Sender) watch(ctx context.Context, r *run) {
	clean, watch := time.NewTicker(cleanInterval), time.NewTicker(watchInterval)
	defer clean.Stop()
	defer watch.Stop()
	missing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-clean.C:
			r.clean()
		case <-watch.C:
			s.mu.Lock()
			r.findLinks(s.log)
			s.mu.Unlock()
			missing = r.tell(missing, s.log)
		}
	}
}

// clean clears the ring up to a quarter of it behind the present.
func (r *run) clean() {
	m := r.clock.Mapping()
	if m == nil {
		return
	}
	size := int64(r.playback.Samples())
	to := media.Position(m.PTPAt(r.now()), r.rate) - size/4
	switch {
	case r.cleared == 0:
		r.cleared = to
	case r.cleared-to > size/4:
		r.cleared = to - size // time was set back, and nothing there is of this time
	}
	r.playback.Clear(r.cleared, to)
	r.cleared = max(r.cleared, to)
}

// findLinks finds the interfaces, and puts their indices where they have changed.
func (r *run) findLinks(log *slog.Logger) {
	for number, name := range r.interfaces {
		link := r.find(name)
		was := r.links[number]
		if link == was {
			continue
		}
		switch {
		case link == absent:
			log.Warn("sources are not sent: the network interface is not there", "interface", name)
		case was == absent:
			log.Info("sources are sent: the network interface is there", "interface", name)
		}
		r.links[number] = link
		for _, s := range r.table.Load().sources {
			for i := range s.legs {
				if s.legs[i].number == number {
					s.legs[i].message.setLink(link)
				}
			}
		}
	}
}

// tell logs what trouble has begun or ceased since it was called last. What is missed is for all
// sources together, as it is the thread's fault: missing tells that some were, and then
// that some have been again.
func (r *run) tell(missing bool, log *slog.Logger) bool {
	missed := uint64(0)
	for _, s := range r.table.Load().sources {
		before, t := s.told, trouble{errors: s.errors.Load(), missed: s.missed.Load()}
		t.failing = t.errors > before.errors
		switch {
		case t.failing && !before.failing:
			log.Warn("packets cannot be sent", "source", s.stream.Name, "err", syscall.Errno(s.errno.Load()))
		case before.failing && !t.failing:
			log.Info("packets can be sent again", "source", s.stream.Name, "not_sent", t.errors)
		}
		missed += t.missed - before.missed
		s.told = t
	}
	if missed > 0 && !missing {
		log.Warn("packets left out: the thread that sends was run more than 20 ms late. Is the host overloaded?", "missed", missed)
	}
	return missed > 0
}
