// Command aes67d is the AES67 daemon: it answers the REST API, and announces the
// appliance's page on the local network where it is asked to.
//
// It runs on any Linux, under systemd or under the appliance's init.
package main

import (
	"context"
	"flag"
	"log/slog"
	"net"
	"strconv"

	"aes67os/aes67d/config"
	"aes67os/aes67d/rest"
	"aes67os/service"

	"golang.org/x/sync/errgroup"
)

// version is set at build time with -ldflags "-X main.version=...".
var version = "devel"

func main() {
	file := flag.String("c", "/etc/aes67d.conf", "configuration `file`; without the file the defaults hold")
	address := flag.String("a", "127.0.0.1", "`address` the REST API listens on")
	port := flag.Int("p", 0, "`port` of the REST API (default: http_port of the configuration)")
	page := flag.Int("announce-page", 0, "announce this host and its web page on this `port` by multicast DNS; 0 leaves that to others")
	service.Main("aes67d", version, func(ctx context.Context, log *slog.Logger) error {
		return run(ctx, log, *file, *address, *port, *page)
	})
}

// run is the daemon's life. page is the port to announce, 0 for none.
func run(ctx context.Context, log *slog.Logger, file, address string, port, page int) error {
	c, warnings, err := config.Load(file)
	if err != nil {
		// An appliance that plays with defaults is worth more than none.
		log.Error("using the default configuration", "error", err)
	}
	for _, w := range warnings {
		log.Warn(w, "file", file)
	}
	if port == 0 {
		port = int(c.HTTPPort)
	}
	listeners, err := service.Listen(net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	api := &rest.API{Version: version, Config: c, Interfaces: config.Interfaces, Log: log}
	server := &service.Server{Listeners: listeners, Handler: api.Handler(), Health: rest.Health, Log: log}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(ctx) })
	if page != 0 {
		group.Go(func() error {
			announce(ctx, log, uint16(page))
			return nil
		})
	}
	return group.Wait()
}
