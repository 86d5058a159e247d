package mdns

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// response takes note of what somebody says and returns the claims that must find
// another name, because while we probe for theirs somebody has it.
func (l *link) response(now time.Time, from netip.Addr, m *dns.Msg) (lost []*claim) {
	said := slices.Concat(m.Answer, m.Extra)
	l.browser.hear(now, said)
	if l.own(from) {
		return nil // ourselves, or another responder on this host
	}
	for _, p := range l.progress {
		if !p.disputed(said) {
			p.hear(now, said)
			continue
		}
		if p.phase == probing {
			lost = append(lost, p.claim)
			continue
		}
		// §9: back to probing under the same name. If the other side is a careless
		// newcomer, it will hear the probe and go away; if it was there all along
		// (two networks joined by a cable), it defends the name and we go.
		p.enter(probing, now)
	}
	return lost
}

// disputed tells whether others say something else of a name of p's.
func (p *progress) disputed(said []dns.RR) bool {
	return slices.ContainsFunc(said, func(rr dns.RR) bool {
		h := rr.Header()
		if h.Ttl == 0 || !sameName(h.Name, p.claim.name()) {
			return false
		}
		comparable := false
		for _, r := range p.records {
			if equal(r.rr, rr) {
				return false
			}
			comparable = comparable || r.unique && r.rr.Header().Rrtype == h.Rrtype
		}
		// While probing, the name is taken whatever it is used for (§8.1).
		return comparable || p.phase == probing
	})
}

// hear takes note of others' records equal to ours.
func (p *progress) hear(now time.Time, said []dns.RR) {
	for _, rr := range said {
		for _, r := range p.records {
			switch {
			case p.phase == probing || !equal(r.rr, rr):
			case rr.Header().Ttl < r.rr.Header().Ttl/2:
				r.due = now // §6.6: others would forget it too early
			case !r.unique:
				r.due = time.Time{} // §7.4: it has been said for us
			}
		}
	}
}

// yield settles who goes on when two hosts probe for one name at the same time:
// the one whose records are lexicographically later (RFC 6762 §8.2). The other
// waits; by then the name is either defended or free.
func (l *link) yield(now time.Time, theirs []dns.RR) {
	for _, p := range l.progress {
		if p.phase != probing {
			continue
		}
		var a, b [][]byte
		for _, r := range p.records {
			if r.unique && !r.negative() {
				a = append(a, sortKey(r.rr))
			}
		}
		for _, rr := range theirs {
			if sameName(rr.Header().Name, p.claim.name()) {
				b = append(b, sortKey(rr))
			}
		}
		slices.SortFunc(a, bytes.Compare)
		slices.SortFunc(b, bytes.Compare)
		if len(b) > 0 && slices.CompareFunc(a, b, bytes.Compare) < 0 {
			p.enter(probing, now.Add(loserWait))
		}
	}
}

// sortKey orders records as RFC 6762 §8.2 does: by class, then type, then the bytes
// of their data, uncompressed.
func sortKey(rr dns.RR) []byte {
	rr = plain(rr)
	b := make([]byte, dns.Len(rr)+1)
	n, err := dns.PackRR(rr, b, 0, nil, false)
	if err != nil {
		return nil // sorts first, so who sent it loses
	}
	_, off, err := dns.UnpackDomainName(b, 0)
	if err != nil {
		return nil
	}
	// After the name: type, class, time to live (4 bytes), length (2 bytes), data.
	return slices.Concat(b[off+2:off+4], b[off:off+2], b[off+10:n])
}

// conflicts counts names lost in a row, so that probing slows down on a network
// where every name is taken (RFC 6762 §8.1).
type conflicts struct {
	count int
	last  time.Time
}

// add counts one more and returns how long to wait before the next attempt.
func (c *conflicts) add(now time.Time) time.Duration {
	if now.Sub(c.last) > conflictWindow {
		c.count = 0
	}
	c.count++
	c.last = now
	if c.count >= conflictLimit {
		return conflictWait
	}
	return between(0, probeInterval)
}
