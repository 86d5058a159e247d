package mdns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"aes67os/aes67d/wire"
)

// Responder announces a host and its services, and finds those of others. Make one
// with [New]; its methods are safe for concurrent use.
type Responder struct {
	wire    Wire
	changes <-chan []Link
	log     *slog.Logger
	wake    chan struct{}

	mu        sync.Mutex
	host      *claim
	services  []*claim
	links     []*link
	conflicts conflicts
	browses   []*browse
	// events are calls to make once mu is free.
	events []func()
}

// New returns a responder for the host of this name (one label, without ".local").
// changes brings the links to announce on, all of them whenever one has changed.
func New(hostname string, wire Wire, changes <-chan []Link, log *slog.Logger) *Responder {
	return &Responder{
		wire:    wire,
		changes: changes,
		log:     log,
		wake:    make(chan struct{}, 1),
		host:    &claim{wish: hostname, attempt: 1},
	}
}

// Publish adds a service, before Run or during it. The function it returns takes
// the service back. It takes up to a second until the service is announced, because
// its name is probed for (RFC 6762 §8.1).
func (r *Responder) Publish(s Service) (withdraw func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Instance == "" {
		s.Instance = r.host.wish
	}
	c := &claim{wish: s.Instance, service: &s}
	if r.next(c); c.label() != s.Instance {
		r.renamed(c)
	}
	r.services = append(r.services, c)
	now := time.Now()
	for _, l := range r.links {
		l.add(c, r.host, l.start(now))
	}
	r.poke()
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.services = slices.DeleteFunc(r.services, func(other *claim) bool { return other == c })
		for _, l := range r.links {
			l.goodbye(time.Now(), func(other *claim) bool { return other == c })
		}
	}
}

// poke makes Run look at the clock anew.
func (r *Responder) poke() {
	select {
	case r.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// next gives c the next name that no other of our claims has.
func (r *Responder) next(c *claim) {
	for c.attempt++; ; c.attempt++ {
		if !slices.ContainsFunc(r.services, func(other *claim) bool {
			return other != c && sameName(other.name(), c.name())
		}) {
			return
		}
	}
}

// renamed tells the owner of a service that it has another name.
func (r *Responder) renamed(c *claim) {
	if c.service != nil && c.service.OnRename != nil {
		name := c.label()
		r.events = append(r.events, func() { c.service.OnRename(name) })
	}
}

// Run answers and browses until ctx ends, says goodbye and returns nil. It returns an
// error when the wire or the list of links fails. In either case it closes the wire.
func (r *Responder) Run(ctx context.Context) error {
	packets, failed, stop := wire.Pump(r.wire.Receive, r.wire.Close)
	defer stop()

	err := r.loop(ctx, packets, failed)
	if err != nil {
		r.forget()
	}
	return err
}

// loop does what is due and what packets and changes ask for.
func (r *Responder) loop(ctx context.Context, packets <-chan Packet, failed <-chan error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			r.goodbye()
			return nil
		case err := <-failed:
			return fmt.Errorf("receive multicast DNS: %w", err)
		case links, ok := <-r.changes:
			if !ok && ctx.Err() != nil {
				r.goodbye() // whoever lists the links has heard of the end before us
				return nil
			}
			if !ok {
				return errors.New("the list of network links has ended")
			}
			r.setLinks(links)
		case p := <-packets:
			r.handle(p)
		case <-r.wake:
		case <-timer.C:
		}
		next := r.work()
		r.deliver()
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
	}
}

// work does what is due and returns when there will be more to do, zero for never.
func (r *Responder) work() (next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	changed := false
	for _, l := range r.links {
		changed = l.run(now) || changed
		next = earlier(next, l.next())
	}
	if changed {
		r.report()
	}
	return next
}

// handle gives a packet to the link it came over.
func (r *Responder) handle(p Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, l := range r.links {
		if l.Index == p.Link {
			for _, c := range l.handle(now, p) {
				r.rename(c, now, p.Peer.Addr())
			}
		}
	}
}

// rename gives up the name of c, which holder has, and claims the next one.
func (r *Responder) rename(c *claim, now time.Time, holder netip.Addr) {
	start := now.Add(r.conflicts.add(now))
	taken := c.name()
	r.next(c)
	r.renamed(c)
	r.log.Warn("the name is taken on the network, using another", "name", taken, "holder", holder, "instead", c.name())
	for _, l := range r.links {
		l.renew(c, r.host, probing, start)
		if c != r.host {
			continue
		}
		// The services stay where they are and say the new name of the host, once
		// it has had time to be ours.
		for _, s := range r.services {
			l.renew(s, r.host, announcing, start.Add(probes*probeInterval))
		}
	}
}

// setLinks takes in the links there are now.
func (r *Responder) setLinks(now []Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.links)
	r.links = slices.DeleteFunc(r.links, func(l *link) bool {
		if slices.ContainsFunc(now, func(n Link) bool { return n.Index == l.Index }) {
			return false
		}
		// Nobody can be told any more; what others remember of us ends by itself.
		r.log.Info("network link is gone", "link", l.Name)
		if err := r.wire.Leave(l.Index); err != nil {
			r.log.Debug("leave the group", "link", l.Name, "error", err)
		}
		return true
	})
	if len(r.links) < before {
		r.report() // what was found there is gone, or found on another link
	}
	for _, n := range now {
		i := slices.IndexFunc(r.links, func(l *link) bool { return l.Index == n.Index })
		if i < 0 {
			r.addLink(n)
			continue
		}
		if l := r.links[i]; !slices.Equal(l.Addresses, n.Addresses) {
			r.log.Info("addresses have changed", "link", n.Name, "addresses", n.Addresses)
			l.Link = n
			// The name is ours already; its new data replaces the old in others'
			// caches (§8.4).
			l.renew(r.host, r.host, announcing, time.Now())
			l.browser.due = time.Now() // another address of others may be the near one
		}
	}
}

func (r *Responder) addLink(n Link) {
	if err := r.wire.Join(n.Index); err != nil {
		r.log.Warn("cannot announce on a network link", "link", n.Name, "error", err)
		return
	}
	l := &link{Link: n, own: r.own, send: r.send, left: make(map[string]time.Time)}
	start := time.Now().Add(between(0, probeInterval))
	l.add(r.host, r.host, start)
	for _, c := range r.services {
		l.add(c, r.host, start)
	}
	l.browser.browse(time.Now(), r.browses)
	r.links = append(r.links, l)
	r.log.Info("announcing", "name", r.host.name(), "link", n.Name, "addresses", n.Addresses)
}

// own tells whether a is an address of this host. Called with r.mu held.
func (r *Responder) own(a netip.Addr) bool {
	return slices.ContainsFunc(r.links, func(l *link) bool {
		return slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == a })
	})
}

// send is best effort, as the network is: all that matters is sent more than once.
func (r *Responder) send(p Packet) {
	if err := r.wire.Send(p); err != nil && !errors.Is(err, net.ErrClosed) {
		r.log.Debug("cannot send", "link", p.Link, "to", p.Peer, "error", err)
	}
}

// goodbye takes everything back.
func (r *Responder) goodbye() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.links {
		l.goodbye(time.Now(), func(*claim) bool { return true })
	}
}

// forget reports all that was found gone.
func (r *Responder) forget() {
	r.mu.Lock()
	r.links = nil
	r.report()
	r.mu.Unlock()
	r.deliver()
}
