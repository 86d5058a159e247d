package mdns

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// phase is how far a claim has come on a link.
type phase int

const (
	probing    phase = iota // asking whether somebody has the name; not answering
	announcing              // it is ours, telling everybody
	settled                 // answering
)

// progress is a claim on a link.
type progress struct {
	claim   *claim
	records []*record
	phase   phase
	// said counts probes or announcements sent in this phase.
	said int
	// due is when the next one is to be sent; unused when settled.
	due time.Time
}

// enter begins a phase.
func (p *progress) enter(ph phase, due time.Time) { p.phase, p.said, p.due = ph, 0, due }

// link is everything the responder knows of one link. It has no clock and no
// socket: it is told the time and given a way to send.
type link struct {
	Link
	progress []*progress
	held     map[netip.AddrPort]*heldQuery
	browser  browser
	// left has the names of services just taken back, each with the time until which
	// it may still be heard of.
	left map[string]time.Time
	send func(Packet)
	// own tells which addresses are this host's, on any link.
	own func(netip.Addr) bool
}

// start is when to begin with a claim made now: together with others that are about
// to begin, so that they share packets, or after the random delay of RFC 6762 §8.1.
func (l *link) start(now time.Time) time.Time {
	for _, p := range l.progress {
		if p.phase == probing && p.said == 0 && p.due.After(now) && p.due.Sub(now) <= probeInterval {
			return p.due
		}
	}
	return now.Add(between(0, probeInterval))
}

// add begins to claim c at start.
func (l *link) add(c, host *claim, start time.Time) {
	p := &progress{claim: c, records: c.records(host, l.Addresses)}
	p.enter(probing, start)
	l.progress = append(l.progress, p)
}

// renew makes the records of c anew after the claim, or what they say, has changed.
func (l *link) renew(c, host *claim, ph phase, due time.Time) {
	for _, p := range l.progress {
		if p.claim == c {
			if p.phase == probing {
				ph = probing
			}
			p.records = c.records(host, l.Addresses)
			p.enter(ph, due)
		}
	}
}

// next is when run has something to do, zero for never.
func (l *link) next() time.Time {
	next := l.browser.due
	for _, p := range l.progress {
		if p.phase != settled {
			next = earlier(next, p.due)
		}
		for _, r := range p.records {
			next = earlier(next, r.due)
		}
	}
	for _, q := range l.held {
		next = earlier(next, q.due)
	}
	return next
}

// run does what is due. Claims that are due together share packets. It tells whether
// others' services may have changed.
func (l *link) run(now time.Time) (changed bool) {
	if changed = l.browser.isDue(now); changed {
		if questions := l.browser.sweep(now); len(questions) > 0 {
			l.multicast(queryMessages(questions, func(q dns.Question) []dns.RR { return l.browser.known(now, q) })...)
		}
	}
	l.answerHeld(now)
	var probe []*progress
	var announce []*record
	for _, p := range l.progress {
		if p.phase == probing && !p.due.After(now) {
			if p.said < probes {
				probe = append(probe, p)
				p.said++
				p.due = now.Add(probeInterval)
				continue
			}
			p.enter(announcing, now)
		}
		if p.phase == announcing && !p.due.After(now) {
			announce = append(announce, l.positive(p)...)
			p.said++
			p.due = now.Add(announceInterval)
			if p.said == announcements {
				p.phase = settled
			}
		}
	}
	if len(probe) > 0 {
		l.multicast(probeMessages(probe)...)
	}
	l.publish(announce, now)

	var answers []*record
	for r := range l.active() {
		if !r.due.IsZero() && !r.due.After(now) {
			answers = append(answers, r)
		}
	}
	l.publish(answers, now)
	return changed
}

