package mdns

import (
	"context"
	"log/slog"
	"slices"

	"aes67os/aes67d/netif"
)

// WatchLinks sends the links of this host that can be announced on, now and whenever
// they have changed: those that have a carrier, can multicast and have an IPv4 address.
// With loopback it is the loopback interface alone, to try things out on one host. The
// channel is closed when ctx ends or the kernel's messages cannot be followed any more,
// which is logged.
func WatchLinks(ctx context.Context, loopback bool, log *slog.Logger) (<-chan []Link, error) {
	interfaces, err := netif.Watch(ctx, log)
	if err != nil {
		return nil, err
	}
	changes := make(chan []Link)
	go func() {
		defer close(changes)
		var told []Link
		first := true
		for all := range interfaces {
			now := fit(all, loopback)
			if !first && slices.EqualFunc(now, told, sameLink) {
				continue
			}
			select {
			case changes <- now:
				told, first = now, false
			case <-ctx.Done():
				return // and so does the watch, which waits for nobody then
			}
		}
	}()
	return changes, nil
}

// fit are the links among all that can be announced on.
func fit(all []netif.Interface, loopback bool) []Link {
	var links []Link
	for _, i := range all {
		// The loopback interface carries multicast, whatever it says.
		if i.Carrier && i.Loopback == loopback && (i.Multicast || loopback) && len(i.Addresses) > 0 {
			links = append(links, Link{Index: i.Index, Name: i.Name, Addresses: i.Addresses})
		}
	}
	return links
}

func sameLink(a, b Link) bool {
	return a.Index == b.Index && a.Name == b.Name && slices.Equal(a.Addresses, b.Addresses)
}
