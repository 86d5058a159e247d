package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aes67os/aes67d/config"
	"aes67os/aes67d/session"

	"github.com/google/go-cmp/cmp"
)

// TestDropIn goes through what the known daemon's own tests do with its API.
func TestDropIn(t *testing.T) {
	api, s := newAPI(t)
	clear(s.source)
	clear(s.sink)
	c := newClient(t, api.Handler())
	done := func(method, path, body string) {
		t.Helper()
		w := c.do(t, method, path, body)
		if w.Code != 200 || w.Body.Len() != 0 {
			t.Fatalf("%s %s = %d %q; want 200 and nothing", method, path, w.Code, w.Body)
		}
	}
	named := func(body string, id int) string { return strings.Replace(body, "ALSA 0", fmt.Sprint("ALSA ", id), 1) }
	var lists struct {
		Sources []session.Source `json:"sources"`
		Sinks   []session.Sink   `json:"sinks"`
	}

	for id := range 64 {
		done("PUT", fmt.Sprint("/api/source/", id), named(sourceBody, id))
		done("PUT", fmt.Sprint("/api/source/", id), strings.Replace(named(sourceBody, id), "L16", "L24", 1))
		done("PUT", fmt.Sprint("/api/sink/", id), named(sinkBody, id))
		done("PUT", fmt.Sprint("/api/sink/", id), strings.Replace(named(sinkBody, id), `"use_sdp": true`, `"use_sdp": false`, 1))
	}
	for _, path := range []string{"/api/sources", "/api/sinks", "/api/streams"} {
		if err := json.Unmarshal(c.do(t, "GET", path, "").Body.Bytes(), &lists); err != nil {
			t.Fatal(err)
		}
	}
	if len(lists.Sources) != 64 || len(lists.Sinks) != 64 {
		t.Fatalf("%d sources and %d sinks; want 64 of each", len(lists.Sources), len(lists.Sinks))
	}
	for id := range 64 {
		if lists.Sources[id].ID != id || lists.Sinks[id].ID != id || lists.Sources[id].Codec != "L24" || lists.Sinks[id].UseSDP {
			t.Errorf("%d: %+v, %+v", id, lists.Sources[id], lists.Sinks[id])
		}
		if w := c.do(t, "GET", fmt.Sprint("/api/source/sdp/", id), ""); w.Code != 200 || w.Body.Len() == 0 {
			t.Errorf("the SDP of source %d = %d %q", id, w.Code, w.Body)
		}
		if w := c.do(t, "GET", fmt.Sprint("/api/sink/status/", id), ""); w.Code != 200 {
			t.Errorf("the status of sink %d = %d %q", id, w.Code, w.Body)
		}
		done("DELETE", fmt.Sprint("/api/source/", id), "")
		done("DELETE", fmt.Sprint("/api/sink/", id), "")
	}
	if len(s.Sources()) != 0 || len(s.Sinks()) != 0 {
		t.Error("not all is removed")
	}

	done("POST", "/api/ptp/config", `{ "domain": 1, "dscp": 48 }`)
	if got, want := compact(t, c.do(t, "GET", "/api/ptp/config", "")), `{"domain":1,"dscp":48}`; got != want {
		t.Errorf("the PTP configuration is %s; want %s", got, want)
	}
	done("POST", "/api/ptp/config", `{ "domain": 0, "dscp": 46 }`)
}

// TestLenient: what scripts have always sent is taken, though it is not what is described.
func TestLenient(t *testing.T) {
	api, s := newAPI(t)
	c := newClient(t, api.Handler())
	c.loose = true
	const body = `{"id": 9, "enabled": "true", "name": "x", "io": "", "map": ["0", 1], "max_samples_per_packet": "48", "codec": "L24",
		"address": "", "ttl": "15", "payload_type": 98, "dscp": "34", "refclk_ptp_traceable": 0, "comment": {}}`
	if w := c.do(t, "PUT", "/api/source/7", body); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want := session.Source{
		ID: 7, Enabled: true, Name: "x", MaxSamplesPerPacket: 48, Codec: "L24", Address: "239.1.0.8",
		TTL: 15, PayloadType: 98, DSCP: 34, Map: []int{0, 1},
	}
	if diff := cmp.Diff(want, s.source[7]); diff != "" {
		t.Errorf("source (-want +got):\n%s", diff)
	}
}

