package rest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/aes67d/config"
	"aes67os/aes67d/events"
	"aes67os/aes67d/session"
	"aes67os/driver"
	"aes67os/service"

	"github.com/google/go-cmp/cmp"
)

// pipes is a network of one server, inside the process, so that synctest has its clock.
type pipes struct {
	connections chan net.Conn
	closed      context.Context
	close       context.CancelFunc
}

func newPipes(t *testing.T) *pipes {
	p := &pipes{connections: make(chan net.Conn)}
	p.closed, p.close = context.WithCancel(context.WithoutCancel(t.Context())) // which ends before the server does
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed.Done():
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.close()
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// get connects and makes a request. What is answered waits to be read from the connection.
func (p *pipes) get(t *testing.T, path string) net.Conn {
	t.Helper()
	here, there := net.Pipe()
	p.connections <- there
	if _, err := fmt.Fprintf(here, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	return here
}

// serve runs an API on pipes in the bubble of synctest until the test ends.
func serveEvents(t *testing.T, api *API) *pipes {
	t.Helper()
	p := newPipes(t)
	done := make(chan struct{})
	api.Done = done
	server := &http.Server{Handler: api.Handler()}
	ended := make(chan error)
	go func() { ended <- server.Serve(p) }()
	t.Cleanup(func() {
		close(done)
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return p
}

// listener is a client of the stream.
type listener struct {
	t    *testing.T
	conn net.Conn
	body *bufio.Reader
}

func (p *pipes) listen(t *testing.T) *listener {
	t.Helper()
	conn := p.get(t, eventsPath)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	return &listener{t, conn, bufio.NewReader(resp.Body)}
}

// next returns what comes next, an event or a comment, without its empty line.
func (l *listener) next() string {
	l.t.Helper()
	var b strings.Builder
	for {
		line, err := l.body.ReadString('\n')
		if err != nil {
			l.t.Fatalf("after %q: %v", b.String(), err)
		}
		if line == "\n" {
			return strings.TrimSpace(b.String())
		}
		b.WriteString(line)
	}
}

// expect checks what comes next.
func (l *listener) expect(want ...string) {
	l.t.Helper()
	for _, w := range want {
		if diff := cmp.Diff(w, l.next()); diff != "" {
			l.t.Errorf("event (-want +got):\n%s", diff)
		}
	}
}

const (
	ptpEvent    = "event: ptp\ndata: " + `{"status":"locked","gmid":"00-1D-C1-FF-FE-50-36-33","jitter":7}`
	driverEvent = "event: driver\ndata: " + `{"name":"fake","available":true,"error":""}`
)

// status is the event of the sink's status.
func statusEvent(sequence, receiving bool, minimum int) string {
	return fmt.Sprintf(`event: sink_status
data: {"id":5,"sink_flags":{"rtp_seq_id_error":%t,"rtp_ssrc_error":false,"rtp_payload_type_error":false,"rtp_sac_error":false,`+
		`"receiving_rtp_packet":%t,"some_muted":false,"all_muted":false,"muted":false},"sink_min_time":%d}`, sequence, receiving, minimum)
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, s := newAPI(t)
		p := serveEvents(t, api)
		l := p.listen(t)
		defer l.conn.Close()
		l.expect(ptpEvent, driverEvent)

		// Changes that come together are told once, each with what is now.
		if _, _, err := api.Config.Update(func(c *config.Config) error { c.LogSeverity = 1; return nil }); err != nil {
			t.Fatal(err)
		}
		s.set(func(s *sessions) {
			clear(s.source)
			s.source[0] = session.Source{ID: 0, Name: "first"}
			s.ptp.Lock = driver.Locking
		})
		start := time.Now()
		for _, kind := range []string{events.Sources, events.PTP, events.Sources, events.Config, "unheard of", events.Sources} {
			api.Events.Publish(events.Event{Type: kind})
		}
		if got := l.next(); !strings.HasPrefix(got, "event: sources\ndata: {\"sources\":[{\"id\":0,") {
			t.Errorf("got %q", got)
		}
		l.expect(strings.Replace(ptpEvent, "locked", "locking", 1))
		if got := l.next(); !strings.HasPrefix(got, "event: config\ndata: {") || !strings.Contains(got, `"log_severity":1,`) {
			t.Errorf("got %q", got)
		}
		if took := time.Since(start); took != gather {
			t.Errorf("it took %s; want %s", took, gather)
		}

		// The sink's status comes by itself, and again when a flag changes, not before.
		l.expect(statusEvent(true, true, -12), statusEvent(false, true, -12))
		api.Events.Publish(events.Event{Type: events.RemoteSources})
		if got := l.next(); !strings.HasPrefix(got, "event: remote_sources\ndata: {\"remote_sources\":[{") {
			t.Errorf("got %q", got)
		}
		s.set(func(s *sessions) { s.status.MinimumTime = -13 })
		time.Sleep(3 * statusInterval)
		s.set(func(s *sessions) { s.status.Receiving = false })
		l.expect(statusEvent(false, false, -13))

		// An event with data of its own is passed on as it is.
		api.Events.Publish(events.Event{Type: "note", Data: []string{"a\nb"}})
		l.expect("event: note\ndata: [\"a\\nb\"]")

		// Somebody who comes later is told all the same.
		other := p.listen(t)
		defer other.conn.Close()
		other.expect(strings.Replace(ptpEvent, "locked", "locking", 1), driverEvent, statusEvent(false, false, -13))
		l.expect(statusEvent(false, false, -13))
	})
}

// TestEventsKeepAlive: when nothing happens, a comment shows that the stream is alive.
func TestEventsKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, s := newAPI(t)
		clear(s.sink)
		l := serveEvents(t, api).listen(t)
		defer l.conn.Close()
		l.expect(ptpEvent, driverEvent)
		start := time.Now()
		l.expect(": still here", ": still here")
		if took := time.Since(start); took != 2*keepAlive {
			t.Errorf("two comments in %s; want %s", took, 2*keepAlive)
		}
	})
}

