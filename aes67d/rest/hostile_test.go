package rest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// TestConcurrent has eight clients at once do everything that can be done.
func TestConcurrent(t *testing.T) {
	api, s := newAPI(t)
	clear(s.source)
	clear(s.sink)
	h := api.Handler()
	var clients sync.WaitGroup
	for n := range 8 {
		clients.Go(func() {
			do := func(method, path, body string) {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, request(method, path, body))
				if w.Code != http.StatusOK {
					t.Errorf("%s %s = %d %s", method, path, w.Code, w.Body)
				}
			}
			for i := range 40 {
				id := 8*n + i%8
				name := fmt.Sprint("ALSA ", id)
				do("PUT", fmt.Sprint("/api/source/", id), strings.Replace(sourceBody, "ALSA 0", name, 1))
				do("PUT", fmt.Sprint("/api/sink/", id), strings.Replace(sinkBody, "ALSA 0", name, 1))
				do("GET", "/api/streams", "")
				do("GET", fmt.Sprint("/api/source/sdp/", id), "")
				do("GET", fmt.Sprint("/api/sink/status/", id), "")
				do("GET", "/api/config", "")
				do("GET", "/api/ptp/status", "")
				if i%20 == n {
					do("POST", "/api/config", fmt.Sprintf(`{"log_severity": %d}`, n%6))
					if n < 4 { // more at once are refused
						do("GET", "/metrics", "")
					}
				}
				if i >= 32 {
					do("DELETE", fmt.Sprint("/api/source/", id), "")
					do("DELETE", fmt.Sprint("/api/sink/", id), "")
				}
			}
		})
	}
	clients.Wait()
	if len(s.source) != 0 || len(s.sink) != 0 {
		t.Errorf("%d sources and %d sinks are left", len(s.source), len(s.sink))
	}
}

// TestPanic: what cannot happen is answered too, and the next request is as well.
func TestPanic(t *testing.T) {
	api, _ := newAPI(t)
	h := api.Handler()
	remote := api.Remote
	for _, test := range []struct {
		remote Remote
		status int
	}{{nil, 500}, {remote, 200}} {
		api.Remote = test.remote
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, request("GET", "/api/browse/sources/all", "")); w.Code != test.status {
			t.Errorf("%d; want %d", w.Code, test.status)
		}
	}
}

// FuzzPut puts any body at any path: it is either refused with a reason or there.
func FuzzPut(f *testing.F) {
	f.Add("source/0", sourceBody)
	f.Add("sink/63", sinkBody)
	f.Add("source/64", sourceBody)
	f.Add("sink/1", `{"name": 1, "map": [[]]}`)
	f.Add("source/00", strings.Replace(sourceBody, "15", "1e3", 1))
	f.Add("sink/status/5", sinkBody)
	f.Add("source/-1", "\xff")
	c := newClient(f, nil)
	f.Fuzz(func(t *testing.T, path, body string) {
		r, err := http.NewRequest("PUT", "/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path = "/api/" + path
		api, s := newAPI(t)
		clear(s.source)
		clear(s.sink)
		c := &client{handler: api.Handler(), router: c.router, loose: true}
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, r)
		switch {
		case w.Code == 200 && w.Body.Len() == 0 && len(s.source)+len(s.sink) == 1:
			// What has been taken can be told.
			answer := c.do(t, "GET", "/api/streams", "")
			if answer.Code != 200 || !utf8.Valid(answer.Body.Bytes()) {
				t.Errorf("%q is there, but told as %d %q", body, answer.Code, answer.Body)
			}
		case w.Code >= 400 && w.Code < 500 && w.Body.Len() > 0 && len(s.source)+len(s.sink) == 0:
		default:
			t.Errorf("%q = %d %q with %d sources and %d sinks", body, w.Code, w.Body, len(s.source), len(s.sink))
		}
	})
}

// FuzzConfig posts any configuration: it is either refused, or in force.
func FuzzConfig(f *testing.F) {
	f.Add(`{"log_severity": 3}`)
	f.Add(`{"sample_rate": "96000", "interface_name": "eth0,eth1", "mdns_enabled": 1}`)
	f.Add(`{"node_id": []}`)
	f.Add(`{`)
	f.Fuzz(func(t *testing.T, body string) {
		api, _ := newAPI(t)
		before := api.Config.Get()
		h := api.Handler()
		for _, path := range []string{"/api/config", "/api/ptp/config"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, request("POST", path, body))
			if w.Code != 200 && (w.Code != 400 || w.Body.Len() == 0) {
				t.Errorf("%s %q = %d %q", path, body, w.Code, w.Body)
			}
			if path == "/api/config" && w.Code != 200 && api.Config.Get() != before {
				t.Errorf("%q is refused, but has changed the configuration", body)
			}
		}
	})
}
