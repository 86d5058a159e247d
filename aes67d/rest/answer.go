package rest

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// body makes what a GET answers, as JSON.
type body func() ([]byte, error)

// json answers with what b makes.
func (s *server) json(b body) gin.HandlerFunc {
	return func(c *gin.Context) {
		text, err := b()
		if err != nil {
			refuse(c, http.StatusInternalServerError, err.Error())
			return
		}
		answer(c, text)
	}
}

// answer answers with JSON.
func answer(c *gin.Context, text []byte) {
	// A list may be larger than what the kernel takes from us at once, and the client may
	// never read it. Where there is no connection there is no deadline.
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(writeLimit))
	c.Header("Content-Length", strconv.Itoa(len(text)))
	c.Data(http.StatusOK, gin.MIMEJSON, text)
}

// indented writes v as the known daemon does, for people read it with curl.
func indented(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// refuse answers with the reason, to which the known daemon adds no line end.
func refuse(c *gin.Context, status int, reason string) {
	c.Set(reasonKey, reason)
	c.Data(status, gin.MIMEPlain, []byte(reason))
}

// reasonKey is where a request keeps the reason for its refusal, for the log.
const reasonKey = "reason"

// crossOrigin lets web pages from anywhere use the API, as the known daemon does. It
// answers OPTIONS for all of it, routed or not.
func crossOrigin(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Headers", "x-user-id")
	if c.Request.Method == http.MethodOptions && strings.HasPrefix(c.Request.URL.Path, "/api/") {
		c.AbortWithStatus(http.StatusOK)
	}
}

// logRequest logs who has changed what, and what could not be done. Mere questions are
// not worth a line each: pages ask several times a second.
func (a *API) logRequest(c *gin.Context) {
	c.Next()
	level := slog.LevelInfo
	switch {
	case c.Writer.Status() >= http.StatusBadRequest:
		level = slog.LevelWarn
	case c.Request.Method == http.MethodGet, c.Request.Method == http.MethodHead, c.Request.Method == http.MethodOptions:
		level = slog.LevelDebug
	}
	ctx := c.Request.Context()
	if !a.Log.Enabled(ctx, level) {
		return
	}
	attributes := []slog.Attr{
		slog.String("method", c.Request.Method), slog.String("path", c.Request.URL.Path),
		slog.Int("status", c.Writer.Status()), slog.String("client", c.Request.RemoteAddr),
	}
	if reason := c.GetString(reasonKey); reason != "" {
		attributes = append(attributes, slog.String("reason", reason))
	}
	a.Log.LogAttrs(ctx, level, "http request", attributes...)
}
