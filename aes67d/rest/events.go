package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"aes67os/aes67d/events"

	"github.com/gin-gonic/gin"
)

const (
	// gather is how long changes are collected before what is now is sent: many come
	// together, and each of them stands for a whole list.
	gather = 100 * time.Millisecond
	// keepAlive is the longest silence on a stream. Proxies take a longer one for
	// the end.
	keepAlive = 15 * time.Second
	// writeLimit is how long a client may take to accept a piece.
	writeLimit = 10 * time.Second
)

// state makes what an event of the type carries that has no data of its own.
func (s *server) state(kind string) ([]byte, error) {
	switch kind {
	case events.PTP:
		return s.ptpStatus()
	case events.Driver:
		return s.driver()
	case events.Config:
		return s.config()
	case events.Sources:
		return s.sources()
	case events.Sinks:
		return s.sinks()
	case events.RemoteSources:
		return s.remoteSources("all")
	}
	return nil, fmt.Errorf("there is nothing to tell about %q", kind)
}

// events is a stream of server-sent events (HTML Living Standard §9.2). It begins with
// the clock and the driver as they are; after that whatever changes is sent as the GET
// of the same thing would answer it.
func (s *server) events(c *gin.Context) {
	if !s.listeners.join() {
		refuse(c, http.StatusServiceUnavailable, fmt.Sprintf("%d clients listen to events already, try again later", listenersLimit))
		return
	}
	defer s.listeners.leave()
	ctx, cancel := context.WithCancel(c.Request.Context())
	defer cancel()
	news := s.Events.Subscribe(ctx)
	c.Header("Content-Type", "text/event-stream")
	c.Header("Cache-Control", "no-cache")
	out := stream{c.Writer, http.NewResponseController(c.Writer)}
	changed := []string{events.PTP, events.Driver}
	if s.tell(out, changed) != nil {
		return
	}
	changed = nil

	silence := time.NewTicker(keepAlive)
	defer silence.Stop()
	gathered := time.NewTimer(gather)
	defer gathered.Stop()
	for {
		var err error
		select {
		case <-s.Done:
			return
		case e, ok := <-news:
			switch {
			case !ok: // the client has gone
				return
			case e.Type == events.Dropped:
				// What exactly is lost nobody knows: it may be any of these.
				changed = []string{events.PTP, events.Driver, events.Config, events.Sources, events.Sinks, events.RemoteSources}
				gathered.Reset(gather)
				err = out.send(e.Type, map[string]any{"count": e.Data})
			case e.Data != nil:
				err = out.send(e.Type, e.Data)
			case !slices.Contains(changed, e.Type):
				if len(changed) == 0 {
					gathered.Reset(gather)
				}
				changed = append(changed, e.Type)
			}
		case <-gathered.C:
			err = s.tell(out, changed)
			changed = nil
		case <-silence.C:
			err = out.write(": still here\n\n")
		}
		if err != nil {
			return
		}
	}
}

// tell sends the state of each kind. One that cannot be made is left out: the client
// has not asked for it, and whoever does is told why.
func (s *server) tell(out stream, kinds []string) error {
	for _, kind := range kinds {
		b, err := s.state(kind)
		if err != nil {
			s.Log.Warn("an event without its state", "type", kind, "error", err)
			continue
		}
		if err := out.send(kind, json.RawMessage(b)); err != nil {
			return err
		}
	}
	return nil
}

// stream writes server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s stream) send(kind string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("event %s: %w", kind, err)
	}
	return s.write(fmt.Sprintf("event: %s\ndata: %s\n\n", kind, bytes.TrimSpace(b)))
}

// write sends a piece at once. A client that has died without a word fails it in time.
func (s stream) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}
