package rest

import (
	"aes67os/aes67d/remote"

	"github.com/gin-gonic/gin"
)

func (s *server) browse(c *gin.Context) {
	switch kind := c.Param("kind"); kind {
	case "all", "mdns", "sap":
		s.json(func() ([]byte, error) { return s.remoteSources(kind) })(c)
	default:
		s.static(c)
	}
}

func (s *server) remoteSources(kind string) ([]byte, error) {
	sources := s.Remote.Sources(kind)
	if sources == nil {
		sources = []remote.Source{} // null is not a list
	}
	return indented(struct {
		Sources []remote.Source `json:"remote_sources"`
	}{sources})
}
