package remote

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"time"
)

const (
	// defaultInterval is the shortest of RFC 2974 §3.1.
	defaultInterval = 300 * time.Second
	// expireAfter is how many announcements a source may miss (RFC 2974 §4).
	expireAfter = 10
	// minPeriod is the shortest time between announcements reckoned with: one that
	// comes out of turn, as after a restart, must not make a source expire before
	// the next regular one. The RFC has an hour for it, which is long to look at
	// sources that are gone.
	minPeriod = 9 * time.Second
	// repeat is the time within which a second announcement is the same one heard
	// over another interface.
	repeat = time.Second
)

// sapKey is what SAP knows a session by (RFC 2974 §3).
type sapKey struct {
	origin netip.Addr
	hash   uint16
	// session is told apart only where the hash is 0, which means that there is none.
	session session
}

func keyOf(hash uint16, origin netip.Addr, s session) sapKey {
	k := sapKey{origin: origin.Unmap(), hash: hash}
	if hash == 0 {
		s.version = 0
		k.session = s
	}
	return k
}

// id is the known daemon's: the address and the hash as numbers, in the order of
// bytes they have in the memory of a PC.
func (k sapKey) id() string {
	if !k.origin.Is4() {
		return fmt.Sprintf("sap:%s-%d", k.origin, bits.ReverseBytes16(k.hash))
	}
	a := k.origin.As4()
	return fmt.Sprintf("sap:%d-%d", binary.LittleEndian.Uint32(a[:]), bits.ReverseBytes16(k.hash))
}

// SetInterval tells how often sources are expected to be announced, until their period
// is known. 0 or less stands for the shortest interval of RFC 2974 §3.1, 300 s.
func (t *Table) SetInterval(d time.Duration) {
	if d <= 0 {
		d = defaultInterval
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.interval = d
}

// Announced takes in an announcement by SAP heard at a time.
func (t *Table) Announced(hash uint16, origin netip.Addr, sdp string, at time.Time) {
	if t.announced(hash, origin, sdp, at) {
		t.changed()
	}
}

func (t *Table) announced(hash uint16, origin netip.Addr, sdp string, at time.Time) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name, s := describe(sdp)
	key := keyOf(hash, origin, s)
	if e := t.sap[key]; e != nil {
		if e.SDP != sdp {
			// A change is announced at once, so the time since says nothing of
			// the period.
			e.SDP, e.Name, e.session, e.seen = sdp, name, s, at
			return true
		}
		if since := at.Sub(e.seen); since >= repeat {
			e.period, e.seen = since, at
		}
		return false
	}
	e := &entry{
		Source:  Source{Source: "SAP", Name: name, Address: key.origin.String(), SDP: sdp},
		session: s, seen: at, period: t.interval,
	}
	// A version of a session has its own hash, so this may be one we know (RFC 2974
	// §5). It counts what is announced now: after a restart that may be less than before.
	var replaced []sapKey
	for k, other := range t.sap {
		if k.origin != key.origin || !s.other(other.session) {
			continue
		}
		if s.version < other.session.version && at.Sub(other.seen) < 2*other.period {
			return false // an old announcement still under way
		}
		e.period = other.period
		replaced = append(replaced, k)
	}
	for _, k := range replaced {
		delete(t.sap, k)
	}
	if len(t.sap) >= maxSources {
		t.evict()
	}
	e.ID = key.id()
	if hash == 0 {
		e.ID = t.unique(e.ID)
	}
	t.sap[key] = e
	t.log.Debug("source announced", "by", "SAP", "name", name, "origin", key.origin, "id", e.ID)
	return true
}

// Deleted takes in a deletion by SAP. payload is what came with it, of which there may
// be nothing, or an o= line only.
func (t *Table) Deleted(hash uint16, origin netip.Addr, payload string) {
	if t.deleted(hash, origin, payload) {
		t.changed()
	}
}

func (t *Table) deleted(hash uint16, origin netip.Addr, payload string) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, s := describe(payload)
	key := keyOf(hash, origin, s)
	e := t.sap[key]
	if e == nil {
		return false
	}
	delete(t.sap, key)
	t.log.Debug("source deleted", "by", "SAP", "name", e.Name, "origin", key.origin, "id", e.ID)
	return true
}

// expire lets go of the sources that are no longer announced.
func (t *Table) expire(now time.Time) {
	t.mu.Lock()
	before := len(t.sap)
	for k, e := range t.sap {
		if silence := now.Sub(e.seen); silence > expireAfter*max(e.period, minPeriod) {
			delete(t.sap, k)
			t.log.Info("source is no longer announced", "by", "SAP", "name", e.Name, "origin", k.origin, "silent_for", silence)
		}
	}
	changed := len(t.sap) != before
	t.mu.Unlock()
	if changed {
		t.changed()
	}
}

// evict makes room by letting go of the source not heard of for longest. Called with
// t.mu held.
func (t *Table) evict() {
	var oldest sapKey
	var e *entry
	for k, other := range t.sap {
		if e == nil || other.seen.Before(e.seen) {
			oldest, e = k, other
		}
	}
	delete(t.sap, oldest)
	t.log.Debug("too many sources announced, forgetting the one not heard of for longest", "most", maxSources, "name", e.Name, "origin", oldest.origin)
}
