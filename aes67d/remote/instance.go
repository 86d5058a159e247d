package remote

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// Backoff between connections to an instance.
const (
	firstAgain = time.Second
	lastAgain  = time.Minute
)

// Instance is a RAVENNA session that was found by DNS-SD: an instance of _rtsp._tcp
// with the subtype _ravenna_session.
type Instance struct {
	// Name is the instance's label, not escaped.
	Name string
	// Domain is such as "local".
	Domain string
	// Address is where its RTSP server is.
	Address netip.AddrPort
}

type instanceKey struct{ name, domain string }

func (i Instance) key() instanceKey { return instanceKey{i.Name, i.Domain} }

// instance is one that is there. Found at another address, it becomes a new one.
type instance struct {
	Instance
	// entry is nil until it was described.
	entry *entry
}

// Found takes in an instance that is there, before Run or during it. It may be
// reported again, at the same address or at another one.
func (t *Table) Found(i Instance) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.instances[i.key()]
	switch {
	case known == nil && len(t.instances) >= maxInstances:
		t.log.Warn("too many RTSP sources, leaving one out", "most", maxInstances, "name", i.Name, "address", i.Address)
		return
	case known == nil:
		t.instances[i.key()] = &instance{Instance: i}
	case known.Address != i.Address:
		// What it was is shown until it has answered at the new address.
		t.instances[i.key()] = &instance{Instance: i, entry: known.entry}
	}
	t.poke()
}

// Lost takes in that the instance of this name is no longer there.
func (t *Table) Lost(name, domain string) {
	t.mu.Lock()
	key := instanceKey{name, domain}
	i := t.instances[key]
	delete(t.instances, key)
	t.poke()
	t.mu.Unlock()
	if i != nil && i.entry != nil {
		t.log.Debug("source is gone", "by", "mDNS", "name", name, "id", i.entry.ID)
		t.changed()
	}
}

// poke makes Run look at the instances anew.
func (t *Table) poke() {
	select {
	case t.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// attend makes following hold exactly the instances there are: it begins to follow
// new ones and ends what goes on for those that are gone.
func (t *Table) attend(ctx context.Context, following map[*instance]context.CancelFunc, wg *sync.WaitGroup) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, cancel := range following {
		if t.instances[i.key()] != i {
			cancel()
			delete(following, i)
		}
	}
	for _, i := range t.instances {
		if following[i] == nil {
			ctx, cancel := context.WithCancel(ctx)
			following[i] = cancel
			wg.Go(func() { t.keepFollowing(ctx, i) })
		}
	}
}

// keepFollowing follows an instance until ctx ends. A server that ends every
// connection soon is asked less and less often.
func (t *Table) keepFollowing(ctx context.Context, i *instance) {
	again := firstAgain
	for {
		begin := time.Now()
		err := t.follow(ctx, i.Address, "/by-name/"+i.Name, func(sdp string) { t.described(i, sdp) })
		if ctx.Err() != nil {
			return
		}
		if time.Since(begin) >= lastAgain {
			again = firstAgain
		}
		level := slog.LevelDebug
		if again == firstAgain {
			level = slog.LevelInfo // once is enough
		}
		t.log.Log(ctx, level, "cannot follow a source by RTSP", "name", i.Name, "error", err, "again_in", again)
		select {
		case <-ctx.Done():
			return
		case <-time.After(again):
		}
		again = min(2*again, lastAgain)
	}
}

// described takes in the SDP of an instance.
func (t *Table) described(i *instance, sdp string) {
	if t.update(i, sdp) {
		t.changed()
	}
}

func (t *Table) update(i *instance, sdp string) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.instances[i.key()] != i {
		return false // it went while it was answering
	}
	address := i.Address.Addr().String()
	if old := i.entry; old != nil && old.SDP == sdp {
		changed = old.Address != address
		old.Address, old.seen = address, time.Now()
		return changed
	}
	i.entry = &entry{seen: time.Now(), Source: Source{
		Source: "mDNS", ID: t.unique(fmt.Sprintf("rtsp:%x", crc16(sdp))),
		Name: i.Name, Domain: i.Domain, Address: address, SDP: sdp,
	}}
	t.log.Debug("source described", "by", "mDNS", "name", i.Name, "address", i.Address, "id", i.entry.ID)
	return true
}
