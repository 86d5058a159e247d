package mdns

import (
	"slices"

	"github.com/miekg/dns"
)

// maxMessage is how long a message of several records may be, in bytes: with its
// headers it fits an Ethernet link, also a tagged or tunnelled one (RFC 6762 §17). A
// single record longer than this goes out by itself, in fragments.
const maxMessage = 1400

// long tells whether m has to be split.
func long(m *dns.Msg) bool { return m.Len() > maxMessage }

// newQuery returns a query without questions yet.
func newQuery() *dns.Msg { return &dns.Msg{Compress: true} }

// newResponse returns a response without answers yet (RFC 6762 §18).
func newResponse() *dns.Msg {
	m := &dns.Msg{Compress: true}
	m.Response, m.Authoritative = true, true
	return m
}

// responses are the messages that say answers and extra. Where one message does not
// hold all, extra is said as answers, too: a message with nothing but additional
// records is not read by everybody.
func responses(answers, extra []dns.RR) []*dns.Msg {
	m := newResponse()
	m.Answer, m.Extra = answers, extra
	if !long(m) {
		return []*dns.Msg{m}
	}
	var list []*dns.Msg
	m = newResponse()
	for _, rr := range slices.Concat(answers, extra) {
		if m.Answer = append(m.Answer, rr); len(m.Answer) > 1 && long(m) {
			m.Answer = m.Answer[:len(m.Answer)-1]
			list = append(list, m)
			m = newResponse()
			m.Answer = []dns.RR{rr}
		}
	}
	return append(list, m)
}

// onWire lists records as they are sent, each once: services of one type share a
// record in the list of types.
func onWire(records []*record) []dns.RR {
	var list []dns.RR
	for _, r := range records {
		rr := r.onWire(r.ttl())
		if r.unique || !slices.ContainsFunc(list, func(other dns.RR) bool { return equal(rr, other) }) {
			list = append(list, rr)
		}
	}
	return list
}

// probeMessages ask for the names and show what we would put there (RFC 6762 §8.1).
func probeMessages(list []*progress) []*dns.Msg {
	var messages []*dns.Msg
	m := newQuery()
	for _, p := range list {
		class := uint16(dns.ClassINET)
		if p.said == 1 {
			// The first probe asks for unicast answers, to spare the network. The
			// others do not: beside another responder on this host a unicast
			// packet may end in the other's socket.
			class |= cacheFlush
		}
		question := dns.Question{Name: p.claim.name(), Qtype: dns.TypeANY, Qclass: class}
		var proposed []dns.RR
		for _, r := range p.records {
			if r.unique && !r.negative() {
				proposed = append(proposed, r.rr)
			}
		}
		before := *m
		m.Question, m.Ns = append(m.Question, question), append(m.Ns, proposed...)
		if len(m.Question) > 1 && long(m) {
			messages = append(messages, &before)
			m = newQuery()
			m.Question, m.Ns = []dns.Question{question}, proposed
		}
	}
	return append(messages, m)
}

// queryMessages ask the questions and show the answers that we know (RFC 6762 §7.1).
// Known answers that do not fit follow in further messages, each but the last saying
// that there is more (§7.2).
func queryMessages(questions []dns.Question, known func(dns.Question) []dns.RR) []*dns.Msg {
	var messages []*dns.Msg
	m := newQuery()
	next := func() {
		messages = append(messages, m)
		m = newQuery()
	}
	for _, q := range questions {
		if len(m.Question) == 0 && len(m.Answer) > 0 {
			next() // what follows a truncated query has no question
		}
		if m.Question = append(m.Question, q); len(m.Question) > 1 && long(m) {
			m.Question = m.Question[:len(m.Question)-1]
			next()
			m.Question = []dns.Question{q}
		}
		for _, rr := range known(q) {
			if m.Answer = append(m.Answer, rr); long(m) {
				m.Answer = m.Answer[:len(m.Answer)-1]
				m.Truncated = true
				next()
				m.Answer = []dns.RR{rr}
			}
		}
	}
	return append(messages, m)
}
