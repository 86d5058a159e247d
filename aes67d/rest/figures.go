package rest

import (
	"context"
	"encoding/json"
	"fmt"

	"aes67os/driver"

	"github.com/gin-gonic/gin"
)

func (s *server) sourceFigures(c *gin.Context) {
	s.streamFigures(c, "source", s.Sessions.SourceFigures)
}

func (s *server) sinkFigures(c *gin.Context) { s.streamFigures(c, "sink", s.Sessions.SinkFigures) }

func (s *server) streamFigures(c *gin.Context, kind string, ask func(context.Context, int) (driver.Figures, error)) {
	id, ok := s.streamID(c)
	if !ok {
		return
	}
	figures, err := ask(c.Request.Context(), id)
	if err != nil {
		fail(c, fmt.Sprintf("failed to get %s %d figures", kind, id), err)
		return
	}
	s.json(func() ([]byte, error) { return indented(figures) })(c)
}

func (s *server) ptpFigures(c *gin.Context) {
	figures, err := s.Sessions.Clock(c.Request.Context())
	if err != nil {
		fail(c, "failed to get ptp figures", err)
		return
	}
	s.json(func() ([]byte, error) { return indented(figures) })(c)
}

// allFigures answers without line breaks: it is for pages with meters, which ask ten times
// a second.
func (s *server) allFigures(c *gin.Context) {
	figures, err := s.Sessions.Figures(c.Request.Context())
	if err != nil {
		fail(c, "failed to get figures", err)
		return
	}
	s.json(func() ([]byte, error) {
		b, err := json.Marshal(figures)
		return append(b, '\n'), err
	})(c)
}
