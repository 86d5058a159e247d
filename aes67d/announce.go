package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"aes67os/aes67d/mdns"
)

// announceAgain is how long to wait before the network is tried again.
const announceAgain = 5 * time.Second

// announce makes this host's page on port known by name until ctx ends. Whatever
// goes wrong is logged and tried again: audio does not depend on it.
func announce(ctx context.Context, log *slog.Logger, port uint16) {
	for {
		err := announceOnce(ctx, log, port)
		if ctx.Err() != nil {
			return
		}
		log.Warn("cannot announce the page by name", "error", err, "again_in", announceAgain)
		select {
		case <-ctx.Done():
			return
		case <-time.After(announceAgain):
		}
	}
}

func announceOnce(ctx context.Context, log *slog.Logger, port uint16) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("find the host's name: %w", err)
	}
	host, _, _ = strings.Cut(host, ".")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	links, err := mdns.WatchLinks(ctx, log)
	if err != nil {
		return err
	}
	socket, err := mdns.Open(ctx)
	if err != nil {
		return err
	}
	r := mdns.New(host, socket, links, log)
	r.Publish(mdns.Service{Type: "_http._tcp", Port: port, Text: []string{"path=/"}})
	return r.Run(ctx)
}
