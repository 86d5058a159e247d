package rest

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"aes67os/driver"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrapeLimit bounds how long a scrape asks the driver about sinks, all together.
const scrapeLimit = 2 * time.Second

// metrics is what /metrics tells. Most of it is asked for at every scrape.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

func newMetrics(s *server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "aes67d_http_request_duration_seconds",
			Help:    "Time taken to answer HTTP requests, without the streams of events.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5},
		}, []string{"route", "method", "status"}),
	}
	m.registry.MustRegister(
		m.requests,
		sessionCollector{s},
		figuresCollector{s},
		collectors.NewBuildInfoCollector(),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// observe times requests. Labels only have values that we know, for each makes a series:
// of paths the route, and of methods those that have one.
func (m *metrics) observe(c *gin.Context) {
	start := time.Now()
	c.Next()
	route, method := c.FullPath(), c.Request.Method
	switch {
	case route == eventsPath:
		return
	case route == "":
		route, method = "other", "other"
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(c.Writer.Status())).Observe(time.Since(start).Seconds())
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("aes67d_"+name, help, labels, nil)
}

// What a sessionCollector collects.
var (
	infoDesc          = describe("info", "The daemon's version; always 1.", "version")
	driverDesc        = describe("driver_available", "Whether the audio driver works.", "driver")
	lockedDesc        = describe("ptp_locked", "Whether the media clock is locked to a grandmaster.")
	jitterDesc        = describe("ptp_jitter", "Jitter of PTP packets, in the driver's unit.")
	grandmasterDesc   = describe("ptp_grandmaster_info", "The clock that is followed; always 1.", "grandmaster")
	sourcesDesc       = describe("sources", "Number of sources.")
	sinksDesc         = describe("sinks", "Number of sinks.")
	remoteSourcesDesc = describe("remote_sources", "Number of sources that others announce.", "kind")
	receivingDesc     = describe("sink_receiving", "Whether a sink has received packets since the last scrape.", "id", "name")
	mutedDesc         = describe("sink_muted", "Whether a sink is muted.", "id", "name")
	minTimeDesc       = describe("sink_min_time_samples", "Least time by which packets came before they were needed.", "id", "name")
	errorDesc         = describe("sink_error", "Whether packets had an error since the last scrape.", "id", "name", "error")
)

// sessionCollector collects what the sessions, the driver and the network tell.
type sessionCollector struct{ *server }

// Describe implements [prometheus.Collector].
func (s sessionCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		infoDesc, driverDesc, lockedDesc, jitterDesc, grandmasterDesc, sourcesDesc, sinksDesc, remoteSourcesDesc,
		receivingDesc, mutedDesc, minTimeDesc, errorDesc,
	} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (s sessionCollector) Collect(ch chan<- prometheus.Metric) {
	gauge(ch, infoDesc, 1, s.Version)
	name, problem := s.Sessions.DriverState()
	gauge(ch, driverDesc, truth(problem == nil), name)
	ptp := s.Sessions.PTPStatus()
	gauge(ch, lockedDesc, truth(ptp.Lock == driver.Locked))
	gauge(ch, jitterDesc, float64(ptp.Jitter))
	if ptp.Grandmaster != (driver.ClockID{}) {
		gauge(ch, grandmasterDesc, 1, ptp.Grandmaster.String())
	}
	gauge(ch, sourcesDesc, float64(len(s.Sessions.Sources())))
	for _, kind := range []string{"mdns", "sap"} {
		gauge(ch, remoteSourcesDesc, float64(len(s.Remote.Sources(kind))), kind)
	}

	sinks := s.Sessions.Sinks()
	gauge(ch, sinksDesc, float64(len(sinks)))
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	for _, sink := range sinks {
		status, err := s.statuses.ask(ctx, byMetrics, sink.ID)
		if err != nil {
			continue // no value is the truth
		}
		id, name := strconv.Itoa(sink.ID), label(sink.Name)
		gauge(ch, receivingDesc, truth(status.Receiving), id, name)
		gauge(ch, mutedDesc, truth(status.Muted), id, name)
		gauge(ch, minTimeDesc, float64(status.MinimumTime), id, name)
		gauge(ch, errorDesc, truth(status.SequenceError), id, name, "sequence")
		gauge(ch, errorDesc, truth(status.SSRCError), id, name, "ssrc")
		gauge(ch, errorDesc, truth(status.PayloadTypeError), id, name, "payload_type")
		gauge(ch, errorDesc, truth(status.TimestampError), id, name, "timestamp")
	}
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func counter(ch chan<- prometheus.Metric, d *prometheus.Desc, value uint64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}

// label is a name as the value of a label, which must be UTF-8.
func label(name string) string { return strings.ToValidUTF8(name, "?") }

func truth(v bool) float64 {
	if v {
		return 1
	}
	return 0
}
