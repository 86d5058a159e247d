package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serve answers a client with h, in init's place.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "init.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	s.Start()
	t.Cleanup(s.Close)
	return NewClient(socket)
}

func discard(LogEntry) error { return nil }

func TestRequests(t *testing.T) {
	for _, test := range []struct {
		name, want, answer string
		ask                func(context.Context, *Client) (any, error)
		got                any
	}{
		{"Status", "GET /status", `{"hostname": "aes67-123456"}`,
			func(ctx context.Context, c *Client) (any, error) { return c.Status(ctx) }, Status{Hostname: "aes67-123456"}},
		{"Services", "GET /services", `[{"name": "aes67d", "state": "running"}]`,
			func(ctx context.Context, c *Client) (any, error) { return c.Services(ctx) }, []Service{{Name: "aes67d", State: Running}}},
		{"Tuning", "GET /tuning", `[{"name": "kernel.x", "ok": true}]`,
			func(ctx context.Context, c *Client) (any, error) { return c.Tuning(ctx) }, []Setting{{Name: "kernel.x", OK: true}}},
		{"Network", "GET /network", `[{"name": "eth0", "method": "link-local"}]`,
			func(ctx context.Context, c *Client) (any, error) { return c.Network(ctx) }, []Interface{{Name: "eth0", Method: LinkLocal}}},
		{"Reboot", "POST /reboot", "", func(ctx context.Context, c *Client) (any, error) { return nil, c.Reboot(ctx) }, nil},
		{"PowerOff", "POST /power-off", "", func(ctx context.Context, c *Client) (any, error) { return nil, c.PowerOff(ctx) }, nil},
		{"all logs", "GET /logs?", "",
			func(ctx context.Context, c *Client) (any, error) { return nil, c.Logs(ctx, LogQuery{}, discard) }, nil},
		{"some logs", "GET /logs?follow=1&service=a%26b&since=18446744073709551615&tail=5", "",
			func(ctx context.Context, c *Client) (any, error) {
				return nil, c.Logs(ctx, LogQuery{Service: "a&b", Since: 1<<64 - 1, Tail: 5, Follow: true}, discard)
			}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := make(chan string, 1)
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked <- r.Method + " " + r.RequestURI
				if r.Method == http.MethodPost {
					w.WriteHeader(http.StatusAccepted)
				}
				io.WriteString(w, test.answer)
			})
			got, err := test.ask(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.got, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if got := <-asked; strings.TrimSuffix(got, "?") != strings.TrimSuffix(test.want, "?") {
				t.Errorf("the request is %s; want %s", got, test.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	long := strings.Repeat("why", 10_000)
	for _, test := range []struct {
		name string
		ask  func(context.Context, *Client) error
		code int
		text string
		want string
	}{
		{"status", func(ctx context.Context, c *Client) error { _, err := c.Status(ctx); return err }, 500, "no clock\n",
			"init refused GET /status: 500 Internal Server Error: no clock"},
		{"reboot", func(ctx context.Context, c *Client) error { return c.Reboot(ctx) }, 409, "an update is being written\n",
			"init refused POST /reboot: 409 Conflict: an update is being written"},
		{"logs", func(ctx context.Context, c *Client) error { return c.Logs(ctx, LogQuery{Tail: -1}, discard) }, 400, "tail: -1",
			"init refused GET /logs?tail=-1: 400 Bad Request: tail: -1"},
		{"at length", func(ctx context.Context, c *Client) error { return c.PowerOff(ctx) }, 400, long,
			"init refused POST /power-off: 400 Bad Request: " + long[:4096]},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.code)
				io.WriteString(w, test.text)
			})
			if err := test.ask(t.Context(), c); err == nil || err.Error() != test.want {
				t.Errorf("error is %v; want %s", err, test.want)
			}
		})
	}
}

func TestNoInit(t *testing.T) {
	_, err := NewClient(filepath.Join(t.TempDir(), "init.sock")).Status(t.Context())
	if opErr := (*net.OpError)(nil); !errors.As(err, &opErr) || !strings.HasPrefix(err.Error(), "ask init: ") {
		t.Errorf("Status() = %v; want that nobody listens", err)
	}
}

func TestNotJSON(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") })
	if _, err := c.Tuning(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "init's answer to /tuning: ") {
		t.Errorf("Tuning() = %v; want it to name the request", err)
	}
}