// TestEventsSlow: a client that does not keep up is told so, and after that everything.
func TestEventsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, s := newAPI(t)
		clear(s.sink)
		l := serveEvents(t, api).listen(t)
		defer l.conn.Close()
		l.expect(ptpEvent, driverEvent)
		for i := range 1000 {
			api.Events.Publish(events.Event{Type: "note", Data: i})
			synctest.Wait()
		}
		told, dropped := 0, 0
		for told+dropped < 1000 {
			got := l.next()
			if _, err := fmt.Sscanf(got, "event: dropped\ndata: {\"count\":%d}", &dropped); err == nil {
				continue
			}
			if !strings.HasPrefix(got, "event: note\n") {
				t.Fatalf("after %d events, and %d dropped: %q", told, dropped, got)
			}
			told++
		}
		if dropped == 0 {
			t.Error("nothing was dropped, though nobody listened")
		}
		for _, kind := range []string{"ptp", "driver", "config", "sources", "sinks", "remote_sources"} {
			if got := l.next(); !strings.HasPrefix(got, "event: "+kind+"\n") {
				t.Errorf("got %q; want %s", got, kind)
			}
		}
	})
}

// TestEventsDeadClient: one that reads no more is given up in time, and its place is free.
func TestEventsDeadClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := newAPI(t)
		p := serveEvents(t, api)
		for range listenersLimit {
			dead := p.get(t, eventsPath)
			defer dead.Close()
		}
		synctest.Wait()
		busy := p.get(t, eventsPath)
		resp, err := http.ReadResponse(bufio.NewReader(busy), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 503 || string(text) != "64 clients listen to events already, try again later" {
			t.Errorf("one too many = %s %q %v", resp.Status, text, err)
		}
		busy.Close()
		time.Sleep(writeLimit + time.Second)
		l := p.listen(t)
		l.expect(ptpEvent, driverEvent)
		l.conn.Close()
	})
}

// TestEventsEnd listens over a real socket to a server with the life of the daemon's: the
// stream ends at once when the daemon is told to, not when the server has lost patience.
func TestEventsEnd(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	api, _ := newAPI(t)
	ctx, cancel := context.WithCancel(t.Context())
	api.Done = ctx.Done()
	ended := make(chan error)
	server := &service.Server{Listeners: []net.Listener{socket}, Handler: api.Handler(), Health: Health, Log: api.Log}
	go func() { ended <- server.Run(ctx) }()

	resp, err := http.Get("http://" + socket.Addr().String() + eventsPath)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	l := &listener{t: t, body: bufio.NewReader(resp.Body)}
	l.expect(ptpEvent, driverEvent)
	api.Events.Publish(events.Event{Type: events.Driver})
	for got := ""; got != driverEvent; got = l.next() { // a status may come between
	}
	cancel()
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Errorf("the stream is cut off, not ended: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
