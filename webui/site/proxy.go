package site

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"

	"github.com/gin-gonic/gin"
)

// system answers /api/system/... with what init says, and returns false for any
// other path.
func (s *site) system(c *gin.Context) bool {
	ctx, cancel := context.WithTimeout(c.Request.Context(), patience)
	defer cancel()
	var v any
	var err error
	switch c.Param("path") {
	case "/system/status":
		v, err = s.Init.Status(ctx)
	case "/system/services":
		v, err = s.Init.Services(ctx)
	case "/system/tuning":
		v, err = s.Init.Tuning(ctx)
	case "/system/network":
		v, err = s.Init.Network(ctx)
	default:
		return false
	}
	if err != nil {
		c.String(http.StatusBadGateway, "init does not answer: %s\n", err)
		return true
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, v)
	return true
}

// proxy passes requests for reading on to aes67d.
func (s *site) proxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(s.AES67D)
			r.SetXForwarded()
			r.Out.Body = nil // reading needs none
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if !errors.Is(err, context.Canceled) {
				s.Log.Warn("aes67d does not answer", "path", r.URL.Path, "error", err)
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprintln(w, "the AES67 daemon does not answer; the page shows whether it is running")
		},
	}
}
