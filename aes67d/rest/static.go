package rest

import (
	"fmt"
	"net/http"
	"os"
	"path"
	"strings"

	"github.com/gin-gonic/gin"
)

// static answers what is no part of the API: the files of http_base_dir, where the
// known daemon's page is, and nothing outside of it. Directories are not listed.
func (s *server) static(c *gin.Context) {
	name := path.Clean("/" + c.Request.URL.Path)
	get := c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead
	if !get || name == "/api" || strings.HasPrefix(name, "/api/") {
		notFound(c)
		return
	}
	dir := s.Config.Get().HTTPBaseDir
	page := false
	switch name {
	case "/", "/Config", "/PTP", "/Sources", "/Sinks", "/Browser":
		// The places in the page have addresses of their own.
		name, page = "/index.html", true
	}
	switch served := serve(c, dir, name[1:]); {
	case served:
	case page:
		// Something must be here, for people ask it whether the daemon is alive.
		c.String(http.StatusOK, "aes67d %s\nThere is no page in %s (http_base_dir); /api/openapi.json describes the API.\n", s.Version, dir)
	default:
		notFound(c)
	}
}

// serve sends a file of dir, if there is one by that name.
func serve(c *gin.Context, dir, name string) bool {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false
	}
	defer root.Close()
	// Looked at before it is opened: to open a named pipe would wait.
	if info, err := root.Stat(name); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := root.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false
	}
	c.Status(http.StatusOK) // gin has set it to 404 on the way here
	http.ServeContent(c.Writer, c.Request, name, info.ModTime(), f)
	return true
}

func notFound(c *gin.Context) {
	refuse(c, http.StatusNotFound, fmt.Sprintf("%s does not exist here\n", c.Request.URL.Path))
}