// active yields the records of the names that are ours by now.
func (l *link) active() func(yield func(*record) bool) {
	return func(yield func(*record) bool) {
		for _, p := range l.progress {
			if p.phase == probing {
				continue
			}
			for _, r := range p.records {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// positive are p's records other than the negative ones.
func (l *link) positive(p *progress) []*record {
	var list []*record
	for _, r := range p.records {
		if !r.negative() {
			list = append(list, r)
		}
	}
	return list
}

// publish multicasts answers and what whoever wants them will ask for next.
func (l *link) publish(answers []*record, now time.Time) {
	if len(answers) == 0 {
		return
	}
	extra := slices.DeleteFunc(l.additional(answers), func(r *record) bool {
		return !r.sent.IsZero() && now.Sub(r.sent) < sameRecord
	})
	l.multicast(responses(onWire(answers), onWire(extra))...)
	for _, r := range slices.Concat(answers, extra) {
		r.sent, r.due = now, time.Time{}
	}
}

// additional finds what goes with answers: a service's data and the host's address
// with a pointer to it (RFC 6763 §12), with an address that there is no other (RFC
// 6762 §6.1).
func (l *link) additional(answers []*record) []*record {
	all := slices.Clone(answers)
	for i := 0; i < len(all); i++ { // all grows on the way
		var name string
		switch rr := all[i].rr.(type) {
		case *dns.PTR:
			name = rr.Ptr
		case *dns.SRV:
			name = rr.Target
		case *dns.A:
			name = rr.Hdr.Name
		}
		for r := range l.active() {
			if r.unique && sameName(r.rr.Header().Name, name) && !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all[len(answers):]
}

// goodbye takes back what was announced for the claims for which leaves is true
// (RFC 6762 §10.1).
func (l *link) goodbye(now time.Time, leaves func(*claim) bool) {
	maps.DeleteFunc(l.left, func(_ string, until time.Time) bool { return until.Before(now) })
	var gone []dns.RR
	for _, p := range l.progress {
		if p.phase == probing || !leaves(p.claim) {
			continue
		}
		l.left[strings.ToLower(p.claim.name())] = now.Add(2 * grace)
		for _, r := range l.positive(p) {
			if !l.stays(r, leaves) {
				gone = append(gone, r.onWire(0))
			}
		}
	}
	if len(gone) > 0 {
		l.multicast(responses(gone, nil)...)
	}
	l.progress = slices.DeleteFunc(l.progress, func(p *progress) bool { return leaves(p.claim) })
}

// stays tells whether a claim that does not leave has the very same record.
func (l *link) stays(gone *record, leaves func(*claim) bool) bool {
	for _, p := range l.progress {
		if leaves(p.claim) || p.phase == probing {
			continue
		}
		if slices.ContainsFunc(p.records, func(r *record) bool { return equal(r.rr, gone.rr) }) {
			return true
		}
	}
	return false
}

func (l *link) multicast(messages ...*dns.Msg) {
	l.unicast(netip.AddrPortFrom(Group, Port), messages...)
}

func (l *link) unicast(to netip.AddrPort, messages ...*dns.Msg) {
	for _, m := range messages {
		b, err := m.Pack()
		if err != nil {
			// Our own records are made to fit; of what a peer sends, only names get
			// into m, and one that cannot be repeated is not answered or asked for.
			continue
		}
		l.send(Packet{Link: l.Index, Peer: to, Data: b})
	}
}

// instances are what br finds on the link, by the instance's name in lower case.
func (l *link) instances(now time.Time, br *browse) map[string]Instance {
	all := l.browser.instances(br, l.onLink)
	for name, i := range all {
		i.Interface, i.Own = l.Index, l.publishes(now, name)
		all[name] = i
	}
	return all
}

// publishes tells whether the name of a service, in lower case, is ours by now or was
// until just now.
func (l *link) publishes(now time.Time, name string) bool {
	if l.left[name].After(now) {
		return true
	}
	return slices.ContainsFunc(l.progress, func(p *progress) bool {
		return p.claim.service != nil && p.phase != probing && sameName(p.claim.name(), name)
	})
}

// onLink tells whether a is in one of the link's subnets.
func (l *link) onLink(a netip.Addr) bool {
	return slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Contains(a) })
}

// earlier returns the earlier of two times, of which a zero one never comes.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// between returns a random time in [low, high).
func between(low, high time.Duration) time.Duration { return low + rand.N(high-low) }
