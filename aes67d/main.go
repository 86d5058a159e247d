// Command aes67d is the AES67 daemon: it sends and receives streams of audio by means of
// a driver, tells others of those it sends, finds those of others, and does what its REST
// API is asked to. It takes the place of the known AES67 daemon for Linux.
//
// It runs on any Linux, under systemd or under the appliance's init.
//
// "aes67d test" finds out what a host can do. "aes67d engine" is the part of the daemon that
// moves audio, which starts it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"aes67os/aes67d/daemon"
	"aes67os/aes67d/platform"
	"aes67os/service"
)

// version is set at build time with -ldflags "-X main.version=...".
var version = "devel"

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case daemon.EngineCommand:
			if err := daemon.Engine(); err != nil {
				fmt.Fprintln(os.Stderr, "aes67d engine:", err)
				os.Exit(1)
			}
			return
		case "test":
			os.Exit(test(os.Args[2:]))
		}
	}
	o := daemon.Options{Version: version}
	flag.StringVar(&o.ConfigFile, "c", "/etc/daemon.conf", "configuration `file`; without the file the defaults hold")
	flag.StringVar(&o.DefaultsFile, "defaults", "", "configuration `file` that holds as long as there is no other")
	flag.StringVar(&o.Address, "a", "", "`address` the REST API listens on (default: all)")
	flag.IntVar(&o.Port, "p", 0, "`port` of the REST API (default: http_port of the configuration)")
	flag.IntVar(&o.Page, "announce-page", 0, "announce this host and its web page on this `port` by multicast DNS; 0 leaves that to others")
	flag.StringVar(&o.Driver, "driver", "auto", "audio driver: ravenna (the kernel module), userspace (needs none), auto (ravenna if it is loaded, else userspace), or fake, which moves no audio")
	service.Main("aes67d", version, func(ctx context.Context, _ *slog.Logger) error {
		return daemon.Run(ctx, o)
	})
}

// test is "aes67d test": 0 if the host can do what was asked, 1 if it cannot or that could not
// be found out, 2 for arguments that make no sense.
func test(arguments []string) (status int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	err := platform.Main(ctx, arguments, os.Stdout, log)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, platform.ErrFailed): // it has told
		return 1
	case errors.Is(err, platform.ErrUsage):
		status = 2
	default:
		status = 1
	}
	fmt.Fprintln(os.Stderr, "aes67d test:", err)
	return status
}
