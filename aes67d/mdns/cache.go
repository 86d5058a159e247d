package mdns

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Bounds of what is remembered of others on a link. A network that has more is not
// one that people browse.
const (
	maxRecords   = 4096
	maxInstances = 1024 // pointers from a type or subtype to an instance
	maxSame      = 8    // records of one name and type, pointers apart
	maxText      = 1300 // bytes of a service's text (RFC 6763 §6.2)
)

// Times to live are taken as no shorter and no longer than this. Others may say what
// they like; we neither ask for a record every second nor believe it for a year.
const (
	minTTL = 10 * time.Second
	maxTTL = otherTTL
)

// grace is how long a record lives on that was taken back or replaced (RFC 6762
// §10.1, §10.2).
const grace = time.Second

// key is what can be asked for: a name in lower case, and a type of record.
type key struct {
	name string
	kind uint16
}

// data is what a record of a browser's interest says, with names in lower case.
// Records of one key and equal data are the same.
type data struct {
	target  string     // of PTR and SRV
	port    uint16     // of SRV
	address netip.Addr // of A
	text    string     // of TXT: each string after a byte that has its length
}

// cached is a record that somebody said.
type cached struct {
	// target is data.target as it was written.
	target   string
	received time.Time
	ttl      time.Duration
	expires  time.Time
	// refresh is when to ask for it again if it is needed (RFC 6762 §5.2), zero for
	// not any more; asked counts. late is the random part of it.
	refresh time.Time
	asked   int
	late    time.Duration
	// leaving tells that it was taken back or replaced, needed that something browsed
	// for depends on it.
	leaving, needed bool
}

// cache has what was said on a link. Its methods are told the time.
type cache struct {
	records         map[key]map[data]*cached
	count, pointers int
	pruned          time.Time
}

// hear takes in records of which wants is true. It tells whether something is new or
// about to go.
func (c *cache) hear(now time.Time, said []dns.RR, wants func(key, data) bool) (changed bool) {
	late := rand.Float64() // one for all, so that they are asked for together
	for _, rr := range said {
		h := rr.Header()
		k := key{strings.ToLower(h.Name), h.Rrtype}
		d, target, ok := parse(rr)
		if !ok || h.Class&^cacheFlush != dns.ClassINET || !wants(k, d) {
			continue
		}
		// Pointers are shared: whoever flushes them does not speak for the others.
		if h.Class&cacheFlush != 0 && k.kind != dns.TypePTR {
			changed = c.flush(now, k, d) || changed
		}
		e := c.records[k][d]
		if h.Ttl == 0 {
			if e != nil {
				e.leave(now)
				changed = true
			}
			continue
		}
		if e == nil {
			if c.count >= maxRecords {
				c.prune(now)
			}
			if e = c.insert(k, d); e == nil {
				continue
			}
			changed = true
		}
		e.target = target
		e.renew(now, time.Duration(h.Ttl)*time.Second, late)
		if k.kind != dns.TypePTR && len(c.records[k]) > 1 {
			changed = true // another may be the newest now
		}
	}
	return changed
}

// renew begins the record's life anew.
func (e *cached) renew(now time.Time, ttl time.Duration, late float64) {
	e.received, e.ttl, e.asked = now, min(max(ttl, minTTL), maxTTL), 0
	e.leaving = false
	e.expires = now.Add(e.ttl)
	e.late = time.Duration(late * float64(e.ttl/50))
	e.schedule()
}

// schedule sets down when to ask again: at 80, 85, 90 and 95 % of the record's life,
// and up to 2 % later, so that not all who heard it ask at once (RFC 6762 §5.2).
func (e *cached) schedule() {
	if e.asked == 4 {
		e.refresh = time.Time{}
		return
	}
	e.refresh = e.received.Add(time.Duration(80+5*e.asked)*e.ttl/100 + e.late)
}

// leave lets the record go after the grace.
func (e *cached) leave(now time.Time) {
	if end := now.Add(grace); end.Before(e.expires) {
		e.expires = end
	}
	e.refresh = time.Time{}
	e.leaving = true
}

