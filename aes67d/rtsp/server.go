package rtsp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// maxClients bounds the connections served at one time.
	maxClients = 1024
	// acceptAgain is how long to wait when no connection can be accepted, as
	// for want of file descriptors.
	acceptAgain = time.Second
)

// Source is one of our streams, as a [Server] hands it out.
type Source struct {
	// ID is what it is known by as long as it is there, whatever else changes.
	ID int
	// Name is its name in DNS-SD: the node's identity, a space, and its own name.
	Name string
	SDP  string
}

// Server answers DESCRIBE for our sources and sends ANNOUNCE to clients when one has
// changed that they have asked for. Make it with [NewServer]; its methods are safe for
// concurrent use.
type Server struct {
	log *slog.Logger

	mu      sync.Mutex
	sources []Source
	clients map[*client]struct{}
	// full tells that a client was refused since there was room the last time.
	full bool
}

// NewServer returns a server without sources.
func NewServer(log *slog.Logger) *Server {
	return &Server{log: log, clients: map[*client]struct{}{}}
}

// Set makes these the sources there are. It does not wait for the network.
func (s *Server) Set(sources []Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sources = slices.Clone(sources)
	for c := range s.clients {
		c.poke()
	}
}

// current returns the sources there are. Nobody changes what it returns.
func (s *Server) current() []Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sources
}

// Run serves on l until ctx ends and then returns nil, or until l is closed by
// somebody else. It closes l and all connections. It may serve several listeners at
// the same time.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			clients.Go(func() { s.serve(ctx, conn) })
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept RTSP clients: %w", err)
		default:
			s.log.Warn("cannot accept an RTSP client", "error", err, "again_in", acceptAgain)
			select {
			case <-ctx.Done():
			case <-time.After(acceptAgain):
			}
		}
	}
}

// admit takes a client in if there is room.
func (s *Server) admit(c *client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.clients) < maxClients {
		s.clients[c] = struct{}{}
		return true
	}
	if !s.full {
		s.full = true
		s.log.Warn("too many RTSP clients, refusing more", "most", maxClients, "client", c.RemoteAddr())
	}
	return false
}

func (s *Server) dismiss(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
	s.full = false
}

// answer returns the response to a request and, if that describes a source, the
// source. host is our own address as the client sees it.
func (s *Server) answer(m *message, host string) (response []byte, described *Source) {
	if _, ok := m.cseq(); !ok {
		return respond(m, http.StatusBadRequest, ""), nil
	}
	switch m.method {
	case "DESCRIBE":
	case "OPTIONS":
		return respond(m, http.StatusOK, "", "Public: OPTIONS, DESCRIBE"), nil
	default:
		return respond(m, http.StatusMethodNotAllowed, "", "Allow: OPTIONS, DESCRIBE"), nil
	}
	u, err := url.Parse(m.url)
	if err != nil {
		return respond(m, http.StatusBadRequest, ""), nil
	}
	for _, a := range s.current() {
		if u.Path == byName+a.Name || u.Path == "/by-id/"+strconv.Itoa(a.ID) {
			return respond(m, http.StatusOK, a.SDP, "Content-Base: "+sourceURL(host, a.Name)), &a
		}
	}
	return respond(m, http.StatusNotFound, ""), nil
}

// sourceURL is where host has the source of this name. There is no slash at the end,
// for nothing is relative to it: our SDP has no a=control.
func sourceURL(host, name string) string {
	u := url.URL{Scheme: "rtsp", Host: host, Path: byName + name}
	return u.String()
}
