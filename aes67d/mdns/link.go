package mdns

import (
	"math/rand/v2"
	"net/netip"
	"slices"
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
	send     func(Packet)
	// own tells which addresses are this host's, on any link.
	own func(netip.Addr) bool
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
	var next time.Time
	soonest := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, p := range l.progress {
		if p.phase != settled {
			soonest(p.due)
		}
		for _, r := range p.records {
			soonest(r.due)
		}
	}
	for _, q := range l.held {
		soonest(q.due)
	}
	return next
}

// run does what is due. Claims that are due together share packets.
func (l *link) run(now time.Time) {
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
		l.multicast(probeMessage(probe))
	}
	l.publish(announce, now)

	var answers []*record
	for r := range l.active() {
		if !r.due.IsZero() && !r.due.After(now) {
			answers = append(answers, r)
		}
	}
	l.publish(answers, now)
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

// probeMessage asks for the names and shows what we would put there (RFC 6762 §8.1).
func probeMessage(list []*progress) *dns.Msg {
	m := new(dns.Msg)
	for _, p := range list {
		class := uint16(dns.ClassINET)
		if p.said == 1 {
			// The first probe asks for unicast answers, to spare the network. The
			// others do not: beside another responder on this host a unicast
			// packet may end in the other's socket.
			class |= cacheFlush
		}
		m.Question = append(m.Question, dns.Question{Name: p.claim.name(), Qtype: dns.TypeANY, Qclass: class})
		for _, r := range p.records {
			if r.unique && !r.negative() {
				m.Ns = append(m.Ns, r.rr)
			}
		}
	}
	return m
}

// publish multicasts answers and what whoever wants them will ask for next.
func (l *link) publish(answers []*record, now time.Time) {
	if len(answers) == 0 {
		return
	}
	extra := slices.DeleteFunc(l.additional(answers), func(r *record) bool {
		return !r.sent.IsZero() && now.Sub(r.sent) < sameRecord
	})
	l.multicast(response(answers, extra))
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

// response is a multicast response (RFC 6762 §18).
func response(answers, extra []*record) *dns.Msg {
	m := new(dns.Msg)
	m.Response, m.Authoritative = true, true
	m.Answer = onWire(answers)
	m.Extra = onWire(extra)
	return m
}

// onWire lists records as they are sent, each once: services of one type share a
// record in the list of types.
func onWire(records []*record) []dns.RR {
	var list []dns.RR
	for _, r := range records {
		rr := r.onWire(r.ttl())
		if !slices.ContainsFunc(list, func(other dns.RR) bool { return equal(rr, other) }) {
			list = append(list, rr)
		}
	}
	return list
}

// goodbye takes back what was announced for the claims for which leaves is true
// (RFC 6762 §10.1).
func (l *link) goodbye(leaves func(*claim) bool) {
	m := new(dns.Msg)
	m.Response, m.Authoritative = true, true
	for _, p := range l.progress {
		if p.phase == probing || !leaves(p.claim) {
			continue
		}
		for _, r := range l.positive(p) {
			if !l.stays(r, leaves) {
				m.Answer = append(m.Answer, r.onWire(0))
			}
		}
	}
	if len(m.Answer) > 0 {
		l.multicast(m)
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

func (l *link) multicast(m *dns.Msg) { l.unicast(netip.AddrPortFrom(Group, Port), m) }

func (l *link) unicast(to netip.AddrPort, m *dns.Msg) {
	m.Compress = true
	b, err := m.Pack()
	if err != nil {
		// Our own records are made to fit; nothing a peer sends gets into m
		// but a legacy question, and one that cannot be repeated is not answered.
		return
	}
	l.send(Packet{Link: l.Index, Peer: to, Data: b})
}

// onLink tells whether a is in one of the link's subnets.
func (l *link) onLink(a netip.Addr) bool {
	return slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Contains(a) })
}

// between returns a random time in [low, high).
func between(low, high time.Duration) time.Duration { return low + rand.N(high-low) }
