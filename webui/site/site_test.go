package site

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"aes67os/init/api"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// TestPanels compares each panel with its golden file. Look at the difference in
// git after -update.
func TestPanels(t *testing.T) {
	server := serve(t, newFakeInit(t).socket, "", nil)
	for _, panel := range []string{"identity", "overview", "network", "services", "tuning"} {
		resp, got := get(t, "GET", server.URL+"/fragment/"+panel)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s, Cache-Control %q", panel, resp.Status, resp.Header.Get("Cache-Control"))
		}
		file := "testdata/" + panel + ".html"
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", panel, diff)
		}
	}
	if resp, _ := get(t, "GET", server.URL+"/fragment/page"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a panel that does not exist: %s; want 404", resp.Status)
	}
}

func TestPage(t *testing.T) {
	server := serve(t, newFakeInit(t).socket, "", nil)
	resp, body := get(t, "GET", server.URL+"/")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %s", resp.Status)
	}
	for _, want := range []string{
		"<title>aes67-3fa29c</title>",
		"The data partition is damaged.",
		"192.168.1.42/24", "up · 2.5 Gbit/s", "lease ends in 11 h 3 min",
		"last ended: killed by signal 6", "for 5 s",
		"1 of 3 as wanted", "no such device",
		"igc 0000:01:00.0 eth0: PHC added", `data-last="boot1:3"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	if strings.Contains(body, "<script>") || strings.Contains(body, " style=") || strings.Contains(body, "onclick") {
		t.Error("the page has something inline, which a log line might have brought and its own policy forbids")
	}
	// Nothing is fetched from elsewhere, and all it asks for is there.
	for _, match := range regexp.MustCompile(`(?:src|href|hx-get)="([^"#]+)"`).FindAllStringSubmatch(body, -1) {
		if resp, _ := get(t, "GET", server.URL+match[1]); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", match[1], resp.Status)
		}
	}
}

func TestInitDown(t *testing.T) {
	server := serve(t, "", "", nil)
	resp, body := get(t, "GET", server.URL+"/")
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, "No connection to init.") || !strings.Contains(body, "</html>") {
		t.Errorf("%s without a clear message or not whole:\n%s", resp.Status, body)
	}
	if resp, body := get(t, "GET", server.URL+"/fragment/identity"); resp.StatusCode != http.StatusOK || !strings.Contains(body, `role="alert"`) {
		t.Errorf("%s %s", resp.Status, body)
	}
	if resp, body := get(t, "GET", server.URL+"/api/system/status"); resp.StatusCode != http.StatusBadGateway || !strings.HasPrefix(body, "init does not answer") {
		t.Errorf("%s %s", resp.Status, body)
	}
	if resp, _ := get(t, "GET", server.URL+Health); resp.StatusCode != http.StatusOK {
		t.Errorf("health: %s; want 200, for the site itself is well", resp.Status)
	}
}

func TestSystemAPI(t *testing.T) {
	f := newFakeInit(t)
	server := serve(t, f.socket, "", nil)
	for path, want := range map[string]any{"status": f.status, "services": f.services, "tuning": f.tuning, "network": f.network} {
		resp, body := get(t, "GET", server.URL+"/api/system/"+path)
		wanted, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(wanted), body); diff != "" || resp.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestProxy(t *testing.T) {
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s %s %q", r.Method, r.URL, r.Header.Get("X-Forwarded-For"), body)
	}))
	defer daemon.Close()
	server := serve(t, newFakeInit(t).socket, daemon.URL, nil)
	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/api/browse/sources/all?x=1", http.StatusTeapot, `GET /api/browse/sources/all?x=1 127.0.0.1 ""`},
		{"HEAD", "/api/config", http.StatusTeapot, ""},
		{"OPTIONS", "/api/config", http.StatusTeapot, `OPTIONS /api/config 127.0.0.1 ""`},
		{"POST", "/api/config", http.StatusMethodNotAllowed, "POST is not possible on /api/config\n"},
		{"PUT", "/api/source/1", http.StatusMethodNotAllowed, "PUT is not possible on /api/source/1\n"},
		{"DELETE", "/api/sink/1", http.StatusMethodNotAllowed, "DELETE is not possible on /api/sink/1\n"},
		{"POST", "/api/system/reboot", http.StatusMethodNotAllowed, "POST is not possible on /api/system/reboot\n"},
		// What is not of init's is the daemon's, and it knows no such thing.
		{"GET", "/api/system/reboot", http.StatusTeapot, `GET /api/system/reboot 127.0.0.1 ""`},
	} {
		resp, body := get(t, test.method, server.URL+test.path)
		if resp.StatusCode != test.status || body != test.body {
			t.Errorf("%s %s = %s %q; want %d %q", test.method, test.path, resp.Status, body, test.status, test.body)
		}
	}
	down := serve(t, newFakeInit(t).socket, "", nil)
	resp, body := get(t, "GET", down.URL+"/api/version")
	if want := "the AES67 daemon does not answer; the page shows whether it is running\n"; resp.StatusCode != http.StatusBadGateway || body != want {
		t.Errorf("daemon down: %s %q; want 502 %q", resp.Status, body, want)
	}
}

func TestHeaders(t *testing.T) {
	server := serve(t, newFakeInit(t).socket, "", nil)
	for _, path := range []string{"/", "/fragment/network", "/api/system/status", "/api/version", "/assets/app.js", "/nothing"} {
		resp, _ := get(t, "GET", server.URL+path)
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", path, resp.Header)
		}
	}
}

func TestWords(t *testing.T) {
	var got []string
	for _, n := range []uint64{0, 1023, 1024, 10 << 10, 1<<20 - 1, 10_695_000_000, 118e9, 1 << 50} {
		got = append(got, bytes(n))
	}
	for _, d := range []time.Duration{-time.Hour, 59 * time.Second, 60 * time.Second, time.Hour, 23*time.Hour + 59*time.Minute, 400 * 24 * time.Hour} {
		got = append(got, duration(d))
	}
	for _, s := range []int{10, 100, 1000, 2500, 10000} {
		got = append(got, speed(s))
	}
	want := []string{
		"0 B", "1023 B", "1.0 KiB", "10 KiB", "1.0 MiB", "10 GiB", "110 GiB", "1024 TiB",
		"0 s", "59 s", "1 min", "1 h 0 min", "23 h 59 min", "400 d 0 h",
		"10 Mbit/s", "100 Mbit/s", "1 Gbit/s", "2.5 Gbit/s", "10 Gbit/s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMeter(t *testing.T) {
	for _, test := range []struct {
		m    meter
		want meter
	}{
		{usage("m", 0, 0), meter{Label: "m", Text: "0 B of 0 B"}},
		{usage("m", 100, 200), meter{Label: "m", Text: "0 B of 100 B"}},
		{usage("m", 1000, 250), meter{Label: "m", Percent: 75, Text: "750 B of 1000 B", Level: "high"}},
		{newMeter("m", 1.7, ""), meter{Label: "m", Percent: 100, Level: "full"}},
	} {
		if diff := cmp.Diff(test.want, test.m); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestStateClass(t *testing.T) {
	var got []string
	for _, s := range []api.ServiceState{api.Starting, api.Running, api.Stopping, api.Backoff, api.Stopped} {
		got = append(got, stateClass(s))
	}
	if want := []string{"warn", "good", "warn", "bad", ""}; !slices.Equal(got, want) {
		t.Errorf("classes %q; want %q", got, want)
	}
}
