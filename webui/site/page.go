package site

import (
	"context"
	"html/template"
	"net/http"
	"sync"
	"time"

	"aes67os/init/api"

	"github.com/gin-gonic/gin"
)

// patience is how long a page waits for init. It answers within milliseconds when it
// answers at all.
const patience = 2 * time.Second

// tail is how many lines of the log a page begins with.
const tail = 200

// page serves the dashboard.
func (s *site) page(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), patience)
	defer cancel()
	var data struct {
		Overview overview
		Network  list[api.Interface]
		Services list[api.Service]
		Tuning   tuning
		Log      logView
	}
	var all sync.WaitGroup
	all.Go(func() { data.Overview = s.overview(ctx) })
	all.Go(func() { data.Network = s.network(ctx) })
	all.Go(func() { data.Services = s.services(ctx) })
	all.Go(func() { data.Tuning = s.tuning(ctx) })
	all.Go(func() { data.Log = s.tail(ctx) })
	all.Wait()
	s.render(c, "page", data)
}

// fragment serves the inside of one panel.
func (s *site) fragment(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), patience)
	defer cancel()
	panel := c.Param("panel")
	switch panel {
	case "identity", "overview":
		s.render(c, panel, s.overview(ctx))
	case "network":
		s.render(c, panel, s.network(ctx))
	case "services":
		s.render(c, panel, s.services(ctx))
	case "tuning":
		s.render(c, panel, s.tuning(ctx))
	default:
		c.String(http.StatusNotFound, "there is no panel %q\n", panel)
	}
}

func (s *site) overview(ctx context.Context) overview { return newOverview(s.Init.Status(ctx)) }

func (s *site) tuning(ctx context.Context) tuning { return newTuning(s.Init.Tuning(ctx)) }

func (s *site) network(ctx context.Context) (l list[api.Interface]) {
	l.List, l.Err = s.Init.Network(ctx)
	return l
}

func (s *site) services(ctx context.Context) (l list[api.Service]) {
	l.List, l.Err = s.Init.Services(ctx)
	return l
}

// logView is the data of the log's panel.
type logView struct {
	Err   error
	Lines []template.HTML
	// Last is the event id of the newest entry.
	Last string
}

func (s *site) tail(ctx context.Context) (l logView) {
	var seq uint64
	l.Err = s.Init.Logs(ctx, api.LogQuery{Tail: tail}, func(e api.LogEntry) error {
		l.Lines = append(l.Lines, line(e))
		seq = e.Seq
		return nil
	})
	l.Last = s.eventID(seq)
	return l
}

// render writes a template. Nothing of it is kept by browsers: it is how the
// appliance is right now.
func (s *site) render(c *gin.Context, name string, data any) {
	c.Header("Content-Type", "text/html; charset=utf-8")
	c.Header("Cache-Control", "no-store")
	if err := s.templates.ExecuteTemplate(c.Writer, name, data); err != nil {
		s.Log.Warn("cannot write the page", "template", name, "error", err)
	}
}
