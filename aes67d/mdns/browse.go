package mdns

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Instance is a service that somebody on the network offers (RFC 6763 §4.1).
type Instance struct {
	// Name is what people see, unescaped: any bytes up to 63, by the standard UTF-8.
	Name string
	// Type is such as "_rtsp._tcp", also where a subtype was browsed for.
	Type string
	// Domain is "local".
	Domain string
	// Host is the name of the host, such as "studio.local".
	Host string
	// Address is one of the host's, if there is one in a subnet of the link.
	Address netip.Addr
	Port    uint16
	// Text holds "key=value" strings (RFC 6763 §6), nil where there are none.
	Text []string
	// Interface is the index of the network interface it was found on.
	Interface int
	// Own tells that it is ours, published on this [Responder]. It stays so until a
	// service taken back is gone.
	Own bool
}

// browse is what one caller of Browse wants.
type browse struct {
	// kind is the type, such as "_rtsp._tcp".
	kind string
	// pointer is the name in lower case under which instances are listed, suffix
	// the one that theirs have after the label.
	pointer, suffix string
	emit            func(found bool, i Instance)
	stopped         atomic.Bool
	// found is what has been reported, by the instance's name in lower case.
	found map[string]Instance
}

func newBrowse(serviceType, subtypeName string, emit func(bool, Instance)) *browse {
	b := &browse{kind: serviceType, suffix: strings.ToLower(serviceType + "." + domain), emit: emit}
	if b.pointer = b.suffix; subtypeName != "" {
		b.pointer = strings.ToLower(subtype(subtypeName, b.suffix))
	}
	return b
}

// has tells whether name is one that an instance may have.
func (b *browse) has(name string) bool {
	label, suffix := cutLabel(name)
	return label != "" && suffix == b.suffix
}

// Browse reports others' and our own services of a type such as "_rtsp._tcp", or only
// those of a subtype such as "_ravenna_session" where that is not empty, until stop is
// called. Before Run or during it.
//
// emit is called with true when an instance has been found or has changed, with false
// when it has gone; an instance is its name, whatever links it is seen on. Calls come
// one at a time from Run, which waits for each to return. One may still be on its way
// when stop returns. If Run fails, all that was found is reported gone; if Run's
// context ends, nothing is.
func (r *Responder) Browse(serviceType, subtypeName string, emit func(found bool, i Instance)) (stop func()) {
	b := newBrowse(serviceType, subtypeName, emit)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.setBrowses(append(slices.Clone(r.browses), b))
	return func() {
		b.stopped.Store(true)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.setBrowses(slices.DeleteFunc(slices.Clone(r.browses), func(other *browse) bool { return other == b }))
	}
}

// setBrowses tells the links what to browse for. Called with r.mu held.
func (r *Responder) setBrowses(browses []*browse) {
	r.browses = browses
	for _, l := range r.links {
		l.browser.browse(time.Now(), browses)
	}
	r.poke()
}

// report compares what the links have now with what has been reported, and sets down
// the difference for deliver. Called with r.mu held.
func (r *Responder) report() {
	for _, b := range r.browses {
		now := make(map[string]Instance)
		for _, l := range r.links {
			for name, i := range l.instances(time.Now(), b) {
				// The link it was first found on, as long as it is there.
				if _, ok := now[name]; !ok || i.Interface == b.found[name].Interface {
					now[name] = i
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(b.found)) {
			if _, ok := now[name]; !ok {
				r.tell(b, false, b.found[name])
			}
		}
		for _, name := range slices.Sorted(maps.Keys(now)) {
			if before, ok := b.found[name]; !ok || !reflect.DeepEqual(before, now[name]) {
				r.tell(b, true, now[name])
			}
		}
		b.found = now
	}
}

func (r *Responder) tell(b *browse, found bool, i Instance) {
	r.events = append(r.events, func() {
		if !b.stopped.Load() {
			b.emit(found, i)
		}
	})
}

// deliver calls those who want to be told. It is called without r.mu, so they may use
// the responder.
func (r *Responder) deliver() {
	r.mu.Lock()
	events := r.events
	r.events = nil
	r.mu.Unlock()
	for _, event := range events {
		event()
	}
}