// flush lets go what was said before of k, other than d (RFC 6762 §10.2).
func (c *cache) flush(now time.Time, k key, d data) (changed bool) {
	for other, e := range c.records[k] {
		if other != d && !e.leaving && now.Sub(e.received) >= together(k.kind) {
			e.leave(now)
			changed = true
		}
	}
	return changed
}

// insert makes room for a record, or returns nil where there is none.
func (c *cache) insert(k key, d data) *cached {
	same := c.records[k]
	if k.kind == dns.TypePTR {
		if c.pointers >= maxInstances {
			return nil
		}
	} else if len(same) >= maxSame {
		c.remove(k, c.oldest(k))
	}
	if c.count >= maxRecords {
		return nil
	}
	if c.records == nil {
		c.records = make(map[key]map[data]*cached)
	}
	if c.records[k] == nil {
		c.records[k] = make(map[data]*cached)
	}
	e := new(cached)
	c.records[k][d] = e
	c.count++
	if k.kind == dns.TypePTR {
		c.pointers++
	}
	return e
}

func (c *cache) remove(k key, d data) {
	delete(c.records[k], d)
	if len(c.records[k]) == 0 {
		delete(c.records, k)
	}
	c.count--
	if k.kind == dns.TypePTR {
		c.pointers--
	}
}

func (c *cache) oldest(k key) (oldest data) {
	var at time.Time
	for d, e := range c.records[k] {
		if at.IsZero() || e.received.Before(at) {
			oldest, at = d, e.received
		}
	}
	return oldest
}

// prune removes what nobody has been found to need, unless it has just done so.
func (c *cache) prune(now time.Time) {
	if now.Sub(c.pruned) <= grace {
		return
	}
	c.pruned = now
	for k, same := range c.records {
		for d, e := range same {
			if !e.needed && now.Sub(e.received) > grace {
				c.remove(k, d)
			}
		}
	}
}

// together is how far apart records may come that belong together: a host may have
// several addresses, but a service one place and one text.
func together(kind uint16) time.Duration {
	if kind == dns.TypeA {
		return grace
	}
	return 0
}

// newest returns the record of k said last, nil where there is none. Of those that
// belong together it is the first in order.
func (c *cache) newest(k key, order func(a, b data) int) (best data, said *cached) {
	var last time.Time
	for _, e := range c.records[k] {
		if e.received.After(last) {
			last = e.received
		}
	}
	for d, e := range c.records[k] {
		if last.Sub(e.received) <= together(k.kind) && (said == nil || order(d, best) < 0) {
			best, said = d, e
		}
	}
	return best, said
}

// order is one of data, of no meaning but always the same.
func order(a, b data) int {
	return cmp.Or(
		strings.Compare(a.target, b.target), cmp.Compare(a.port, b.port),
		a.address.Compare(b.address), strings.Compare(a.text, b.text),
	)
}

// parse returns what rr says, and its target as written. It is not ok for types a
// browser has no use for, and for records without data.
func parse(rr dns.RR) (d data, target string, ok bool) {
	switch rr := rr.(type) {
	case *dns.PTR:
		target = rr.Ptr
	case *dns.SRV:
		target, d.port = rr.Target, rr.Port
	case *dns.A:
		d.address, ok = netip.AddrFromSlice(rr.A.To4())
		return d, "", ok
	case *dns.TXT:
		d.text = packText(rr.Txt)
		return d, "", true
	}
	d.target = strings.ToLower(target)
	return d, target, target != ""
}

// packText makes one string of those of a TXT record, as far as they have room.
func packText(text []string) string {
	var b strings.Builder
	for _, s := range text {
		s = unescape(s)
		if len(s) == 0 || len(s) > 255 {
			continue // an empty string means nothing (RFC 6763 §6.1)
		}
		if b.Len()+1+len(s) > maxText {
			break
		}
		b.WriteByte(byte(len(s)))
		b.WriteString(s)
	}
	return b.String()
}

// unpackText is the inverse of packText.
func unpackText(packed string) []string {
	var text []string
	for len(packed) > 0 {
		n := int(packed[0])
		text = append(text, packed[1:1+n])
		packed = packed[1+n:]
	}
	return text
}
