package network

import (
	"fmt"
	"net/netip"
	"time"

	"aes67os/init/api"
)

// publish reports how the interface is now.
func (w *worker) publish() {
	s := state{Interface: api.Interface{
		Name:      w.name,
		MAC:       w.hw.String(),
		Up:        w.link.up,
		Method:    w.settings.method,
		Addresses: []string{},
		Why:       w.why(),
	}}
	for _, p := range w.kernel.set.addresses {
		s.Addresses = append(s.Addresses, p.String())
	}
	s.resolver.servers = w.settings.dns
	var gateway netip.Addr
	switch {
	case w.settings.method == api.Static:
		gateway = w.settings.gateway
	case w.lease != nil:
		gateway = w.lease.Gateway()
		if expires, ends := w.lease.Expires(); ends {
			s.LeaseEnds = &expires
		}
		if s.resolver.servers == nil {
			s.resolver.servers = w.lease.DNS
		}
		s.resolver.domain = w.lease.Domain
	case w.linkLocal.IsValid():
		s.Method = api.LinkLocal
	}
	if gateway.IsValid() {
		s.Gateway = gateway.String()
	}
	for _, a := range s.resolver.servers {
		s.DNS = append(s.DNS, a.String())
	}
	w.report(s)
}

// why says what is in the way, the worst first, or nothing.
func (w *worker) why() string {
	switch {
	case w.failed != nil:
		return w.failed.Error()
	case w.conflict != "":
		return w.conflict
	case !w.link.up:
		return "no cable is plugged in, or nothing is alive at its other end"
	case w.settings.method == api.LinkLocal && !w.linkLocal.IsValid():
		return "looking for a free link-local address"
	case w.settings.method != api.DHCP:
		return ""
	case w.lease != nil && !w.confirmed:
		return fmt.Sprintf("no DHCP server has confirmed %s since the cable was plugged in", w.lease.Address.Addr())
	case w.lease == nil && w.linkLocal.IsValid():
		return "no DHCP server answered; still asking"
	case w.lease == nil:
		return "waiting for a DHCP server"
	}
	return ""
}

// lifetime is a lease's duration in words.
func lifetime(d time.Duration) string {
	switch {
	case d == 0:
		return "for ever"
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
