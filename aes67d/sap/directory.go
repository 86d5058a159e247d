package sap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"aes67os/aes67d/netif"
	"aes67os/aes67d/wire"
)

// Directory announces sessions and hears of others'. Make one with [New]; its methods
// are safe for concurrent use, before Run and during it.
type Directory struct {
	wire Wire
	emit func(Event)
	log  *slog.Logger
	wake chan struct{}

	mu    sync.Mutex
	group netip.Addr
	// fixed is the interval, 0 for RFC 2974's.
	fixed time.Duration
	links []*link
	// announced has what is announced now, by its key.
	announced map[string]*ad
	// ads has that and what was deleted of late, by hash.
	ads map[uint16]*ad
	// swept is when what may be forgotten was last taken out of ads.
	swept  time.Time
	others census
	// ended tells that everything has been taken back.
	ended bool
}

// New returns a directory that announces nothing on no interface, to [LocalGroup] every
// 30 s. It calls emit from Run, for one packet at a time, for all that others say,
// repetitions too; emit must not block.
//
// Our own packets, which come back to us because other programs on this host shall hear
// them, are not told, unless all interfaces are loopback ones: who uses only these
// wants to try out, and has nobody else to hear.
func New(wire Wire, emit func(Event), log *slog.Logger) *Directory {
	return &Directory{
		wire:      wire,
		emit:      emit,
		log:       log,
		wake:      make(chan struct{}, 1),
		group:     LocalGroup,
		fixed:     defaultInterval,
		announced: make(map[string]*ad),
		ads:       make(map[uint16]*ad),
		others:    make(census),
	}
}

// Set makes entries all that is announced. What is new or has changed is announced at
// once, what is gone is deleted. Of two with the same key the first counts. The error
// tells of those that cannot be announced, because their origin is no IPv4 address.
func (d *Directory) Set(entries []Entry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return nil
	}
	now := time.Now()
	if now.Sub(d.swept) >= time.Second {
		d.swept = now
		maps.DeleteFunc(d.ads, func(_ uint16, a *ad) bool { return a.forgotten(now) })
	}
	next := make(map[string]*ad, len(entries))
	var errs []error
	for _, e := range entries {
		if next[e.Key] != nil {
			continue
		}
		old := d.announced[e.Key]
		if old != nil && old.Entry == e {
			next[e.Key] = old
			continue
		}
		a, err := d.advertise(e, now)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		next[e.Key] = a
		d.log.Debug("announce by SAP", "session", e.Key, "hash", a.hash, "origin", e.Origin)
		if len(a.announce) > unfragmented && (old == nil || len(old.announce) <= unfragmented) {
			d.log.Warn("the session description is too long for one packet, some receivers will miss it; use fewer channels or shorter names",
				"session", e.Key, "bytes", len(a.announce), "most", unfragmented)
		}
		for _, l := range d.links {
			l.announce(a, d.group, now)
		}
	}
	for key, old := range d.announced {
		if next[key] != old {
			d.withdraw(old, now)
		}
	}
	d.announced = next
	d.poke()
	return errors.Join(errs...)
}

// advertise finds a hash for e that no other session of ours has. What was deleted a
// moment ago and comes back is the same as before.
func (d *Directory) advertise(e Entry, now time.Time) (*ad, error) {
	h := hashOf(e.SDP)
	for range math.MaxUint16 {
		a := d.ads[h]
		if a == nil || a.forgotten(now) {
			a, err := newAd(e, h)
			if err != nil {
				return nil, err
			}
			d.ads[h] = a
			return a, nil
		}
		if !a.forget.IsZero() && a.Origin == e.Origin && a.SDP == e.SDP {
			a.Entry, a.forget = e, time.Time{}
			return a, nil
		}
		h = after(h)
	}
	return nil, fmt.Errorf("announce %s: every hash is taken, try again in %v", e.Key, linger)
}

// withdraw deletes a, after what is announced in its place.
func (d *Directory) withdraw(a *ad, now time.Time) {
	d.log.Debug("delete by SAP", "session", a.Key, "hash", a.hash, "origin", a.Origin)
	a.forget = now.Add(linger)
	leaves := false
	for _, l := range d.links {
		l.withdraw(func(other *ad) bool { return other == a }, now.Add(pace))
		leaves = leaves || l.leaves(a)
	}
	if !leaves {
		delete(d.ads, a.hash) // nobody has heard of it
	}
}

// Configure chooses the group to announce to, and the interval. 0 is the interval of
// RFC 2974 §3.1, five minutes or more; others are without the random part.
func (d *Directory) Configure(group netip.Addr, interval time.Duration) error {
	if !group.Is4() || !group.IsMulticast() {
		return fmt.Errorf("announce by SAP to %s: not an IPv4 multicast group, use %s or %s", group, LocalGroup, GlobalGroup)
	}
	if interval < 0 {
		return fmt.Errorf("announce by SAP every %v: the interval cannot be negative", interval)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return nil
	}
	now := time.Now()
	if group != d.group {
		before := d.groups()
		d.group = group
		d.others = make(census) // it counts who is on the group
		for _, l := range d.links {
			d.leave(l, without(before, d.groups()))
			d.join(l, without(d.groups(), before))
			l.regroup(group, now)
		}
	}
	d.fixed = interval
	for _, l := range d.links {
		l.review(now)
	}
	d.poke()
	return nil
}

