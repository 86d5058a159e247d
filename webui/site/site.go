// Package site is the appliance's page: one dashboard, made on the server of what
// init says, and refreshed by htmx in the parts that change.
//
// The site holds no state. Every answer is made of what init and aes67d say at that
// moment; when one of them does not answer, the page still comes and says so. Until
// people can sign in, nothing can be changed through it: the routes are for reading,
// and init's reboot and power-off are not among them.
package site

import (
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"aes67os/init/api"
	"aes67os/service"
	"aes67os/webui/assets"

	"github.com/gin-gonic/gin"
)

// Health is a path that answers as long as the site does, whatever init does.
const Health = "/healthz"

// Config is what the site is made of.
type Config struct {
	Init *api.Client
	// AES67D is where the daemon's REST API is.
	AES67D *url.URL
	// Boot names the time since the machine was started: the numbers of log entries
	// begin anew with it.
	Boot string
	// Stopping is closed when the server is told to end. Streams end with it.
	Stopping <-chan struct{}
	Now      func() time.Time
	Log      *slog.Logger
}

// site holds what the handlers share; nothing of it changes.
type site struct {
	Config
	templates *template.Template
}

// New returns the site's handler.
func New(c Config) (http.Handler, error) {
	files, err := assets.Load()
	if err != nil {
		return nil, err
	}
	templates, err := parse(files, c.Now)
	if err != nil {
		return nil, fmt.Errorf("parse the embedded templates: %w", err)
	}
	s := &site{Config: c, templates: templates}

	r := service.NewRouter(c.Log)
	r.Use(secure)
	r.GET("/", s.page)
	r.GET("/fragment/:panel", s.fragment)
	r.GET("/logs", s.logs)
	r.GET("/assets/:name", gin.WrapH(files))
	r.GET(Health, func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	// Gin wants either fixed paths or the rest below one path, so the handler for
	// the rest tells init's paths from the daemon's.
	proxy := gin.WrapH(s.proxy())
	r.GET("/api/*path", func(c *gin.Context) {
		if !s.system(c) {
			proxy(c)
		}
	})
	r.HEAD("/api/*path", proxy)
	r.OPTIONS("/api/*path", proxy)
	return r, nil
}

// secure sets the headers that keep the page what it is: nothing from elsewhere
// runs in it, and it runs inside nothing else.
func secure(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	c.Next()
}
