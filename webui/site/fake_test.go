package site

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"aes67os/init/api"
)

// noon is the time of all tests.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// fakeInit answers on a Unix socket as init does.
type fakeInit struct {
	socket   string
	status   api.Status
	services []api.Service
	tuning   []api.Setting
	network  []api.Interface

	mu      sync.Mutex // guards all above but socket, and what follows
	log     []api.LogEntry
	changed chan struct{} // closed when log has grown
}

// hostile is what a log line or a name must not be able to do to the page.
const hostile = `</span><script>alert("1")</script>` + "\r\ndata: x\n\nevent: restart\n"

func newFakeInit(t *testing.T) *fakeInit {
	t.Helper()
	lease := noon.Add(11*time.Hour + 3*time.Minute)
	f := &fakeInit{
		socket:  filepath.Join(t.TempDir(), "init.sock"),
		changed: make(chan struct{}),
		status: api.Status{
			Version: "0.2.0", Board: "x86_64", Kernel: "6.12.48-rt-amd64", Hostname: "aes67-3fa29c",
			Uptime: 3*86400 + 7300, Ready: 2.84,
			CPU:    api.CPU{Model: "Intel N100", Cores: 4, Busy: 0.83},
			Memory: api.Memory{Total: 8 << 30, Available: 7 << 30},
			Data:   api.Data{State: api.DataDamaged, Why: "the superblock has a wrong checksum"},
			Driver: api.Driver{Name: "userspace", Why: "the image has no RAVENNA kernel module, and needs none"},
			Notes:  []api.Note{{Severity: api.Error, Text: "The data partition is damaged."}, {Severity: api.Warning, Text: `<script>alert("1")</script>`}},
		},
		services: []api.Service{
			{Name: "aes67d", State: api.Backoff, Since: noon.Add(-5 * time.Second), Restarts: 3, LastExit: "killed by signal 6"},
			{Name: "webui", State: api.Running, PID: 215, Since: noon.Add(-72 * time.Hour), Status: "serving on [::]:80", RSS: 21 << 20},
		},
		tuning: []api.Setting{
			{Name: "kernel.sched_rt_runtime_us", Want: "1000000", Got: "1000000", OK: true, Why: "audio threads may use all of a core"},
			{Name: "cpufreq governor", Want: "performance", Got: "schedutil", Why: "a core that speeds up first is late"},
			{Name: "watchdog", Want: "on", Why: "a hanging system restarts", Error: "no such device"},
		},
		network: []api.Interface{
			{Name: "eth0", MAC: "02:42:ac:3f:a2:9c", Driver: "igc", Up: true, Speed: 2500, Method: api.DHCP,
				Addresses: []string{"192.168.1.42/24"}, Gateway: "192.168.1.1", DNS: []string{"192.168.1.1", "1.1.1.1"}, LeaseEnds: &lease},
			{Name: "eth1", MAC: "02:42:ac:3f:a2:9d", Method: api.NoAddress, Why: "no cable"},
		},
	}
	f.add("kernel", api.Debug, "igc 0000:01:00.0 eth0: PHC added")
	f.add("aes67d", api.Error, hostile)
	f.add("init", api.Info, "ready")

	l, err := net.Listen("unix", f.socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for path, v := range map[string]any{"/status": &f.status, "/services": &f.services, "/tuning": &f.tuning, "/network": &f.network} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			f.set(func() { json.NewEncoder(w).Encode(v) })
		})
	}
	mux.HandleFunc("GET /logs", f.serveLog)
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: mux}}
	server.Start()
	t.Cleanup(server.Close)
	return f
}

// set changes what init says.
func (f *fakeInit) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// add appends to the log.
func (f *fakeInit) add(service string, severity api.Severity, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	seq := uint64(len(f.log) + 1)
	f.log = append(f.log, api.LogEntry{
		Seq: seq, Time: noon.Add(time.Duration(seq) * time.Second), Service: service, Severity: severity, Text: text,
	})
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeInit) serveLog(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.Atoi(r.FormValue("since"))
	n, _ := strconv.Atoi(r.FormValue("tail"))
	out := json.NewEncoder(w)
	for {
		f.mu.Lock()
		entries, changed := f.log[min(since, len(f.log)):], f.changed
		f.mu.Unlock()
		if n > 0 && len(entries) > n {
			entries = entries[len(entries)-n:]
		}
		for _, e := range entries {
			out.Encode(e)
			since = int(e.Seq)
		}
		http.NewResponseController(w).Flush()
		if r.FormValue("follow") == "" {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// serve runs the site. Empty for socket or daemon is one that nobody listens on.
func serve(t *testing.T, socket, daemon string, stopping <-chan struct{}) *httptest.Server {
	t.Helper()
	if socket == "" {
		socket = filepath.Join(t.TempDir(), "nobody.sock")
	}
	if daemon == "" {
		daemon = "http://127.0.0.1:1"
	}
	upstream, err := url.Parse(daemon)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := New(Config{
		Init: api.NewClient(socket), AES67D: upstream, Boot: "boot1", Stopping: stopping,
		Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// get asks the site and returns status, header and body.
func get(t *testing.T, method, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}