// groups are those listened on.
func (d *Directory) groups() []netip.Addr {
	list := []netip.Addr{GlobalGroup, LocalGroup}
	if !slices.Contains(list, d.group) {
		list = append(list, d.group)
	}
	return list
}

// without lists what is in a and not in b.
func without(a, b []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(a), func(g netip.Addr) bool { return slices.Contains(b, g) })
}

// SetInterfaces takes in the network interfaces to announce and listen on, all of them
// whenever one has changed. On one that is new, or has its carrier back, everything is
// announced at once. Those that have no multicast and are not loopback are passed over.
func (d *Directory) SetInterfaces(now []netif.Interface) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return
	}
	fit := make(map[int]netif.Interface, len(now))
	for _, i := range now {
		if i.Multicast || i.Loopback {
			fit[i.Index] = i
		}
	}
	d.links = slices.DeleteFunc(d.links, func(l *link) bool {
		i, ok := fit[l.Index]
		if ok && (l.Carrier || !i.Carrier) {
			l.Interface = i
			return false
		}
		// Nothing can be deleted there any more. After a new carrier the switch has
		// to be told of the memberships again, which joining anew does.
		d.log.Debug("SAP ends on an interface", "interface", l.Name)
		d.leave(l, d.groups())
		return true
	})
	for _, i := range now {
		known := slices.ContainsFunc(d.links, func(l *link) bool { return l.Index == i.Index })
		if _, ok := fit[i.Index]; ok && !known {
			d.addLink(i)
		}
	}
	d.poke()
}

func (d *Directory) addLink(i netif.Interface) {
	l := &link{Interface: i, send: d.send, interval: d.interval}
	d.join(l, d.groups())
	now := time.Now()
	for _, key := range slices.Sorted(maps.Keys(d.announced)) {
		l.announce(d.announced[key], d.group, now)
	}
	d.links = append(d.links, l)
	d.log.Debug("SAP begins on an interface", "interface", i.Name, "addresses", i.Addresses)
}

func (d *Directory) join(l *link, groups []netip.Addr) {
	for _, g := range groups {
		if err := d.wire.Join(l.Index, g); err != nil {
			d.log.Warn("some announcements will not be heard", "interface", l.Name, "error", err)
		}
	}
}

func (d *Directory) leave(l *link, groups []netip.Addr) {
	for _, g := range groups {
		if err := d.wire.Leave(l.Index, g); err != nil {
			d.log.Debug("leave a SAP group", "interface", l.Name, "error", err)
		}
	}
}

// poke makes Run look at the clock anew.
func (d *Directory) poke() {
	select {
	case d.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Run announces and listens until ctx ends, deletes everything, which takes 0.3 s at
// most, and returns nil. It returns an error when the wire fails. In either case it
// closes the wire, and the directory is of no more use.
func (d *Directory) Run(ctx context.Context) error {
	packets, failed, stop := wire.Pump(d.wire.Receive, d.wire.Close)
	defer stop()
	defer d.end()

	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return fmt.Errorf("receive SAP: %w", err)
		case p := <-packets:
			d.handle(p)
			continue // nothing to say has come of it
		case <-d.wake:
		case <-timer.C:
		}
		if next := d.work(); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
	}
}

// work says what is due and returns when there will be more to say, zero for never.
func (d *Directory) work() (next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for _, l := range d.links {
		if t := l.run(now); next.IsZero() || !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return next
}

// end deletes everything.
func (d *Directory) end() {
	now := time.Now()
	d.mu.Lock()
	d.ended = true
	for _, l := range d.links {
		l.withdraw(func(*ad) bool { return true }, now)
	}
	d.mu.Unlock()
	last := now.Add(shutdown)
	for next := d.work(); !next.IsZero() && next.Before(last); next = d.work() {
		time.Sleep(time.Until(next))
	}
}

// interval is how long an announcement of that many bytes waits for its next turn (RFC
// 2974 §3.1).
func (d *Directory) interval(size int) time.Duration {
	if d.fixed > 0 {
		return d.fixed
	}
	ads := len(d.announced) + d.others.count(time.Now())
	base := max(minInterval, time.Duration(8*ads*size)*time.Second/bandwidth)
	return base - base/3 + rand.N(base*2/3)
}

// send is best effort, as the network is.
func (d *Directory) send(p Datagram) {
	if err := d.wire.Send(p); err != nil && !errors.Is(err, net.ErrClosed) {
		d.log.Debug("cannot send SAP", "interface", p.Interface, "group", p.Group, "error", err)
	}
}

// handle takes in a packet. Whatever is not proper SAP of SDP is ignored.
func (d *Directory) handle(g Datagram) {
	p, err := Parse(g.Data)
	if err != nil {
		d.log.Debug("a SAP packet is ignored", "from", g.From, "error", err)
		return
	}
	if p.Type != TypeSDP {
		return
	}
	now := time.Now()
	if d.notice(g, p, now) {
		d.emit(Event{Packet: p, From: g.From, At: now})
	}
}

// notice takes note of a packet and tells whether it is to be told.
func (d *Directory) notice(g Datagram, p Packet, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.ContainsFunc(d.links, func(l *link) bool { return l.Index == g.Interface }) {
		return false // of an interface that we have just left
	}
	if a := d.ads[p.Hash]; a != nil && a.Origin == p.Origin && !a.forgotten(now) {
		return !slices.ContainsFunc(d.links, func(l *link) bool { return !l.Loopback })
	}
	if g.Group == d.group {
		d.others.hear(p, now)
	}
	return true
}
