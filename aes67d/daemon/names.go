package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"aes67os/aes67d/mdns"
	"aes67os/aes67d/remote"
	"aes67os/aes67d/session"
)

// RAVENNA's services: every node is one of both types with the subtype nodeSubtype; every
// source is one more of RTSP, with the subtype sessionSubtype, by whose name its SDP is
// asked for.
const (
	httpService    = "_http._tcp"
	rtspService    = "_rtsp._tcp"
	nodeSubtype    = "_ravenna"
	sessionSubtype = "_ravenna_session"
)

// bunch is how long changes are gathered: many come together, and a source that is removed
// and put again meanwhile stays known.
const bunch = 20 * time.Millisecond

// namesAgain is how long to wait before the network is tried again.
const namesAgain = 5 * time.Second

// node is how this host is found.
type node struct {
	// name is the node's identity.
	name string
	// http and rtsp are ports.
	http, rtsp uint16
	// page is the port of a web page to be found by the host's name, 0 for none.
	page uint16
	// loopback: all happens on this host, and its own sources are found like others'.
	loopback bool
}

// names makes this host, its page and its sources known by name, and finds others'
// sources. Whatever goes wrong is logged and tried again: audio does not depend on it.
type names struct {
	log  *slog.Logger
	wake chan struct{}
	// found and lost are told of others' sources.
	found func(remote.Instance)
	lost  func(name, domain string)
	// renamed is told that a source of ours is found by another name.
	renamed func()

	mu      sync.Mutex
	enabled bool
	node    node
	sources []session.Announcement
	// taken has the names of sources that had to take another one, by id.
	taken map[int]taken
	// others has the sources of others that are there, by name and domain.
	others map[[2]string]bool
}

// taken is a name that was wanted, and the one had instead.
type taken struct{ wanted, name string }

// configure sets how this host is found; unless enabled, only by its page.
func (n *names) configure(enabled bool, as node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.enabled != enabled || n.node != as {
		n.enabled, n.node = enabled, as
		poke(n.wake)
	}
}

// sessions sets the sources to be found.
func (n *names) sessions(list []session.Announcement) {
	n.mu.Lock()
	defer n.mu.Unlock()
	same := slices.EqualFunc(n.sources, list, func(a, b session.Announcement) bool { return a.ID == b.ID && a.Name == b.Name })
	n.sources = list
	if !same { // mostly only the SDP has changed, which is asked for by RTSP
		poke(n.wake)
	}
}

// nameOf is the name by which the source is found.
func (n *names) nameOf(a session.Announcement) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t, ok := n.taken[a.ID]; ok && t.wanted == a.Name {
		return t.name
	}
	return a.Name
}

func (n *names) rename(id int, wanted, name string) {
	n.mu.Lock()
	if n.taken == nil {
		n.taken = make(map[int]taken)
	}
	n.taken[id] = taken{wanted, name}
	n.mu.Unlock()
	n.renamed()
}

// run does its work until ctx ends.
func (n *names) run(ctx context.Context) {
	for {
		err := n.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil { // it begins anew with other links
			continue
		}
		n.log.Warn("cannot make names known on the network", "error", err, "again_in", namesAgain)
		select {
		case <-ctx.Done():
		case <-time.After(namesAgain):
		}
	}
}

func (n *names) once(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("find the host's name: %w", err)
	}
	host, _, _ = strings.Cut(host, ".")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n.mu.Lock()
	loopback := n.node.loopback
	n.mu.Unlock()
	links, err := mdns.WatchLinks(ctx, loopback, n.log)
	if err != nil {
		return err
	}
	socket, err := mdns.Open(ctx)
	if err != nil {
		return err
	}
	r := mdns.New(host, socket, links, n.log)
	var publishing sync.WaitGroup
	defer publishing.Wait()
	defer cancel()
	publishing.Go(func() {
		defer cancel()
		n.publish(ctx, r, loopback)
	})
	return r.Run(ctx)
}

// wish is a service that is to be known.
type wish struct {
	// source is the id of a source, -1 for another service.
	source        int
	kind, subtype string
	instance      string
	port          uint16
}

// publish keeps what r makes known, and looks for, in step with what is wanted, until
// that is no longer to be on the same links.
func (n *names) publish(ctx context.Context, r *mdns.Responder, loopback bool) {
	known := map[wish]func(){}
	var stop func()
	for {
		wanted, as, enabled := n.wanted()
		if as.loopback != loopback {
			n.forget()
			return
		}
		for w, withdraw := range known {
			if !wanted[w] {
				withdraw()
				delete(known, w)
			}
		}
		for w := range wanted {
			if known[w] == nil {
				known[w] = r.Publish(n.service(w))
			}
		}
		if enabled && stop == nil {
			stop = r.Browse(rtspService, sessionSubtype, n.seen)
		} else if !enabled && stop != nil {
			stop()
			stop = nil
			n.forget()
		}
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(bunch):
		}
	}
}

func (n *names) wanted() (all map[wish]bool, as node, enabled bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all = map[wish]bool{}
	if n.node.page != 0 {
		all[wish{source: -1, kind: httpService, port: n.node.page}] = true
	}
	if !n.enabled {
		return all, n.node, false
	}
	all[wish{source: -1, kind: httpService, subtype: nodeSubtype, instance: n.node.name, port: n.node.http}] = true
	all[wish{source: -1, kind: rtspService, subtype: nodeSubtype, instance: n.node.name, port: n.node.rtsp}] = true
	for _, a := range n.sources {
		all[wish{source: a.ID, kind: rtspService, subtype: sessionSubtype, instance: a.Name, port: n.node.rtsp}] = true
	}
	return all, n.node, true
}

func (n *names) service(w wish) mdns.Service {
	s := mdns.Service{Instance: w.instance, Type: w.kind, Port: w.port}
	if w.subtype != "" {
		s.Subtypes = []string{w.subtype}
	}
	if w.kind == httpService {
		s.Text = []string{"path=/"}
	}
	if w.source >= 0 {
		s.OnRename = func(name string) { n.rename(w.source, w.instance, name) }
	}
	return s
}

// seen takes in a source of somebody's.
func (n *names) seen(found bool, i mdns.Instance) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.enabled {
		return
	}
	if n.others == nil {
		n.others = make(map[[2]string]bool)
	}
	key := [2]string{i.Name, i.Domain}
	if found && (!i.Own || n.node.loopback) && i.Address.IsValid() {
		n.others[key] = true
		n.found(remote.Instance{Name: i.Name, Domain: i.Domain, Address: netip.AddrPortFrom(i.Address, i.Port)})
		return
	}
	if n.others[key] {
		delete(n.others, key)
		n.lost(i.Name, i.Domain)
	}
}

// forget takes all sources of others for gone: nobody will tell when they are.
func (n *names) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for key := range n.others {
		n.lost(key[0], key[1])
	}
	clear(n.others)
}
