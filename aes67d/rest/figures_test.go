package rest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"aes67os/aes67d/session"
	"aes67os/driver"

	"github.com/google/go-cmp/cmp"
)

func TestNoFigures(t *testing.T) {
	for _, test := range []struct {
		path, tried, text string
		fails             error
		status            int
	}{
		{"/api/source/figures/4", "failed to get source 4 figures", "(daemon) stream not in use", nil, 400},
		{"/api/source/figures/64", "failed to get source 64 figures", "(daemon) invalid stream id: ids are 0 to 63", nil, 400},
		{"/api/sink/figures/4", "failed to get sink 4 figures", "(daemon) stream not in use", nil, 400},
		{"/api/source/figures/3", "failed to get source 3 figures", "(driver) the audio driver is not available", driver.ErrUnavailable, 500},
		{"/api/sink/figures/5", "failed to get sink 5 figures", "(driver) the audio driver measures nothing: ravenna", fmt.Errorf("%w: ravenna", session.ErrNoFigures), 501},
		{"/api/ptp/figures", "failed to get ptp figures", "(driver) the audio driver measures nothing", session.ErrNoFigures, 501},
		{"/api/ptp/figures", "failed to get ptp figures", "(daemon) context canceled", context.Canceled, 500},
		{"/api/figures", "failed to get figures", "(driver) the audio driver measures nothing", session.ErrNoFigures, 501},
		{"/api/figures", "failed to get figures", "(driver) the audio driver is not available", driver.ErrUnavailable, 500},
	} {
		api, s := newAPI(t)
		s.fails = test.fails
		expect(t, newClient(t, api.Handler()).do(t, "GET", test.path, ""), test.status, test.tried+" : "+test.text)
	}
	api, _ := newAPI(t)
	if w := newClient(t, api.Handler()).do(t, "GET", "/api/sink/figures/first", ""); w.Code != 404 {
		t.Errorf("/api/sink/figures/first: %d; want 404", w.Code)
	}
}

// TestLatenessMetric has the buckets of the histogram, which ours leaves out.
func TestLatenessMetric(t *testing.T) {
	api, s := newAPI(t)
	c := newClient(t, api.Handler())
	var got []string
	for line := range strings.Lines(c.do(t, "GET", "/metrics", "").Body.String()) {
		if strings.HasPrefix(line, "aes67d_source_lateness_seconds") {
			got = append(got, strings.ReplaceAll(strings.TrimSpace(line), `id="3",name="Stage <left> & \"right\""`, "…"))
		}
	}
	want := []string{
		`aes67d_source_lateness_seconds_bucket{…,le="1e-06"} 1`,
		`aes67d_source_lateness_seconds_bucket{…,le="4e-06"} 7`,
		`aes67d_source_lateness_seconds_bucket{…,le="1.6e-05"} 31`,
		`aes67d_source_lateness_seconds_bucket{…,le="6.4e-05"} 127`,
		`aes67d_source_lateness_seconds_bucket{…,le="0.000256"} 511`,
		`aes67d_source_lateness_seconds_bucket{…,le="0.001024"} 991`,
		`aes67d_source_lateness_seconds_bucket{…,le="0.004096"} 997`,
		`aes67d_source_lateness_seconds_bucket{…,le="0.016384"} 999`,
		`aes67d_source_lateness_seconds_bucket{…,le="+Inf"} 1000`,
		`aes67d_source_lateness_seconds_sum{…} 0.123456789`,
		`aes67d_source_lateness_seconds_count{…} 1000`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lateness (-want +got):\n%s", diff)
	}

	s.set(func(s *sessions) { s.fails = errors.New("no answer") })
	if text := ours(t, c); strings.Contains(text, "aes67d_source_") || strings.Contains(text, "_ptp_offset") {
		t.Errorf("without figures:\n%s", text)
	}
}
