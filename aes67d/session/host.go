package session

import (
	"context"
	"net"
	"net/netip"
	"sync"
)

// host is one that a source is sent to, on the network of the interface with this index.
type host struct {
	index   int
	address netip.Addr
}

// whereabouts are what has come of looking for a host.
type whereabouts struct {
	mac net.HardwareAddr
	err error
}

// look looks for the hosts that sources are sent to, all at once and before a change: that
// one is not there takes a second to find out, and others would wait for their turn
// meanwhile.
func (m *Manager) look(ctx context.Context, in Settings, sources ...*source) map[host]*whereabouts {
	found := make(map[host]*whereabouts)
	var all sync.WaitGroup
	for _, s := range sources {
		if s == nil || !s.Enabled {
			continue
		}
		for port, local := range in.Addresses {
			h := host{in.Interfaces[port].Index, s.destination(in, port)}
			if !local.IsValid() || h.address.IsMulticast() || found[h] != nil {
				continue
			}
			w := new(whereabouts)
			found[h] = w
			all.Go(func() { w.mac, w.err = m.Resolve(ctx, h.index, h.address) })
		}
	}
	all.Wait()
	return found
}
