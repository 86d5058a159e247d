package rest

import (
	"context"
	"fmt"
	"net/http"

	"aes67os/aes67d/lenient"
	"aes67os/aes67d/session"

	"github.com/gin-gonic/gin"
)

func (s *server) sources() ([]byte, error) { return s.Sessions.AppendJSON(nil, true, false), nil }

func (s *server) sinks() ([]byte, error) { return s.Sessions.AppendJSON(nil, false, true), nil }

// lists answers with lists of streams. Their memory is used again: they are long, and
// pages ask for them all the time.
func (s *server) lists(sources, sinks bool) gin.HandlerFunc {
	return func(c *gin.Context) {
		b, ok := s.buffers.Get().(*[]byte)
		if !ok {
			b = new([]byte)
		}
		*b = s.Sessions.AppendJSON((*b)[:0], sources, sinks)
		answer(c, *b)
		s.buffers.Put(b)
	}
}

func (s *server) putSource(c *gin.Context) {
	var source session.Source
	id, ok := s.stream(c, &source,
		"enabled", "name", "io", "map", "max_samples_per_packet", "codec", "address", "ttl", "payload_type", "dscp", "refclk_ptp_traceable")
	if !ok {
		return
	}
	source.ID = id
	if err := s.Sessions.PutSource(c.Request.Context(), source); err != nil {
		fail(c, fmt.Sprintf("failed to add source %d", id), err)
	}
}

func (s *server) putSink(c *gin.Context) {
	var sink session.Sink
	id, ok := s.stream(c, &sink,
		"name", "io", "source", "use_sdp", "sdp", "delay", "ignore_refclk_gmid", "map")
	if !ok {
		return
	}
	sink.ID = id
	if err := s.Sessions.PutSink(c.Request.Context(), sink); err != nil {
		fail(c, fmt.Sprintf("failed to add sink %d", id), err)
		return
	}
	s.statuses.forget(id)
}

// stream takes a request apart which puts a stream, or answers why it cannot. As the
// known daemon has it, every member must be there.
func (s *server) stream(c *gin.Context, v any, required ...string) (id int, ok bool) {
	if id, ok = s.streamID(c); !ok {
		return 0, false
	}
	b, ok := read(c)
	if !ok {
		return 0, false
	}
	if err := lenient.Unmarshal(b, v, required...); err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return 0, false
	}
	return id, true
}

func (s *server) removeSource(c *gin.Context) {
	s.remove(c, "source", s.Sessions.RemoveSource)
}

func (s *server) removeSink(c *gin.Context) {
	if id, ok := s.remove(c, "sink", s.Sessions.RemoveSink); ok {
		s.statuses.forget(id)
	}
}

func (s *server) remove(c *gin.Context, kind string, remove func(context.Context, int) error) (id int, ok bool) {
	if id, ok = s.streamID(c); !ok {
		return 0, false
	}
	if err := remove(c.Request.Context(), id); err != nil {
		fail(c, fmt.Sprintf("failed to remove %s %d", kind, id), err)
		return 0, false
	}
	return id, true
}

func (s *server) sourceSDP(c *gin.Context) {
	id, ok := s.streamID(c)
	if !ok {
		return
	}
	text, err := s.Sessions.SourceSDP(id)
	if err != nil {
		fail(c, fmt.Sprintf("get source %d failed", id), err)
		return
	}
	c.Data(http.StatusOK, "application/sdp", []byte(text))
}

func (s *server) sinkStatus(c *gin.Context) {
	id, ok := s.streamID(c)
	if !ok {
		return
	}
	status, err := s.statuses.ask(c.Request.Context(), byClient, id)
	if err != nil {
		fail(c, fmt.Sprintf("failed to get sink %d status", id), err)
		return
	}
	s.json(func() ([]byte, error) { return indented(newSinkStatus(status)) })(c)
}
