// Package service is the life of an HTTP program on the appliance, from the open
// socket to the last answered request. aes67d and webui have the same life, so it
// is written once.
//
// The program tells its supervisor how it is by systemd's protocol (sd_notify(3),
// sd_watchdog_enabled(3)); whether systemd or our init listens makes no
// difference, and without NOTIFY_SOCKET nothing is sent:
//
//   - READY=1 once the sockets accept connections, and not later: everything slow
//     (finding names on the network, waiting for other programs) comes after it.
//   - WATCHDOG=1 at half of WATCHDOG_USEC, but only if the program has just
//     answered an HTTP request over its own socket. A timer alone would go on
//     ticking in a program whose server hangs.
//   - STOPPING=1 when told to end. Requests under way then have [Grace] to finish.
//
// The package imports nothing of ours.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"
)

// Grace is how long requests under way may go on after the program was told to end.
const Grace = 3 * time.Second

// Server is an HTTP server with the life described above.
type Server struct {
	// Listeners are served all alike. Run closes them.
	Listeners []net.Listener
	Handler   http.Handler
	// Health is the path which the watchdog asks for; any status below 500 is health.
	Health string
	Log    *slog.Logger
}

// Run serves until ctx ends, which is the orderly way and returns nil, or until a
// listener fails.
//
// Streams without an end (server-sent events) do not see the end of ctx in their
// request's context; a handler of such a thing must watch ctx itself, or it keeps
// the program for the whole of [Grace].
func (s *Server) Run(ctx context.Context) error {
	if len(s.Listeners) == 0 {
		return errors.New("serve: no sockets to listen on")
	}
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read the watchdog's interval from the environment: %w", err)
	}
	srv := &http.Server{
		Handler:           s.Handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		// No ReadTimeout and no WriteTimeout: both would cut streams. Their
		// handlers set a deadline for every single write instead.
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}

	group, ctx := errgroup.WithContext(ctx)
	var addresses []string
	for _, l := range s.Listeners {
		addresses = append(addresses, l.Addr().String())
		group.Go(func() error {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve on %s: %w", l.Addr(), err)
			}
			return nil
		})
	}
	on := strings.Join(addresses, ", ")
	s.Log.Info("serving", "on", on)
	s.notify(daemon.SdNotifyReady + "\nSTATUS=serving on " + on)

	if every > 0 {
		group.Go(func() error {
			watchdog(ctx, every/2, s.answers, s.notify, s.Log)
			return nil
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		s.notify(daemon.SdNotifyStopping + "\nSTATUS=stopping")
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), Grace)
		defer cancel()
		if err := srv.Shutdown(last); err != nil {
			s.Log.Warn("requests under way were cut off", "after", Grace)
			return srv.Close()
		}
		return nil
	})
	return group.Wait()
}

// notify is best effort: a supervisor that cannot be reached will notice by its
// own watchdog, and there is nobody else to tell.
func (s *Server) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.Log.Warn("cannot notify the supervisor", "state", state, "error", err)
	}
}
