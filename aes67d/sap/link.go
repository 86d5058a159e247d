package sap

import (
	"net/netip"
	"slices"
	"time"

	"aes67os/aes67d/netif"
)

// turn is an announcement on one link, from its first packet to its last deletion.
type turn struct {
	*ad
	group netip.Addr
	// said is when it was last announced here, zero for never.
	said time.Time
	// due is when to look at it next.
	due time.Time
	// leaving tells that it is being deleted; deleted counts how often that was said.
	leaving bool
	deleted int
}

// link is what is to be said on one network interface. It has no clock and no socket:
// it is told the time and given a way to send.
type link struct {
	netif.Interface
	turns []*turn
	// free is when the next packet may be sent.
	free time.Time
	send func(Datagram)
	// interval tells how long an announcement of that many bytes waits for its next
	// turn. It may answer differently each time.
	interval func(size int) time.Duration
}

// announce begins to announce a.
func (l *link) announce(a *ad, group netip.Addr, due time.Time) {
	// Not deleted any more, if it was about to be.
	l.turns = slices.DeleteFunc(l.turns, func(t *turn) bool { return t.ad == a && t.group == group })
	l.turns = append(l.turns, &turn{ad: a, group: group, due: due})
}

// withdraw begins to delete those for which gone is true. Those that were never
// announced here are just forgotten.
func (l *link) withdraw(gone func(*ad) bool, due time.Time) {
	l.turns = slices.DeleteFunc(l.turns, func(t *turn) bool {
		return gone(t.ad) && !t.leaving && t.said.IsZero()
	})
	for _, t := range l.turns {
		if gone(t.ad) && !t.leaving {
			t.leaving, t.due = true, due
		}
	}
}

// regroup takes what is announced to another group.
func (l *link) regroup(group netip.Addr, now time.Time) {
	var moved []*ad
	for _, t := range l.turns {
		if !t.leaving {
			moved = append(moved, t.ad)
		}
	}
	l.withdraw(func(a *ad) bool { return slices.Contains(moved, a) }, now)
	for _, a := range moved {
		l.announce(a, group, now)
	}
}

// review looks at every announcement anew, after the interval has changed.
func (l *link) review(now time.Time) {
	for _, t := range l.turns {
		if !t.leaving && !t.said.IsZero() {
			t.due = now
		}
	}
}

// run says what is due, one packet at a time, and returns when to be called again;
// zero for never.
func (l *link) run(now time.Time) time.Time {
	for {
		t := l.first()
		if t == nil {
			return time.Time{}
		}
		if at := latest(t.due, l.free); at.After(now) {
			return at
		}
		if !t.leaving && l.leaves(t.ad) {
			t.due = now.Add(deletionGap) // on another group; its deletion would undo this
			continue
		}
		if !t.leaving && !t.said.IsZero() {
			// RFC 2974 §3.1: the network may have changed since the time was set.
			if t.due = t.said.Add(l.interval(len(t.ad.announce))); t.due.After(now) {
				continue
			}
		}
		l.say(t, now)
		l.free = now.Add(pace)
	}
}

// leaves tells whether a is being deleted.
func (l *link) leaves(a *ad) bool {
	return slices.ContainsFunc(l.turns, func(t *turn) bool { return t.ad == a && t.leaving })
}

// first is the turn to look at first.
func (l *link) first() *turn {
	if len(l.turns) == 0 {
		return nil
	}
	return slices.MinFunc(l.turns, func(a, b *turn) int { return a.due.Compare(b.due) })
}

// say sends the packet that it is the time for.
func (l *link) say(t *turn, now time.Time) {
	d := Datagram{Interface: l.Index, Group: t.group, From: l.source(t.Origin), Data: t.ad.announce}
	if !t.leaving {
		l.send(d)
		t.said = now
		t.due = now.Add(l.interval(len(t.ad.announce)))
		return
	}
	d.Data = t.ad.delete
	l.send(d)
	t.deleted++
	t.due = now.Add(deletionGap)
	if t.deleted == deletions {
		l.turns = slices.DeleteFunc(l.turns, func(other *turn) bool { return other == t })
	}
}

// source is the address to send from: the origin if it is one of the interface's.
func (l *link) source(origin netip.Addr) netip.Addr {
	var first netip.Addr
	for _, p := range l.Addresses {
		if p.Addr() == origin {
			return origin
		}
		if !first.IsValid() {
			first = p.Addr()
		}
	}
	return first
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
