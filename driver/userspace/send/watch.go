package send

import (
	"context"
	"log/slog"
	"syscall"
	"time"

	"aes67os/driver/userspace/media"
)

// trouble is what of a source was told in the log.
type trouble struct {
	errors, missed   uint64
	failing, missing bool
}

// watch does, until ctx ends, what the thread that sends has no time for: it clears the ring,
// looks for the interfaces, and tells in the log when sources begin and cease to have
// trouble.
func (s *Sender) watch(ctx context.Context, r *run) {
	clean, watch := time.NewTicker(10*time.Millisecond), time.NewTicker(time.Second)
	defer clean.Stop()
	defer watch.Stop()
	known := map[*Source]trouble{}
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
			before := known
			known = map[*Source]trouble{}
			for _, source := range r.table.Load().sources {
				known[source] = source.tell(before[source], s.log.With("source", source.stream.Name))
			}
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

// tell logs what has changed since before.
func (s *Source) tell(before trouble, log *slog.Logger) trouble {
	t := trouble{errors: s.errors.Load(), missed: s.missed.Load()}
	t.failing, t.missing = t.errors > before.errors, t.missed > before.missed
	switch {
	case t.failing && !before.failing:
		log.Warn("packets cannot be sent", "err", syscall.Errno(s.errno.Load()))
	case before.failing && !t.failing:
		log.Info("packets can be sent again", "not_sent", t.errors)
	}
	if t.missing && !before.missing {
		log.Warn("packets left out: the thread that sends was run more than 20 ms late. Is the host overloaded?", "missed", t.missed)
	}
	return t
}
