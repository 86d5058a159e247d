package site

import (
	"bufio"
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"aes67os/init/api"

	"github.com/google/go-cmp/cmp"
)

// event is a server-sent event as a browser sees it.
type event struct{ Kind, ID, Data string }

// stream reads events as the HTML standard says (§9.2.6).
type stream struct {
	lines *bufio.Scanner
	close func()
}

// open begins to follow the log. lastID is what a browser that reconnects sends.
func open(t *testing.T, server *httptest.Server, query, lastID string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/logs"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("%s %s; want an event stream", resp.Status, kind)
	}
	s := &stream{lines: bufio.NewScanner(resp.Body), close: func() { cancel(); resp.Body.Close() }}
	t.Cleanup(s.close)
	return s
}

// next returns the next event, and false when the stream has ended.
func (s *stream) next() (e event, ok bool) {
	var data []string
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case s.lines.Text() == "" && e.Kind != "":
			e.Data = strings.Join(data, "\n")
			return e, true
		case field == "event":
			e.Kind = value
		case field == "id":
			e.ID = value
		case field == "data":
			data = append(data, value)
		}
	}
	return e, false
}

// take returns the next n events.
func (s *stream) take(t *testing.T, n int) (list []event) {
	t.Helper()
	for range n {
		e, ok := s.next()
		if !ok {
			t.Fatalf("the stream ended after %d events; want %d", len(list), n)
		}
		list = append(list, e)
	}
	return list
}

// brief shows an event as kind, id and the text of the line.
func brief(list []event) (out []string) {
	text := regexp.MustCompile(`(?s)<span class="text">(.*)</span></li>$`)
	for _, e := range list {
		line := ""
		if m := text.FindStringSubmatch(e.Data); m != nil {
			line = html.UnescapeString(m[1])
		}
		out = append(out, fmt.Sprintf("%s %s %q", e.Kind, e.ID, line))
	}
	return out
}

// cleaned is hostile as a browser shows it: the same text, line ends as line feeds.
var cleaned = strings.ReplaceAll(hostile, "\r\n", "\n")

func TestLogs(t *testing.T) {
	all := []string{
		`line boot1:1 "igc 0000:01:00.0 eth0: PHC added"`,
		fmt.Sprintf("line boot1:2 %q", cleaned),
		`line boot1:3 "ready"`,
	}
	for _, test := range []struct {
		name, query, last string
		want              []string
	}{
		{"from the beginning", "", "", all},
		{"after what the page has", "?after=boot1:2", "", all[2:]},
		{"reconnected", "?after=boot1:0", "boot1:1", all[1:]},
		{"reconnected after a reboot", "?after=boot0:1", "boot0:900", append([]string{`restart  ""`}, all...)},
		{"not an id of ours", "", "boot1", append([]string{`restart  ""`}, all...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFakeInit(t)
			s := open(t, serve(t, f.socket, "", nil), test.query, test.last)
			if diff := cmp.Diff(test.want, brief(s.take(t, len(test.want)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			f.add("webui", api.Warning, "something new")
			if diff := cmp.Diff([]string{`line boot1:4 "something new"`}, brief(s.take(t, 1))); diff != "" {
				t.Errorf("live (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHostileLine looks at the very bytes: what a program logs stays text.
func TestHostileLine(t *testing.T) {
	f := newFakeInit(t)
	s := open(t, serve(t, f.socket, "", nil), "?after=boot1:1", "")
	got := s.take(t, 1)[0].Data
	want := `<li class="error" data-service="aes67d" data-severity="error"><time datetime="2026-11-22T12:00:02.000Z" title="2026-11-22 12:00:02.000 UTC">12:00:02</time> <span class="from" title="aes67d">aes67d</span> <span class="severity">error</span> <span class="text">` +
		html.EscapeString(cleaned) + `</span></li>`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLogsEnd checks that a stream does not hold up the program's end, and that
// without init it ends in a way after which browsers try again.
func TestLogsEnd(t *testing.T) {
	stopping := make(chan struct{})
	s := open(t, serve(t, newFakeInit(t).socket, "", stopping), "", "")
	s.take(t, 3)
	close(stopping)
	if e, ok := s.next(); ok || s.lines.Err() != nil {
		t.Errorf("after the end comes %v, %v", e, s.lines.Err())
	}
	s = open(t, serve(t, "", "", nil), "", "")
	if e, ok := s.next(); ok {
		t.Errorf("without init comes %v", e)
	}
}

// FuzzEvent checks that no text breaks out of its event.
func FuzzEvent(f *testing.F) {
	f.Add("a line")
	f.Add(hostile)
	f.Add("\n\n\r\r\n: x")
	f.Fuzz(func(t *testing.T, text string) {
		w := httptest.NewRecorder()
		out := eventWriter{w, http.NewResponseController(w)}
		if err := out.event("line", "b:1", text); err != nil {
			t.Fatal(err)
		}
		if err := out.event("end", "", ""); err != nil {
			t.Fatal(err)
		}
		// A browser takes \n, \r and \r\n for line ends; here only \n may be left.
		if strings.Contains(w.Body.String(), "\r") {
			t.Error("a carriage return is left")
		}
		lines := bufio.NewScanner(w.Body)
		lines.Buffer(nil, len(text)*2+1<<16)
		s := &stream{lines: lines}
		want := event{"line", "b:1", strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)}
		if diff := cmp.Diff(want, s.take(t, 1)[0]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := s.take(t, 1)[0].Kind; got != "end" {
			t.Errorf("the next event is %q", got)
		}
	})
}
