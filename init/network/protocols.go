package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"aes67os/init/api"
	"aes67os/init/network/acd"
	"aes67os/init/network/arp"
	"aes67os/init/network/dhcp"
	"aes67os/init/network/linklocal"
)

// startClient runs the DHCP client as long as the cable is in.
func (w *worker) startClient(ctx context.Context) {
	held := w.lease
	w.client = start(ctx, func(task context.Context) {
		client := &dhcp.Client{
			HardwareAddr: w.hw,
			Hostname:     w.hostname,
			Sockets:      dhcp.Interface(w.name),
			Timings:      w.timings.DHCP,
			Log:          w.log.With("interface", w.name),
			Handler: leaseHandler{
				bound: func(l *dhcp.Lease) { w.call(task, func() { w.bound(ctx, l) }) },
				lost:  func(err error) { w.call(task, func() { w.lost(ctx, err) }) },
			},
		}
		client.Run(task, held)
	})
}

// bound configures a lease. From here on the link-local address is not needed: a
// routable address is preferred (RFC 3927 §1.9).
func (w *worker) bound(ctx context.Context, l *dhcp.Lease) {
	fresh := w.lease == nil || w.lease.Address != l.Address
	if !fresh && w.confirmed {
		w.log.Debug(fmt.Sprintf("%s: lease of %s extended by DHCP server %s to %s", w.name, l.Address, l.Server, lifetime(l.Lifetime)))
	} else {
		verb := "got"
		if !fresh {
			verb = "kept"
		}
		w.log.Info(fmt.Sprintf("%s: %s %s from DHCP server %s, lease %s", w.name, verb, l.Address, l.Server, lifetime(l.Lifetime)))
	}
	guarded := w.guard != nil && !fresh
	w.fallback.stop()
	w.fallback = nil
	w.linkLocal, w.claimed = netip.Addr{}, netip.Addr{}
	w.lease, w.confirmed = l, true
	if w.settings.mtu == 0 {
		if err := w.kernel.mtu(l.MTU); err != nil {
			w.log.Warn(fmt.Sprintf("%s: the DHCP server asks for an MTU of %d bytes, which cannot be set", w.name, l.MTU), "error", err)
		}
	}
	w.apply()
	if !guarded {
		w.guard.stop()
		w.conflict = ""
		w.startGuard(ctx, l.Address.Addr(), false)
	}
	w.publish()
}

// lost removes the lease's address.
func (w *worker) lost(ctx context.Context, why error) {
	w.log.Warn(fmt.Sprintf("%s: lost %s: %v", w.name, w.lease.Address, why))
	w.guard.stop()
	w.guard, w.conflict = nil, ""
	w.lease, w.confirmed = nil, false
	w.apply()
	if w.link.up && w.fallback == nil {
		w.startFallback(ctx, w.timings.Fallback)
	}
}

// startFallback takes a link-local address after a time, if nothing stops it before.
func (w *worker) startFallback(ctx context.Context, wait time.Duration) {
	mac, prefer := arp.MACFrom(w.hw), w.claimed
	w.fallback = start(ctx, func(task context.Context) {
		for sleep(task, wait) {
			err := w.withDetector(func(d *acd.Detector) error {
				claimer := linklocal.Claimer{
					Detector: d, MAC: mac, Timings: w.timings.Conflict, Prefer: prefer,
					Handler: claimHandler{
						claimed: func(a netip.Addr) { w.call(task, func() { w.setLinkLocal(a) }) },
						lost:    func(a netip.Addr, c *acd.Conflict) { w.call(task, func() { w.lostLinkLocal(c) }) },
					},
				}
				return claimer.Run(task)
			})
			if task.Err() == nil {
				w.log.Warn(fmt.Sprintf("%s: cannot take a link-local address", w.name), "error", err)
			}
			wait = w.timings.Retry
		}
	})
}

func (w *worker) setLinkLocal(a netip.Addr) {
	if w.settings.method == api.LinkLocal {
		w.log.Info(fmt.Sprintf("%s: using link-local %s", w.name, a))
	} else {
		w.log.Info(fmt.Sprintf("%s: no DHCP server answered, using link-local %s", w.name, a))
	}
	w.linkLocal, w.claimed = a, a
	w.apply()
}

func (w *worker) lostLinkLocal(c *acd.Conflict) {
	w.log.Warn(fmt.Sprintf("%s: gave up link-local %s: %s has it too", w.name, c.Address, c.MAC))
	w.linkLocal, w.claimed = netip.Addr{}, netip.Addr{}
	w.apply()
}

// startGuard announces an address that is used whatever happens, and warns as long
// as another host uses it too. With probe it first asks (RFC 5227 §2.1); without, the
// DHCP server is trusted to have done so.
func (w *worker) startGuard(ctx context.Context, addr netip.Addr, probe bool) {
	w.guard = start(ctx, func(task context.Context) {
		for task.Err() == nil {
			err := w.withDetector(func(d *acd.Detector) error {
				if probe {
					if err := d.Probe(task, addr); err != nil {
						return err
					}
				}
				w.call(task, func() { w.setConflict(nil) })
				return d.Hold(task, addr)
			})
			pause := w.timings.Retry
			var conflict *acd.Conflict
			switch {
			case errors.As(err, &conflict):
				w.call(task, func() { w.setConflict(conflict) })
				pause = w.timings.Conflict.RateLimit
			case task.Err() == nil:
				w.log.Debug(fmt.Sprintf("%s: cannot watch for conflicts", w.name), "error", err)
			}
			probe = true
			sleep(task, pause)
		}
	})
}

func (w *worker) setConflict(c *acd.Conflict) {
	was := w.conflict
	switch {
	case c != nil:
		w.conflict = fmt.Sprintf("%s is also used by the device %s; give one of the two another address", c.Address, c.MAC)
		if w.conflict != was {
			w.log.Error(fmt.Sprintf("%s: %s", w.name, w.conflict))
		}
	case was != "":
		w.conflict = ""
		w.log.Info(fmt.Sprintf("%s: no other device uses its address any more", w.name))
	}
	w.publish()
}

// withDetector opens the wire for as long as f runs.
func (w *worker) withDetector(f func(*acd.Detector) error) error {
	wire, err := arp.Listen(w.name)
	if err != nil {
		return err
	}
	d := acd.New(wire, arp.MACFrom(w.hw), w.timings.Conflict)
	defer d.Close()
	return f(d)
}

type leaseHandler struct {
	bound func(*dhcp.Lease)
	lost  func(error)
}

func (h leaseHandler) Bound(l *dhcp.Lease) { h.bound(l) }
func (h leaseHandler) Lost(reason error)   { h.lost(reason) }

type claimHandler struct {
	claimed func(netip.Addr)
	lost    func(netip.Addr, *acd.Conflict)
}

func (h claimHandler) Claimed(a netip.Addr)               { h.claimed(a) }
func (h claimHandler) Lost(a netip.Addr, c *acd.Conflict) { h.lost(a, c) }
