// Package rest is aes67d's HTTP interface. Paths, JSON members and their order, status
// codes and the manner of errors (a status of 400 or more, the reason in text/plain)
// are those of the known AES67 daemon for Linux, so that scripts and clients written
// for it work. openapi.json describes all of it and is served at /api/openapi.json.
//
// Ours on top are /api/events, a stream of what changes (server-sent events),
// /api/driver, /api/figures and its parts, which a driver measures, and /metrics for
// Prometheus. All else that is asked for with GET comes from http_base_dir, the web page
// users may have from the known daemon.
//
// Handlers hold no lock while they ask somebody else. What can be asked with GET is
// made by one function each (a [body]), and the stream of events sends the outcome of
// the same functions, so that both always tell the same.
//
// What came in the request is only taken apart here. Whether a value can be is decided
// by who has to live with it: [Sessions] and [Configuration].
package rest

import (
	"context"
	"log/slog"
	"net/http"
	"sync"

	"aes67os/aes67d/config"
	"aes67os/aes67d/events"
	"aes67os/aes67d/netif"
	"aes67os/aes67d/remote"
	"aes67os/aes67d/session"
	"aes67os/driver"
	"aes67os/service"

	"github.com/gin-gonic/gin"
)

// eventsPath is where the stream of events is.
const eventsPath = "/api/events"

// Health is a path that answers whenever the daemon does its work.
const Health = "/api/version"

// Sessions are the streams. A [session.Manager] is one. Errors are those of package
// session, for an id out of range too, and those of package driver.
type Sessions interface {
	// Sources and Sinks list the streams by id.
	Sources() []session.Source
	Sinks() []session.Sink
	// AppendJSON is [session.Manager.AppendJSON] of those lists that are asked for.
	AppendJSON(b []byte, sources, sinks bool) []byte
	PutSource(ctx context.Context, s session.Source) error
	RemoveSource(ctx context.Context, id int) error
	SourceSDP(id int) (string, error)
	PutSink(ctx context.Context, s session.Sink) error
	RemoveSink(ctx context.Context, id int) error
	SinkStatus(ctx context.Context, id int) (driver.StreamStatus, error)
	PTPStatus() driver.PTPStatus
	// DriverState tells the driver's name, and why it does not work, nil if it does.
	DriverState() (name string, problem error)
	// SourceFigures, SinkFigures and Clock tell what the driver measures, Figures all of it.
	// If that is nothing, the error is session.ErrNoFigures.
	SourceFigures(ctx context.Context, id int) (driver.Figures, error)
	SinkFigures(ctx context.Context, id int) (driver.Figures, error)
	Clock(ctx context.Context) (driver.ClockFigures, error)
	Figures(ctx context.Context) (session.Figures, error)
}

// Remote knows the sources that others announce. A [remote.Table] is one.
type Remote interface {
	// Sources lists those of a kind: "all", "mdns" or "sap".
	Sources(kind string) []remote.Source
}

// Configuration is the configuration file. A [config.Store] is one.
type Configuration interface {
	Get() config.Config
	// Update changes and saves the configuration, but for read-only members. An error
	// of change is its own; a value that cannot be is a [*config.ValueError].
	Update(change func(*config.Config) error) (before, after config.Config, err error)
}

// API is what the handlers answer from.
type API struct {
	Version  string
	Sessions Sessions
	Remote   Remote
	Config   Configuration
	// Interfaces lists the network interfaces; it is asked anew for every answer,
	// because addresses come and go while the daemon runs.
	Interfaces func() ([]netif.Interface, error)
	// Apply puts the configuration, which has changed, into effect. If it fails the
	// change is taken back, and its error is the answer. Of two changes at once, Apply
	// finds both made.
	Apply func(ctx context.Context) error
	// Events brings what /api/events tells.
	Events *events.Bus
	// Done ends the streams of events, which would otherwise outlast the server.
	Done <-chan struct{}
	Log  *slog.Logger
}

// Handler returns the HTTP interface.
func (a *API) Handler() http.Handler { return a.router() }

// server is what the handlers of one [API.Handler] share.
type server struct {
	*API
	statuses  statuses
	listeners listeners
	// buffers are for long answers.
	buffers sync.Pool
}

func (a *API) router() *gin.Engine {
	s := &server{API: a, statuses: statuses{sessions: a.Sessions}}
	s.listeners.watch = s.watchSinks
	m := newMetrics(s)
	r := service.NewRouter(a.Log)
	r.Use(crossOrigin, m.observe, a.logRequest)
	r.NoRoute(s.static)

	get := func(path string, h gin.HandlerFunc) {
		r.GET(path, h)
		r.HEAD(path, h)
	}
	get(Health, s.json(s.version))
	get("/api/config", s.json(s.config))
	r.POST("/api/config", s.setConfig)
	get("/api/ptp/config", s.json(s.ptpConfig))
	r.POST("/api/ptp/config", s.setPTPConfig)
	get("/api/ptp/status", s.json(s.ptpStatus))
	get("/api/sources", s.lists(true, false))
	get("/api/sinks", s.lists(false, true))
	get("/api/streams", s.lists(true, true))
	r.PUT("/api/source/:id", s.putSource)
	r.DELETE("/api/source/:id", s.removeSource)
	get("/api/source/sdp/:id", s.sourceSDP)
	r.PUT("/api/sink/:id", s.putSink)
	r.DELETE("/api/sink/:id", s.removeSink)
	get("/api/sink/status/:id", s.sinkStatus)
	get("/api/browse/sources/:kind", s.browse)
	get("/api/driver", s.json(s.driver))
	get("/api/figures", s.allFigures)
	get("/api/source/figures/:id", s.sourceFigures)
	get("/api/sink/figures/:id", s.sinkFigures)
	get("/api/ptp/figures", s.ptpFigures)
	get("/api/openapi.json", s.json(description))
	r.GET(eventsPath, s.events)
	get("/metrics", gin.WrapH(m.handler()))
	return r
}
