package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"aes67os/init/api"
	"aes67os/init/network/dhcp"
	"aes67os/init/network/linklocal"
)

// worker looks after one interface. All fields belong to the goroutine of run; its
// tasks reach it by call.
type worker struct {
	name     string
	hw       net.HardwareAddr
	settings settings
	hostname string
	timings  Timings
	log      *slog.Logger
	kernel   *kernel
	// report is told whenever something of the interface changed.
	report func(state)

	// carrier delivers the link's state. It is written by the manager alone.
	carrier chan carrier
	calls   chan func()

	link carrier
	// lease is configured on the interface; confirmed tells that a server has granted
	// it since the cable is in.
	lease     *dhcp.Lease
	confirmed bool
	// linkLocal is configured on the interface when valid; claimed is the last one
	// that was, and is tried first the next time.
	linkLocal, claimed netip.Addr
	// conflict is the warning about the static address or that of the lease.
	conflict string
	// failed is why the kernel has not what it should.
	failed error

	client   *task // DHCP
	fallback *task // link-local
	guard    *task // watches over the static address or that of the lease
}

// carrier is a link's state. Losses counts how often it was lost, so that a loss
// shows even if nobody looked while it lasted.
type carrier struct {
	up     bool
	losses int
}

// state is what a worker reports.
type state struct {
	api.Interface
	resolver resolver
}

// run sets the interface up and keeps it so until ctx ends. Addresses stay then: at
// shutdown others still log over the network, and an interface that vanished took
// its addresses along.
func (w *worker) run(ctx context.Context) {
	defer w.stopTasks()
	w.prepare()
	for {
		expired, stop := w.leaseTimer()
		select {
		case <-ctx.Done():
			stop()
			return
		case c := <-w.carrier:
			w.setCarrier(ctx, c)
		case f := <-w.calls:
			f()
		case <-expired:
			w.lost(ctx, dhcp.ErrExpired)
		}
		stop()
	}
}

// call has f run by the worker, unless ctx, the calling task's, ends before. A task
// that was stopped therefore changes nothing any more.
func (w *worker) call(ctx context.Context, f func()) {
	select {
	case w.calls <- f:
	case <-ctx.Done():
	}
}

// leaseTimer fires when the lease ends while there is no carrier, and so no client
// to notice.
func (w *worker) leaseTimer() (<-chan time.Time, func()) {
	if w.lease == nil || w.client != nil {
		return nil, func() {}
	}
	expires, ends := w.lease.Expires()
	if !ends {
		return nil, func() {}
	}
	t := time.NewTimer(time.Until(expires))
	return t.C, func() { t.Stop() }
}

// prepare switches the interface on, with its address if that is known already.
func (w *worker) prepare() {
	if err := w.kernel.prepare(); err != nil {
		w.log.Warn(fmt.Sprintf("%s: not all settings could be made", w.name), "error", err)
	}
	var errs []error
	if w.settings.method != api.NoAddress {
		errs = append(errs, w.kernel.flush())
	}
	errs = append(errs, w.kernel.mtu(w.settings.mtu), w.kernel.up())
	if err := errors.Join(errs...); err != nil {
		w.log.Error(fmt.Sprintf("%s: cannot be set up", w.name), "error", err)
	}
	if w.settings.method == api.Static {
		w.log.Info(fmt.Sprintf("%s: using the static address %s", w.name, w.settings.address))
	}
	w.apply()
}

// setCarrier starts with the cable what the method asks for, and ends it without.
func (w *worker) setCarrier(ctx context.Context, c carrier) {
	was := w.link
	w.link = c
	if was.up && (!c.up || c.losses != was.losses) {
		w.unplugged()
	}
	if c.up && (!was.up || c.losses != was.losses) {
		w.plugged(ctx)
	}
	w.publish()
}

func (w *worker) plugged(ctx context.Context) {
	w.log.Info(fmt.Sprintf("%s: cable plugged in", w.name))
	// The interface may have been switched off, and its routes be gone with that.
	w.apply()
	switch w.settings.method {
	case api.DHCP:
		w.startClient(ctx)
		wait := w.timings.Fallback
		if w.lease == nil && w.claimed.IsValid() {
			// The last network had no DHCP server. Most likely this is the same one.
			wait = 0
		}
		w.startFallback(ctx, wait)
	case api.LinkLocal:
		w.startFallback(ctx, 0)
	case api.Static:
		w.startGuard(ctx, w.settings.address.Addr(), true)
	}
}

// unplugged keeps the lease's address, and programs their sockets with it, but gives
// up the link-local one: it must be probed for anew after a change of the link (RFC
// 3927 §2.2.1).
func (w *worker) unplugged() {
	w.log.Info(fmt.Sprintf("%s: cable unplugged", w.name))
	w.stopTasks()
	w.confirmed = false
	w.conflict = ""
	if w.linkLocal.IsValid() {
		w.log.Info(fmt.Sprintf("%s: gave up link-local %s", w.name, w.linkLocal))
		w.linkLocal = netip.Addr{}
		w.apply()
	}
}

func (w *worker) stopTasks() {
	w.client.stop()
	w.fallback.stop()
	w.guard.stop()
	w.client, w.fallback, w.guard = nil, nil, nil
}

// apply makes the kernel have what the worker has, and reports it.
func (w *worker) apply() {
	w.failed = w.kernel.sync(w.wanted())
	if w.failed != nil {
		w.log.Error(fmt.Sprintf("%s: the kernel did not take its addresses", w.name), "error", w.failed)
	}
	w.publish()
}

func (w *worker) wanted() addressing {
	var a addressing
	defaultRoute := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if w.settings.method == api.Static {
		a.add(w.settings.address)
		if w.settings.gateway.IsValid() {
			a.routes = append(a.routes, route{to: defaultRoute, gateway: w.settings.gateway, source: w.settings.address.Addr()})
		}
	}
	if w.lease != nil {
		a.add(w.lease.Address)
		for _, r := range w.lease.Routes {
			to := route{to: r.Destination, source: w.lease.Address.Addr()}
			if !r.Gateway.IsUnspecified() {
				to.gateway = r.Gateway
			}
			a.routes = append(a.routes, to)
		}
	}
	if w.linkLocal.IsValid() {
		a.add(netip.PrefixFrom(w.linkLocal, linklocal.Prefix.Bits()))
	}
	return a
}
