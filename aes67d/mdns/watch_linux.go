package mdns

import (
	"context"
	"log/slog"
	"slices"

	"aes67os/aes67d/netif"
)

// WatchLinks sends the links of this host that can be announced on, now and whenever
// they have changed: those that have a carrier, can multicast and have an IPv4
// address. The channel is closed when ctx ends or the kernel's messages cannot be
// followed any more, which is logged.
func WatchLinks(ctx context.Context, log *slog.Logger) (<-chan []Link, error) {
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
			now := fit(all)
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
func fit(all []netif.Interface) []Link {
	var links []Link
	for _, i := range all {
		if i.Carrier && i.Multicast && !i.Loopback && len(i.Addresses) > 0 {
			links = append(links, Link{Index: i.Index, Name: i.Name, Addresses: i.Addresses})
		}
	}
	return links
}

func sameLink(a, b Link) bool {
	return a.Index == b.Index && a.Name == b.Name && slices.Equal(a.Addresses, b.Addresses)
}
