package service

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"
)

// NewRouter returns a Gin router without routes that prints nothing itself, logs
// panics to log, and answers what goes wrong in text/plain, as the clients of the
// known AES67 daemon expect.
func NewRouter(log *slog.Logger) *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.HandleMethodNotAllowed = true
	// A path with a slash too many is simply not found: redirects of API calls
	// turn a client's PUT into a GET.
	r.RedirectTrailingSlash = false
	r.Use(recovery(log))
	r.NoRoute(func(c *gin.Context) {
		c.String(http.StatusNotFound, "%s does not exist here\n", c.Request.URL.Path)
	})
	r.NoMethod(func(c *gin.Context) {
		c.String(http.StatusMethodNotAllowed, "%s is not possible on %s\n", c.Request.Method, c.Request.URL.Path)
	})
	return r
}

// recovery turns a panic of a handler into a line in the log and status 500.
func recovery(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { // net/http's own way to drop a connection
				panic(p)
			}
			log.Error("panic in a handler", "path", c.Request.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			if !c.Writer.Written() {
				c.String(http.StatusInternalServerError, "internal error, see the log\n")
			}
			c.Abort()
		}()
		c.Next()
	}
}
