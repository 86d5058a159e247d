package mdns

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Intervals of browsing.
const (
	askMin      = time.Second      // RFC 6762 §5.2: from the first query to the second,
	askMax      = 60 * time.Minute // then ever twice as long up to this
	refreshWith = time.Second      // what is to be refreshed this soon goes with what is asked now
	// gather is how long after a change others' services are looked at: what belongs
	// together may come in several packets, and a flood of them costs little.
	gather = 20 * time.Millisecond
)

// browser is what is known of others' services on one link, and what is asked for.
type browser struct {
	// browses is shared by all links and never changed in place.
	browses   []*browse
	cache     cache
	questions map[key]*question
	// due is when to sweep, zero for never.
	due time.Time
}

// question is one that is asked until there is no need of it (RFC 6762 §5.2).
type question struct {
	due time.Time
	// interval is the time to the next, zero before the first.
	interval time.Duration
}

// browse begins or ends browsing: from now on, for these.
func (b *browser) browse(now time.Time, browses []*browse) { b.browses, b.due = browses, now }

func (b *browser) isDue(now time.Time) bool { return !b.due.IsZero() && !b.due.After(now) }

// hear takes in what somebody says, asked for or not.
func (b *browser) hear(now time.Time, said []dns.RR) {
	if len(b.browses) > 0 && b.cache.hear(now, said, b.wants) {
		b.due = earlier(b.due, now.Add(gather))
	}
}

// wants tells whether a record may be of use. What an instance points to may be heard
// before it, so all of the types browsed for are kept, and all addresses. Names of
// other domains are nothing that could be asked for here.
func (b *browser) wants(k key, d data) bool {
	if k.kind == dns.TypeA {
		return strings.HasSuffix(k.name, "."+domain)
	}
	return slices.ContainsFunc(b.browses, func(br *browse) bool {
		switch k.kind {
		case dns.TypePTR:
			return k.name == br.pointer && br.has(d.target)
		case dns.TypeSRV:
			return br.has(k.name) && strings.HasSuffix(d.target, "."+domain)
		}
		return br.has(k.name)
	})
}

// sweep forgets what has expired and returns what is to be asked now.
func (b *browser) sweep(now time.Time) []dns.Question {
	if len(b.browses) == 0 {
		*b = browser{}
		return nil
	}
	b.expire(now)
	b.need(now)
	list := b.ask(now)

	b.due = time.Time{}
	for _, q := range b.questions {
		b.due = earlier(b.due, q.due)
	}
	for _, same := range b.cache.records {
		for _, e := range same {
			b.due = earlier(b.due, e.expires)
			if e.needed {
				b.due = earlier(b.due, e.refresh)
			}
		}
	}
	return list
}

// expire removes what has had its time.
func (b *browser) expire(now time.Time) {
	for k, same := range b.cache.records {
		for d, e := range same {
			e.needed = false
			if !e.expires.After(now) {
				b.cache.remove(k, d)
			}
		}
	}
}

// need marks what the instances browsed for consist of, and sets down questions for
// what is missing.
func (b *browser) need(now time.Time) {
	missing := make(map[key]*question)
	// Many hosts may have heard what makes us ask. One delay for all, so that they
	// are asked for together.
	due := now.Add(between(sharedDelayMin, sharedDelayMax))
	use := func(k key) map[data]*cached {
		same := b.cache.records[k]
		for _, e := range same {
			e.needed = true
		}
		if len(same) == 0 || k.kind == dns.TypePTR {
			if missing[k] = b.questions[k]; missing[k] == nil {
				missing[k] = &question{due: due}
			}
		}
		return same
	}
	for _, br := range b.browses {
		for instance := range use(key{br.pointer, dns.TypePTR}) {
			use(key{instance.target, dns.TypeTXT})
			for service := range use(key{instance.target, dns.TypeSRV}) {
				use(key{service.target, dns.TypeA})
			}
		}
	}
	b.questions = missing
}

// ask returns the questions that are due and sets down when the next are.
func (b *browser) ask(now time.Time) []dns.Question {
	ask := make(map[key]uint16)
	for k, q := range b.questions {
		if q.due.After(now) {
			continue
		}
		ask[k] = dns.ClassINET
		if q.interval == 0 {
			// The first answer may come to us alone (§5.4). Beside another responder
			// on this host it may get lost, so later ones are for all.
			ask[k] |= cacheFlush
			q.interval = askMin
		} else {
			q.interval = min(2*q.interval, askMax)
		}
		q.due = now.Add(q.interval)
	}
	for k, same := range b.cache.records {
		for _, e := range same {
			if !e.needed || e.refresh.IsZero() || e.refresh.After(now.Add(refreshWith)) {
				continue
			}
			if _, ok := ask[k]; !ok {
				ask[k] = dns.ClassINET
			}
			for !e.refresh.IsZero() && !e.refresh.After(now.Add(refreshWith)) {
				e.asked++
				e.schedule()
			}
		}
	}
	var list []dns.Question
	// Sorted, so that names share their ends in a packet.
	for _, k := range slices.SortedFunc(maps.Keys(ask), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), strings.Compare(a.name, b.name))
	}) {
		list = append(list, dns.Question{Name: k.name, Qtype: k.kind, Qclass: ask[k]})
	}
	return list
}

// known lists the answers to q that need not be given: those with more than half of
// their life left (RFC 6762 §7.1). Only pointers have answers of several hosts; of
// the rest one is asked for because there is none, or to be refreshed.
func (b *browser) known(now time.Time, q dns.Question) []dns.RR {
	if q.Qtype != dns.TypePTR {
		return nil
	}
	var list []dns.RR
	for _, e := range b.cache.records[key{q.Name, q.Qtype}] {
		if left := e.expires.Sub(now); left > e.ttl/2 {
			list = append(list, &dns.PTR{Hdr: header(q.Name, dns.TypePTR, left), Ptr: e.target})
		}
	}
	slices.SortFunc(list, func(a, b dns.RR) int { return strings.Compare(a.(*dns.PTR).Ptr, b.(*dns.PTR).Ptr) })
	return list
}

// instances are those that br is about and of which the place is known, by their
// names in lower case. near tells of an address that it is in the link's subnets.
func (b *browser) instances(br *browse, near func(netip.Addr) bool) map[string]Instance {
	all := make(map[string]Instance)
	for d, e := range b.cache.records[key{br.pointer, dns.TypePTR}] {
		if _, found := br.found[d.target]; e.leaving && !found {
			continue // too late to be found
		}
		service, said := b.cache.newest(key{d.target, dns.TypeSRV}, order)
		host, placed := b.cache.newest(key{service.target, dns.TypeA}, func(a, b data) int {
			if n := near(a.address); n != near(b.address) {
				if n {
					return -1
				}
				return 1
			}
			return order(a, b)
		})
		if said == nil || placed == nil {
			continue
		}
		text, _ := b.cache.newest(key{d.target, dns.TypeTXT}, order)
		label, _ := cutLabel(e.target)
		all[d.target] = Instance{
			Name:    unescape(label),
			Type:    br.kind,
			Domain:  strings.TrimSuffix(domain, "."),
			Host:    unescape(strings.TrimSuffix(said.target, ".")),
			Address: host.address,
			Port:    service.port,
			Text:    unpackText(text.text),
		}
	}
	return all
}
