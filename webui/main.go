// Command webui serves the appliance's page. It needs no privileges: init, or
// systemd, passes the sockets it listens on, and everything it shows comes from
// init's socket and from aes67d.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"aes67os/init/api"
	"aes67os/service"
	"aes67os/webui/site"
)

// version is set at build time with -ldflags "-X main.version=...".
var version = "devel"

func main() {
	address := flag.String("listen", "127.0.0.1:8081", "`address` to listen on if no socket is passed in")
	socket := flag.String("init", api.SocketPath, "`socket` of init")
	daemon := flag.String("aes67d", "http://127.0.0.1:8080", "`URL` of aes67d's REST API")
	service.Main("webui", version, func(ctx context.Context, log *slog.Logger) error {
		return run(ctx, log, *address, *socket, *daemon)
	})
}

func run(ctx context.Context, log *slog.Logger, address, socket, daemon string) error {
	upstream, err := url.Parse(daemon)
	if err != nil || upstream.Host == "" {
		return fmt.Errorf("-aes67d %q is not a URL such as http://127.0.0.1:8080", daemon)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("find out which boot this is: %w", err)
	}
	handler, err := site.New(site.Config{
		Init:     api.NewClient(socket),
		AES67D:   upstream,
		Boot:     strings.TrimSpace(string(boot)),
		Stopping: ctx.Done(),
		Now:      time.Now,
		Log:      log,
	})
	if err != nil {
		return err
	}
	listeners, err := service.Listen(address)
	if err != nil {
		return err
	}
	server := &service.Server{Listeners: listeners, Handler: handler, Health: site.Health, Log: log}
	return server.Run(ctx)
}
