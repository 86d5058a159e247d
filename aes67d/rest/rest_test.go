package rest

import (
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"aes67os/aes67d/netif"
	"aes67os/driver"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// golden returns the content of a file; with -update it is what we got.
func golden(t *testing.T, file, got string) string {
	t.Helper()
	file = "testdata/" + file
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestAnswers compares what every GET answers, byte for byte.
func TestAnswers(t *testing.T) {
	const json = "application/json"
	for _, test := range []struct{ path, file, kind string }{
		{"/api/version", "version.json", json},
		{"/api/config", "config.json", json},
		{"/api/ptp/config", "ptp_config.json", json},
		{"/api/ptp/status", "ptp_status.json", json},
		{"/api/sources", "sources.json", json},
		{"/api/sinks", "sinks.json", json},
		{"/api/streams", "streams.json", json},
		{"/api/source/sdp/3", "source.sdp", "application/sdp"},
		{"/api/source/sdp/0003", "source.sdp", "application/sdp"},
		{"/api/sink/status/5", "sink_status.json", json},
		{"/api/browse/sources/all", "browse_all.json", json},
		{"/api/browse/sources/mdns", "browse_mdns.json", json},
		{"/api/browse/sources/sap", "browse_sap.json", json},
		{"/api/driver", "driver.json", json},
		{"/api/figures", "figures.json", json},
		{"/api/source/figures/3", "source_figures.json", json},
		{"/api/sink/figures/5", "sink_figures.json", json},
		{"/api/ptp/figures", "ptp_figures.json", json},
	} {
		t.Run(test.path, func(t *testing.T) {
			api, _ := newAPI(t)
			w := newClient(t, api.Handler()).do(t, "GET", test.path, "")
			if w.Code != 200 || w.Header().Get("Content-Type") != test.kind {
				t.Errorf("%d %s; want 200 %s", w.Code, w.Header().Get("Content-Type"), test.kind)
			}
			if diff := cmp.Diff(golden(t, test.file, w.Body.String()), w.Body.String()); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNothing has no streams, no grandmaster, no driver and no network.
func TestNothing(t *testing.T) {
	api, s := newAPI(t)
	clear(s.source)
	clear(s.sink)
	s.ptp, s.problem = driver.PTPStatus{}, errors.New("the module is not loaded")
	api.Remote = table(nil)
	api.Interfaces = func() ([]netif.Interface, error) { return nil, nil }
	c := newClient(t, api.Handler())
	for path, want := range map[string]string{
		"/api/sources":            `{"sources":[]}`,
		"/api/sinks":              `{"sinks":[]}`,
		"/api/streams":            `{"sources":[],"sinks":[]}`,
		"/api/browse/sources/all": `{"remote_sources":[]}`,
		"/api/ptp/status":         `{"status":"unlocked","gmid":"00-00-00-00-00-00-00-00","jitter":0}`,
		"/api/driver":             `{"name":"fake","available":false,"error":"the module is not loaded"}`,
	} {
		w := c.do(t, "GET", path, "")
		if got := compact(t, w); w.Code != 200 || got != want {
			t.Errorf("%s = %d %s; want %s", path, w.Code, got, want)
		}
	}
	if w := c.do(t, "GET", "/api/config", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"ip_addr": ""`) {
		t.Errorf("the configuration without network = %d %s", w.Code, w.Body)
	}
}

func compact(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var b strings.Builder
	var v json.RawMessage
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%q: %v", w.Body, err)
	}
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// TestStatusReaders: a driver tells an error once, but everybody who asks hears of it.
func TestStatusReaders(t *testing.T) {
	_, fake := newAPI(t)
	s := statuses{sessions: fake}
	ask := func(by reader) driver.StreamStatus {
		t.Helper()
		status, err := s.ask(t.Context(), by, 5)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	for by := range readers {
		if got := ask(by); !got.SequenceError || !got.Receiving || got.MinimumTime != -12 {
			t.Errorf("reader %d is told %+v; want the error", by, got)
		}
	}
	fake.set(func(f *sessions) { f.status = driver.StreamStatus{Muted: true} })
	for by := range readers {
		ask(by)
		if got, want := ask(by), (driver.StreamStatus{Muted: true}); got != want {
			t.Errorf("then reader %d is told %+v; want %+v", by, got, want)
		}
	}
	fake.set(func(f *sessions) { f.status.TimestampError = true })
	ask(byEvents)
	s.forget(5)
	if ask(byClient).TimestampError {
		t.Error("an error of the sink before is told of the next")
	}
}

// TestLog: changes and refusals are logged, with the reason, and questions are not.
func TestLog(t *testing.T) {
	api, _ := newAPI(t)
	var log strings.Builder
	api.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	c := newClient(t, api.Handler())
	c.do(t, "GET", "/api/sources", "")
	c.do(t, "PUT", "/api/source/0", sourceBody)
	c.do(t, "DELETE", "/api/source/9", "")
	want := `level=INFO msg="http request" method=PUT path=/api/source/0 status=200 client=192.0.2.1:1234
level=WARN msg="http request" method=DELETE path=/api/source/9 status=400 client=192.0.2.1:1234 reason="failed to remove source 9 : (daemon) stream not in use"
`
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}
