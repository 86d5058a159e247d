package service

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// watchdog says WATCHDOG=1 every interval for which answers returned nil within
// that interval, until ctx ends.
func watchdog(ctx context.Context, interval time.Duration, answers func(context.Context) error, notify func(string), log *slog.Logger) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		check, cancel := context.WithTimeout(ctx, interval)
		err := answers(check)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Error("the server does not answer itself, the watchdog is not fed", "error", err)
		default:
			notify(daemon.SdNotifyWatchdog)
		}
	}
}

// answers asks for s.Health over a new connection to the first listener, so that
// accepting is tested along with answering.
func (s *Server) answers(ctx context.Context) error {
	address := s.Listeners[0].Addr()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, address.Network(), address.String())
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+s.Health, nil)
	if err != nil {
		return fmt.Errorf("health path %q: %w", s.Health, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("%s answers %s", s.Health, resp.Status)
	}
	return nil
}
