package netif

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Watch sends the interfaces that are up, as [List] has them: at once, and again
// whenever something in the list has changed. Whoever reads slowly misses what was in
// between and gets the newest list, never an old one. The channel is closed when ctx
// ends or the kernel's messages cannot be followed any more, which is logged.
func Watch(ctx context.Context, log *slog.Logger) (<-chan []Interface, error) {
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
		if err != nil {
			go drain(links)
		}
	}
	if err != nil {
		cancel()
		kernel.Close()
		return nil, fmt.Errorf("subscribe to network changes: %w", err)
	}

	changes := make(chan []Interface)
	go func() {
		defer close(changes)
		defer kernel.Close()
		defer func() {
			go drain(links)
			go drain(addresses)
		}()
		defer cancel()
		var now, told []Interface
		for first, stale := true, true; ; {
			if stale {
				if now, err = list(kernel); err != nil {
					failed(err)
					return
				}
				stale = false
			}
			// While nobody takes the list the kernel's messages are still read, or
			// its buffer would overflow.
			out := changes
			if !first && slices.EqualFunc(now, told, equal) {
				out = nil
			}
			ok := true
			select {
			case out <- now:
				told, first = now, false
			case _, ok = <-links:
				stale = true
			case _, ok = <-addresses:
				stale = true
			case <-ctx.Done():
				return
			}
			if !ok {
				return
			}
		}
	}()
	return changes, nil
}

// drain lets a subscription end: the library closes its channel, but only once nobody
// has to take the last message any more.
func drain[T any](updates <-chan T) {
	for range updates {
	}
}
