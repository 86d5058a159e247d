package mdns

import (
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// Bounds of what is remembered of truncated queries, so that a flood of them costs
// little.
const (
	maxHeld  = 64   // queries at once
	maxKnown = 1024 // known answers of one
)

// heldQuery is a truncated query, waiting for the rest of its known answers (RFC
// 6762 §7.2).
type heldQuery struct {
	from  Packet
	query *dns.Msg
	due   time.Time
}

// handle takes in a packet and returns the claims that lost their name by it.
// Whatever is not a proper Multicast DNS message is ignored (§18).
func (l *link) handle(now time.Time, p Packet) (lost []*claim) {
	m := new(dns.Msg)
	if err := m.Unpack(p.Data); err != nil || m.Opcode != dns.OpcodeQuery || m.Rcode != dns.RcodeSuccess {
		return nil
	}
	// What came to the group came over this link, wherever it says it is from. A
	// unicast packet may have been routed here (§11, §5.5).
	if !p.Group && !l.onLink(p.Peer.Addr()) {
		return nil
	}
	if m.Response {
		if p.Peer.Port() != Port { // §6: not from a responder
			return nil
		}
		return l.response(now, p.Peer.Addr(), m)
	}
	if !l.own(p.Peer.Addr()) {
		l.yield(now, m.Ns)
	}
	if p.Peer.Port() != Port {
		l.answerLegacy(p, m)
		return nil
	}
	if held, ok := l.held[p.Peer]; ok && len(m.Question) == 0 {
		if len(held.query.Answer) < maxKnown {
			held.query.Answer = append(held.query.Answer, m.Answer...)
		}
		if m.Truncated {
			held.due = now.Add(between(truncatedMin, truncatedMax))
		}
		return nil
	}
	if m.Truncated && len(l.held) < maxHeld {
		if l.held == nil {
			l.held = make(map[netip.AddrPort]*heldQuery)
		}
		if before, ok := l.held[p.Peer]; ok {
			l.answer(now, before.from, before.query) // a new query, so that one is whole
		}
		l.held[p.Peer] = &heldQuery{from: p, query: m, due: now.Add(between(truncatedMin, truncatedMax))}
		return nil
	}
	l.answer(now, p, m)
	return nil
}

// answerHeld answers the truncated queries whose time has come.
func (l *link) answerHeld(now time.Time) {
	for peer, q := range l.held {
		if !q.due.After(now) {
			delete(l.held, peer)
			l.answer(now, q.from, q.query)
		}
	}
}

// answer sends what a query can have by unicast at once, and sets down when the
// rest is to be multicast.
func (l *link) answer(now time.Time, p Packet, m *dns.Msg) {
	isProbe := len(m.Ns) > 0
	var alone, all []*record
	for _, q := range m.Question {
		// On this host a unicast answer may end in another responder's socket.
		direct := (q.Qclass&cacheFlush != 0 || !p.Group) && l.onLink(p.Peer.Addr()) && !l.own(p.Peer.Addr())
		for r := range l.active() {
			if !r.answers(q) || slices.Contains(alone, r) || known(m.Answer, r) {
				continue
			}
			// A probe is answered to all: the name is defended, and beside another
			// responder a unicast answer may not reach who asked. So is a record
			// that others have not heard for a quarter of its life (§5.4).
			if direct && !isProbe && !r.sent.IsZero() && now.Sub(r.sent) < r.ttl()/4 {
				alone = append(alone, r)
			} else {
				all = append(all, r)
			}
		}
	}
	if len(alone) > 0 {
		l.unicast(p.Peer, responses(onWire(alone), onWire(l.additional(alone)))...)
	}
	l.schedule(now, all, isProbe)
}

// schedule sets down when records are to be multicast (RFC 6762 §6). An answer that
// only we can give goes out at once; where others may answer too, all wait for a
// random while.
func (l *link) schedule(now time.Time, records []*record, isProbe bool) {
	due, gap := now, sameRecord
	if isProbe {
		gap = sameDefence
	} else if slices.ContainsFunc(records, func(r *record) bool { return !r.unique }) {
		due = now.Add(between(sharedDelayMin, sharedDelayMax))
	}
	for _, r := range records {
		due := due
		if again := r.sent.Add(gap); !r.sent.IsZero() && due.Before(again) {
			due = again
		}
		if r.due.IsZero() || due.Before(r.due) {
			r.due = due
		}
	}
}

// answerLegacy answers a resolver that does not know Multicast DNS, in the way of
// ordinary DNS (RFC 6762 §6.7).
func (l *link) answerLegacy(p Packet, m *dns.Msg) {
	if !l.onLink(p.Peer.Addr()) {
		return // its answer would leave the link
	}
	reply := newResponse()
	reply.SetReply(m)
	reply.Authoritative = true
	reply.Question = m.Question
	var answers []*record
	for _, q := range m.Question {
		for r := range l.active() {
			if r.answers(q) && !slices.Contains(answers, r) {
				answers = append(answers, r)
				reply.Answer = append(reply.Answer, r.legacy())
			}
		}
	}
	if len(answers) == 0 {
		return // others may know; §6 wants silence
	}
	for _, r := range l.additional(answers) {
		reply.Extra = append(reply.Extra, r.legacy())
	}
	size := dns.MinMsgSize
	if opt := m.IsEdns0(); opt != nil {
		size = min(int(opt.UDPSize()), maxMessage)
	}
	reply.Truncate(size)
	// There is no asking again by TCP, so only what was asked for is worth a word.
	reply.Truncated = len(reply.Answer) < len(answers)
	l.unicast(p.Peer, reply)
}

// known tells whether r is among the answers that a querier has already, fresh
// enough (RFC 6762 §7.1).
func known(answers []dns.RR, r *record) bool {
	return slices.ContainsFunc(answers, func(a dns.RR) bool {
		return a.Header().Ttl >= r.rr.Header().Ttl/2 && equal(a, r.rr)
	})
}
