// Package rest is aes67d's HTTP interface. Paths, JSON members and the manner of
// errors (a status of 400 or more, the reason in text/plain) are those of the known
// AES67 daemon for Linux, so that scripts and clients written for it work.
package rest

import (
	"encoding/json"
	"log/slog"
	"net/http"

	"aes67os/aes67d/config"
	"aes67os/service"

	"github.com/gin-gonic/gin"
)

// Health is a path that answers whenever the daemon does its work.
const Health = "/api/version"

// API is what the handlers answer from.
type API struct {
	Version string
	Config  config.Config
	// Interfaces lists the network interfaces; it is asked anew for every answer,
	// because addresses come and go while the daemon runs.
	Interfaces func() ([]config.Interface, error)
	Log        *slog.Logger
}

// Handler returns the HTTP interface.
func (a *API) Handler() http.Handler {
	r := service.NewRouter(a.Log)
	r.GET("/api/version", a.version)
	r.GET("/api/config", a.config)
	return r
}

func (a *API) version(c *gin.Context) {
	answer(c, struct {
		Version string `json:"version"`
	}{a.Version})
}

func (a *API) config(c *gin.Context) {
	interfaces, err := a.Interfaces()
	if err != nil {
		c.String(http.StatusInternalServerError, "%s\n", err)
		return
	}
	answer(c, a.Config.On(interfaces))
}

// answer writes v indented, as the known daemon does, for people read it with curl.
func answer(c *gin.Context, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		c.String(http.StatusInternalServerError, "%s\n", err)
		return
	}
	c.Data(http.StatusOK, gin.MIMEJSON, append(b, '\n'))
}
