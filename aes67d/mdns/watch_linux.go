package mdns

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// WatchLinks sends the links of this host that can be announced on, now and whenever
// the kernel tells of a change: those that are up, have a carrier, can multicast and
// have an IPv4 address. The channel is closed when ctx ends or the kernel's messages
// cannot be followed any more, which is logged.
func WatchLinks(ctx context.Context, log *slog.Logger) (<-chan []Link, error) {
	ctx, cancel := context.WithCancel(ctx)
	// The sockets are opened here and not in the goroutine, so that they belong to
	// the network namespace of whoever calls.
	kernel, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	failed := func(err error) {
		if ctx.Err() == nil {
			log.Warn("cannot follow network changes", "error", err)
		}
		cancel()
	}
	links := make(chan netlink.LinkUpdate)
	addresses := make(chan netlink.AddrUpdate)
	err = netlink.LinkSubscribeWithOptions(links, ctx.Done(), netlink.LinkSubscribeOptions{ErrorCallback: failed})
	if err == nil {
		err = netlink.AddrSubscribeWithOptions(addresses, ctx.Done(), netlink.AddrSubscribeOptions{ErrorCallback: failed})
	}
	if err != nil {
		cancel()
		kernel.Close()
		return nil, fmt.Errorf("subscribe to network changes: %w", err)
	}

	changes := make(chan []Link)
	go func() {
		defer close(changes)
		defer kernel.Close()
		defer drain(links, addresses)
		defer cancel()
		var told []Link
		for first := true; ; first = false {
			now, err := list(kernel)
			if err != nil {
				failed(err)
				return
			}
			if first || !slices.EqualFunc(now, told, sameLink) {
				select {
				case changes <- now:
					told = now
				case <-ctx.Done():
					return
				}
			}
			select {
			case _, ok := <-links:
				if !ok {
					return
				}
			case _, ok := <-addresses:
				if !ok {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return changes, nil
}

// drain lets the subscriptions end: the library closes each channel, but only once
// nobody has to take its last message any more.
func drain(links <-chan netlink.LinkUpdate, addresses <-chan netlink.AddrUpdate) {
	go func() {
		for range links {
		}
	}()
	go func() {
		for range addresses {
		}
	}()
}

// list asks the kernel for the links to announce on.
func list(kernel *netlink.Handle) ([]Link, error) {
	all, err := kernel.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	const want, without = net.FlagUp | net.FlagMulticast, net.FlagLoopback | net.FlagPointToPoint
	var fit []Link
	for _, l := range all {
		a := l.Attrs()
		if a.Flags&want != want || a.Flags&without != 0 || a.OperState == netlink.OperDown || a.RawFlags&unix.IFF_LOWER_UP == 0 {
			continue
		}
		addresses, err := kernel.AddrList(l, netlink.FAMILY_V4)
		if err != nil {
			return nil, fmt.Errorf("list the addresses of %s: %w", a.Name, err)
		}
		entry := Link{Index: a.Index, Name: a.Name}
		for _, address := range addresses {
			ones, _ := address.Mask.Size()
			if ip, ok := netip.AddrFromSlice(address.IP.To4()); ok {
				entry.Addresses = append(entry.Addresses, netip.PrefixFrom(ip, ones))
			}
		}
		if len(entry.Addresses) > 0 {
			fit = append(fit, entry)
		}
	}
	return fit, nil
}

func sameLink(a, b Link) bool {
	return a.Index == b.Index && a.Name == b.Name && slices.Equal(a.Addresses, b.Addresses)
}
