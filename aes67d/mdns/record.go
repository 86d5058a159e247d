package mdns

import (
	"time"

	"github.com/miekg/dns"
)

// cacheFlush is the top bit of a record's class: "forget all others of this name and
// type" (RFC 6762 §10.2). The same bit in a question asks for a unicast answer (§5.4).
const cacheFlush = 1 << 15

// record is one of ours on one link.
type record struct {
	// rr has its full time to live and a plain class.
	rr dns.RR
	// unique tells that nobody else may have records of this name (§2).
	unique bool
	// sent is when it was last multicast on the link, zero if never.
	sent time.Time
	// due is when it is to be multicast as an answer, zero if nobody has asked.
	due time.Time
}

// negative tells that the record says which types its name does not have (§6.1).
func (r *record) negative() bool { return r.rr.Header().Rrtype == dns.TypeNSEC }

// ttl is how long others may keep the record.
func (r *record) ttl() time.Duration { return time.Duration(r.rr.Header().Ttl) * time.Second }

// onWire is the record as it is sent to those who know Multicast DNS.
func (r *record) onWire(ttl time.Duration) dns.RR {
	rr := dns.Copy(r.rr)
	rr.Header().Ttl = uint32(ttl / time.Second)
	if r.unique {
		rr.Header().Class |= cacheFlush
	}
	return rr
}

// legacy is the record as it is sent to those who do not (§6.7).
func (r *record) legacy() dns.RR {
	rr := dns.Copy(r.rr)
	rr.Header().Ttl = uint32(min(r.ttl(), legacyTTL) / time.Second)
	return rr
}

// answers tells whether the record answers q. A negative record answers what its
// name has no record for.
func (r *record) answers(q dns.Question) bool {
	h := r.rr.Header()
	if !sameName(h.Name, q.Name) {
		return false
	}
	if class := q.Qclass &^ cacheFlush; class != dns.ClassINET && class != dns.ClassANY {
		return false
	}
	if nsec, ok := r.rr.(*dns.NSEC); ok {
		if q.Qtype == dns.TypeANY {
			return false
		}
		for _, has := range nsec.TypeBitMap {
			if has == q.Qtype {
				return false
			}
		}
		return true
	}
	return q.Qtype == h.Rrtype || q.Qtype == dns.TypeANY
}

// header returns the beginning of a record of ours.
func header(name string, kind uint16, ttl time.Duration) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: uint32(ttl / time.Second)}
}

// none is the record which says that name has these types and no others.
func none(name string, ttl time.Duration, has ...uint16) *record {
	return &record{unique: true, rr: &dns.NSEC{
		Hdr: header(name, dns.TypeNSEC, ttl), NextDomain: name, TypeBitMap: has,
	}}
}

// equal tells whether two records say the same, whatever their times to live.
func equal(a, b dns.RR) bool {
	x, y := a.Header(), b.Header()
	// Most pairs differ here, which costs less to see.
	return x.Rrtype == y.Rrtype && sameName(x.Name, y.Name) && dns.IsDuplicate(plain(a), plain(b))
}

// plain returns rr without the cache-flush bit.
func plain(rr dns.RR) dns.RR {
	if rr.Header().Class&cacheFlush == 0 {
		return rr
	}
	rr = dns.Copy(rr)
	rr.Header().Class &^= cacheFlush
	return rr
}
