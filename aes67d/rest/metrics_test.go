package rest

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/aes67d/session"
	"aes67os/driver"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// ours returns the values of our own metrics, but for those of time.
func ours(t *testing.T, c *client) string {
	t.Helper()
	w := c.do(t, "GET", "/metrics", "")
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var b strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "aes67d_") && !regexp.MustCompile(`_(bucket|sum)\{`).MatchString(line) {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestMetrics(t *testing.T) {
	api, s := newAPI(t)
	c := newClient(t, api.Handler())
	c.do(t, "GET", "/api/source/sdp/3", "")
	c.do(t, "DELETE", "/api/source/4", "")
	c.do(t, "PROPFIND", "/nowhere", "")
	c.do(t, "GET", "/elsewhere", "")
	first := ours(t, c)
	if diff := cmp.Diff(golden(t, "metrics.txt", first), first); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	for _, want := range []string{"go_build_info{", "go_goroutines ", "process_open_fds "} {
		if !strings.Contains(c.do(t, "GET", "/metrics", "").Body.String(), want) {
			t.Errorf("there is no %s", want)
		}
	}

	s.set(func(s *sessions) {
		s.fails, s.problem, s.ptp = driver.ErrUnavailable, errors.New("gone"), driver.PTPStatus{}
	})
	text := ours(t, c)
	if strings.Contains(text, "aes67d_sink_") || strings.Contains(text, "aes67d_source_") || strings.Contains(text, "grandmaster") ||
		!strings.Contains(text, "aes67d_sinks 1\n") || !strings.Contains(text, `aes67d_driver_available{driver="fake"} 0`) {
		t.Errorf("without a driver:\n%s", text)
	}
}

// TestMetricsLint holds the metrics against the conventions of Prometheus.
func TestMetricsLint(t *testing.T) {
	api, _ := newAPI(t)
	problems, err := testutil.GatherAndLint(newMetrics(&server{API: api, statuses: statuses{sessions: api.Sessions}}).registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// stuck are sessions whose driver does not answer.
type stuck struct{ *sessions }

func (stuck) SinkStatus(ctx context.Context, _ int) (driver.StreamStatus, error) {
	<-ctx.Done()
	return driver.StreamStatus{}, ctx.Err()
}

func (stuck) Figures(ctx context.Context) (session.Figures, error) {
	<-ctx.Done()
	return session.Figures{}, ctx.Err()
}

// TestMetricsBounded: a driver that does not answer delays a scrape, for a bounded time.
func TestMetricsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, s := newAPI(t)
		api.Sessions = stuck{s}
		c := newClient(t, api.Handler())
		start := time.Now()
		if text := ours(t, c); !strings.Contains(text, "aes67d_sinks 1\n") || strings.Contains(text, "aes67d_sink_") {
			t.Errorf("metrics:\n%s", text)
		}
		if took := time.Since(start); took != scrapeLimit {
			t.Errorf("it took %s; want %s", took, scrapeLimit)
		}
	})
}
