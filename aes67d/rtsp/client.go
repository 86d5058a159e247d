package rtsp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// firstTime is how long a client may be connected without having asked for a source.
// One that has may stay for good, for it waits to hear of changes.
const firstTime = time.Minute

// client is a connection that a [Server] serves.
type client struct {
	*wire
	wake chan struct{}

	mu sync.Mutex // held while sending, too
	// told has the SDP last sent of each source described here, by its id. A source
	// that is gone stays: when it comes back, the client wants to know.
	told map[int]string
	// sequence counts the requests we have sent.
	sequence uint64
}

// poke makes the client look whether there is something to announce.
func (c *client) poke() {
	select {
	case c.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// serve serves a connection until it or ctx ends.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	c := &client{wire: newWire(conn), wake: make(chan struct{}, 1), told: map[int]string{}}
	if !s.admit(c) {
		return
	}
	defer s.dismiss(c)
	log := s.log.With("client", conn.RemoteAddr())
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err := tcp.SetKeepAliveConfig(keepAlive); err != nil {
			log.Debug("keep the RTSP connection alive", "error", err)
		}
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var announcer sync.WaitGroup
	announcer.Go(func() { cancel(s.announce(ctx, c)) })
	cancel(s.converse(c))
	announcer.Wait()
	log.Debug("RTSP client is gone", "reason", context.Cause(ctx))
}

// converse answers requests until the connection ends.
func (s *Server) converse(c *client) error {
	host := c.LocalAddr().String()
	patience := firstTime
	for {
		m, err := c.receive(patience)
		switch {
		case errors.Is(err, errTooLarge):
			return errors.Join(err, c.refuse(http.StatusRequestEntityTooLarge))
		case errors.Is(err, errMalformed):
			return errors.Join(err, c.refuse(http.StatusBadRequest))
		case err != nil:
			return err
		}
		if m.status != 0 {
			continue // to an ANNOUNCE: whatever it is, the client was told
		}
		described, err := s.reply(c, m, host)
		if err != nil {
			return err
		}
		if described {
			patience = 0
		}
	}
}

// reply answers a request. Looking up the source and taking note of what was told are
// one step, so that no change goes by between them.
func (s *Server) reply(c *client, m *message, host string) (described bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	response, source := s.answer(m, host)
	if source != nil {
		c.told[source.ID] = source.SDP
	}
	return source != nil, c.send(response)
}

// refuse answers what could not be read.
func (c *client) refuse(status int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.send(respond(new(message), status, ""))
}

// announce tells the client of changes until ctx or the connection ends.
func (s *Server) announce(ctx context.Context, c *client) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.wake:
		}
		if err := s.announceChanges(c); err != nil {
			return err
		}
	}
}

// announceChanges sends what has changed of the sources described to this client.
// They are known by id, so a source that was renamed is announced under its new name.
func (s *Server) announceChanges(c *client) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range s.current() {
		if sdp, ok := c.told[a.ID]; !ok || sdp == a.SDP {
			continue
		}
		c.sequence++
		u := sourceURL(c.LocalAddr().String(), a.Name)
		if err := c.send(request("ANNOUNCE", u, c.sequence, a.SDP, "Connection: Keep-Alive")); err != nil {
			return err
		}
		c.told[a.ID] = a.SDP
	}
	return nil
}