// TestConfig changes some members, and then sends back all of them, as pages do.
func TestConfig(t *testing.T) {
	api, _ := newAPI(t)
	c := newClient(t, api.Handler())
	c.loose = true // whole configurations have members that are read-only
	want := api.Config.Get()
	if w := c.do(t, "POST", "/api/config", `{"custom_node_id": "stage", "sap_interval": "0", "node_id": "x", "mac_addr": "y", "colour": 1}`); w.Code != 200 || w.Body.Len() != 0 {
		t.Fatalf("%d %q", w.Code, w.Body)
	}
	want.CustomNodeID, want.SAPInterval = "stage", 0
	if diff := cmp.Diff(want, api.Config.Get()); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	whole := c.do(t, "GET", "/api/config", "").Body.String()
	if w := c.do(t, "POST", "/api/config", whole); w.Code != 200 {
		t.Fatalf("%d %q", w.Code, w.Body)
	}
	want.IPAddress = "192.168.1.10" // the address in use is the one to prefer from now on
	if diff := cmp.Diff(want, api.Config.Get()); diff != "" {
		t.Errorf("sent back as it was (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(whole, c.do(t, "GET", "/api/config", "").Body.String()); diff != "" {
		t.Errorf("answer (-before +after):\n%s", diff)
	}
}

func TestStatic(t *testing.T) {
	above := t.TempDir()
	dir := filepath.Join(above, "dist")
	for name, content := range map[string]string{
		"secret": "secret", "dist/index.html": "<html>page</html>", "dist/assets/app.js": "script", "dist/assets/index.html": "inner",
	} {
		name = filepath.Join(above, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("assets/app.js", filepath.Join(dir, "app.js")); err != nil {
		t.Fatal(err)
	}
	api, _ := newAPI(t)
	h := api.Handler()
	c := newClient(t, h)
	nothing := c.do(t, "GET", "/Sinks", "") // the directory of the defaults is not there
	if nothing.Code != 200 || !strings.Contains(nothing.Body.String(), "no page") {
		t.Errorf("without a page: %d %q", nothing.Code, nothing.Body)
	}
	if _, _, err := api.Config.Update(func(c *config.Config) error { c.HTTPBaseDir = dir; return nil }); err != nil {
		t.Fatal(err)
	}
	const page, html = "<html>page</html>", "text/html; charset=utf-8"
	for _, test := range []struct {
		method, path string
		status       int
		kind, body   string
	}{
		{"GET", "/", 200, html, page},
		{"GET", "/index.html", 200, html, page},
		{"GET", "/Config", 200, html, page},
		{"GET", "/PTP", 200, html, page},
		{"GET", "/Sources", 200, html, page},
		{"GET", "/Sinks", 200, html, page},
		{"GET", "/Browser", 200, html, page},
		{"GET", "/assets/app.js", 200, "text/javascript; charset=utf-8", "script"},
		{"GET", "/app.js", 200, "text/javascript; charset=utf-8", "script"},
		{"GET", "/assets", 404, "text/plain", "/assets does not exist here\n"},
		{"GET", "/assets/", 404, "text/plain", "/assets/ does not exist here\n"},
		{"GET", "/link", 404, "text/plain", "/link does not exist here\n"},
		{"GET", "/../secret", 404, "text/plain", "/../secret does not exist here\n"},
		{"GET", "/assets/..%2f..%2fsecret", 404, "text/plain", "/assets/../../secret does not exist here\n"},
		{"GET", "/api/index.html", 404, "text/plain", "/api/index.html does not exist here\n"},
		{"GET", "/x/../api", 404, "text/plain", "/x/../api does not exist here\n"},
		{"GET", "/%00", 404, "text/plain", "/\x00 does not exist here\n"},
		{"POST", "/index.html", 404, "text/plain", "/index.html does not exist here\n"},
		{"DELETE", "/", 404, "text/plain", "/ does not exist here\n"},
	} {
		w := c.do(t, test.method, test.path, "")
		if w.Code != test.status || w.Header().Get("Content-Type") != test.kind || w.Body.String() != test.body {
			t.Errorf("%s %s = %d %s %q; want %d %s %q", test.method, test.path,
				w.Code, w.Header().Get("Content-Type"), w.Body, test.status, test.kind, test.body)
		}
	}
	if w := c.do(t, http.MethodHead, "/app.js", ""); w.Code != 200 || w.Header().Get("Content-Length") != "6" {
		t.Errorf("HEAD = %d %v", w.Code, w.Header())
	}
}