func TestLogsReader(t *testing.T) {
	const one, two = `{"seq": 1, "text": "one"}` + "\n", `{"seq": 2, "text": "two"}` + "\n"
	longLine := `{"seq": 3, "text": "` + strings.Repeat("x", 100_000) + `"}` + "\n"
	enough := errors.New("enough")
	for _, test := range []struct {
		name, answer string
		stopAt       uint64
		want         []uint64
		wantErr      string
	}{
		{"all", one + two + longLine, 0, []uint64{1, 2, 3}, ""},
		{"none", "", 0, nil, ""},
		{"the reader has enough", one + two, 1, []uint64{1}, "enough"},
		{"damaged", one + "{\n" + two, 0, []uint64{1}, "init's log: unexpected end of JSON input"},
		{"a line without end", one + strings.Repeat("x", 2<<20), 0, []uint64{1}, "bufio.Scanner: token too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, test.answer) })
			var got []uint64
			err := c.Logs(t.Context(), LogQuery{}, func(e LogEntry) error {
				got = append(got, e.Seq)
				if e.Seq == test.stopAt {
					return enough
				}
				return nil
			})
			if err == nil && test.wantErr != "" || err != nil && err.Error() != test.wantErr {
				t.Errorf("Logs() = %v; want %q", err, test.wantErr)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

// Who follows the log ends it by the context, and is told so.
func TestLogsFollowEnds(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"seq": 1}`+"\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := c.Logs(ctx, LogQuery{Follow: true}, func(LogEntry) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Logs() = %v; want context.Canceled", err)
	}
}

// The page and other people's scripts read these names.
func TestStatusJSON(t *testing.T) {
	got, err := json.MarshalIndent(Status{
		Version: "1", Board: "Test board", Kernel: "6.12", Hostname: "aes67-123456", Uptime: 60.5, Ready: 4.5,
		CPU: CPU{"Model", 2, 0.25}, Memory: Memory{512, 256},
		Data:   Data{State: DataMounted, Device: "/dev/vda2", Total: 64, Free: 32},
		Driver: Driver{Name: "ravenna"}, Notes: []Note{{Warning, "a note"}},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "version": "1",
  "board": "Test board",
  "kernel": "6.12",
  "hostname": "aes67-123456",
  "uptime_seconds": 60.5,
  "ready_seconds": 4.5,
  "cpu": {
    "model": "Model",
    "cores": 2,
    "busy": 0.25
  },
  "memory": {
    "total_bytes": 512,
    "available_bytes": 256
  },
  "data": {
    "state": "mounted",
    "device": "/dev/vda2",
    "total_bytes": 64,
    "free_bytes": 32
  },
  "driver": {
    "name": "ravenna"
  },
  "notes": [
    {
      "severity": "warning",
      "text": "a note"
    }
  ]
}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// Entries, services, settings and interfaces leave out what there is none of.
func TestListsJSON(t *testing.T) {
	at := time.Date(2026, 11, 22, 11, 40, 59, 0, time.UTC)
	for _, test := range []struct {
		value any
		want  string
	}{
		{LogEntry{1, at, "init", Info, "text"}, `{"seq":1,"time":"2026-11-22T11:40:59Z","service":"init","severity":"info","text":"text"}`},
		{Service{Name: "aes67d", State: Stopped, Since: at}, `{"name":"aes67d","state":"stopped","since":"2026-11-22T11:40:59Z","restarts":0,"rss_bytes":0}`},
		{Service{"aes67d", Running, 7, at, 2, "ready", "killed", 4096},
			`{"name":"aes67d","state":"running","pid":7,"since":"2026-11-22T11:40:59Z","restarts":2,"status":"ready","last_exit":"killed","rss_bytes":4096}`},
		{Setting{"kernel.x", "1", "2", false, "because", "denied"},
			`{"name":"kernel.x","want":"1","got":"2","ok":false,"why":"because","error":"denied"}`},
		{Interface{Name: "eth0", MAC: "02:00:00:00:00:01", Method: NoAddress, Addresses: []string{}},
			`{"name":"eth0","mac":"02:00:00:00:00:01","up":false,"speed_mbps":0,"method":"none","addresses":[]}`},
		{Interface{"eth0", "02:00:00:00:00:01", "igb", true, 1000, DHCP, []string{"192.0.2.7/24"}, "192.0.2.1", []string{"192.0.2.1"}, &at, ""},
			`{"name":"eth0","mac":"02:00:00:00:00:01","driver":"igb","up":true,"speed_mbps":1000,"method":"dhcp","addresses":["192.0.2.7/24"],` +
				`"gateway":"192.0.2.1","dns":["192.0.2.1"],"lease_ends":"2026-11-22T11:40:59Z"}`},
	} {
		got, err := json.Marshal(test.value)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, string(got)); diff != "" {
			t.Errorf("%T (-want +got):\n%s", test.value, diff)
		}
	}
}
