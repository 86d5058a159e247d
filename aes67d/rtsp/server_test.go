package rtsp

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/test/background"

	"github.com/google/go-cmp/cmp"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// ours are sources for tests.
func ours() []Source {
	return []Source{
		{ID: 0, Name: "AES67 daemon ALSA Source 1", SDP: sdp},
		{ID: 7, Name: "Studio 1/2 + Küche? 100%", SDP: "v=0\r\ns=2\r\n"},
		{ID: 63, Name: "7", SDP: "v=0\r\ns=3\r\n"},
	}
}

// serve runs s on loopback until the test ends.
func serve(t *testing.T, s *Server) (address string) {
	t.Helper()
	l, _ := serveOn(t, s)
	return l.Addr().String()
}

// serveOn is serve, with the listener and a way to end it before.
func serveOn(t *testing.T, s *Server) (l net.Listener, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l, background.Run(t, func(ctx context.Context) error { return s.Run(ctx, l) })
}

// exchange sends text and returns all that comes until the server has answered n
// times.
func exchange(t *testing.T, conn net.Conn, text string, n int) string {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	r := newReader(io.TeeReader(conn, &all))
	for range n {
		if _, err := r.next(); err != nil {
			t.Fatalf("after %q: %v", all.String(), err)
		}
	}
	return all.String()
}

func dialTest(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestAnswers(t *testing.T) {
	s := NewServer(quiet())
	s.Set(ours())
	address := serve(t, s)
	conn := dialTest(t, address)
	ok := func(cseq int, name, sdp string) string {
		return crlf(fmt.Sprintf("RTSP/1.0 200 OK\nCSeq: %d\nContent-Base: rtsp://%s/by-name/%s\nContent-Type: application/sdp\nContent-Length: %d\n\n", cseq, address, name, len(sdp))) + sdp
	}
	const first, second = "AES67%20daemon%20ALSA%20Source%201", "Studio%201/2%20+%20K%C3%BCche%3F%20100%25"
	notFound := crlf("RTSP/1.0 404 Not Found\nCSeq: 1\n\n")
	notAllowed := crlf("RTSP/1.0 405 Method Not Allowed\nCSeq: 3\nAllow: OPTIONS, DESCRIBE\n\n")
	bad := crlf("RTSP/1.0 400 Bad Request\nCSeq: 1\n\n")
	// All on one connection: none of it ends it.
	for _, test := range []struct{ name, request, want string }{
		{"by name", describeRequest, ok(312, first, sdp)},
		{"everything escaped", "DESCRIBE rtsp://h/by-name/%41ES67%20daemon%20ALSA%20Source%20%31 RTSP/1.0\r\nCSeq: 1\r\n\r\n", ok(1, first, sdp)},
		{"nothing escaped", "DESCRIBE rtsp://h/by-name/AES67 daemon ALSA Source 1 RTSP/1.0\nCSeq: 1\n\n", ok(1, first, sdp)},
		{"path alone", "DESCRIBE /by-name/7 RTSP/1.0\r\nCSeq: 1\r\n\r\n", ok(1, "7", "v=0\r\ns=3\r\n")},
		{"odd name", "DESCRIBE rtsp://h/by-name/Studio%201%2F2%20%2B%20K%C3%BCche%3F%20100%25 RTSP/1.0\r\nCSeq: 1\r\n\r\n", ok(1, second, "v=0\r\ns=2\r\n")},
		{"as we write it", "DESCRIBE rtsp://h/by-name/" + second + " RTSP/1.0\r\nCSeq: 1\r\n\r\n", ok(1, second, "v=0\r\ns=2\r\n")},
		{"by id", "DESCRIBE rtsp://h:1/by-id/7 RTSP/1.0\r\nCSeq: 4294967296\r\n\r\n", ok(4294967296, second, "v=0\r\ns=2\r\n")},
		{"with a body", "DESCRIBE rtsp://h:1/by-id/7 RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc", ok(1, second, "v=0\r\ns=2\r\n")},
		{"unknown name", "DESCRIBE rtsp://h/by-name/ALSA%20Source%201 RTSP/1.0\r\nCSeq: 1\r\n\r\n", notFound},
		{"no name", "DESCRIBE rtsp://h/by-name/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", notFound},
		{"unknown id", "DESCRIBE rtsp://h/by-id/1 RTSP/1.0\r\nCSeq: 1\r\n\r\n", notFound},
		{"id that is another's number", "DESCRIBE rtsp://h/by-id/263 RTSP/1.0\r\nCSeq: 1\r\n\r\n", notFound},
		{"unknown path", "DESCRIBE rtsp://h RTSP/1.0\r\nCSeq: 1\r\n\r\n", notFound},
		{"wrong escape", "DESCRIBE rtsp://h/by-name/100% RTSP/1.0\r\nCSeq: 1\r\n\r\n", bad},
		{"options", ffmpegOptions, crlf("RTSP/1.0 200 OK\nCSeq: 1\nPublic: OPTIONS, DESCRIBE\n\n")},
		{"options of all", "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", crlf("RTSP/1.0 200 OK\nCSeq: 1\nPublic: OPTIONS, DESCRIBE\n\n")},
		{"setup", ffmpegSetup, notAllowed},
		{"announce", "ANNOUNCE rtsp://h/by-id/7 RTSP/1.0\r\nCSeq: 3\r\nContent-Length: 2\r\n\r\nv=", notAllowed},
		{"no sequence", "DESCRIBE rtsp://h/by-id/7 RTSP/1.0\r\n\r\n", crlf("RTSP/1.0 400 Bad Request\n\n")},
		{"sequence is no number", "DESCRIBE rtsp://h/by-id/7 RTSP/1.0\r\nCSeq: one\r\n\r\n", crlf("RTSP/1.0 400 Bad Request\n\n")},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, exchange(t, conn, test.request, 1)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}

	t.Run("pipelined", func(t *testing.T) {
		got := exchange(t, conn, ffmpegOptions+"\r\nRTSP/1.0 200 OK\r\nCSeq: 5\r\n\r\n"+describeRequest+ffmpegSetup, 3)
		want := crlf("RTSP/1.0 200 OK\nCSeq: 1\nPublic: OPTIONS, DESCRIBE\n\n") + ok(312, first, sdp) + notAllowed
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// client of a test, over a pipe.
type testClient struct {
	net.Conn
	*reader
}

// connect serves a pipe and returns its other end. The server's part has ended when
// the bubble may end.
func connect(s *Server) *testClient {
	here, there := net.Pipe()
	go s.serve(context.Background(), there)
	return &testClient{Conn: here, reader: newReader(here)}
}

func (c *testClient) ask(t *testing.T, request string) *message {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatalf("send: %v", err)
	}
	m, err := c.next()
	if err != nil {
		t.Fatalf("answer to %q: %v", request, err)
	}
	return m
}

// TestRefusals sends what ends the connection, and reads why.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name, sent string
		want       int
	}{
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"binary", "$\x00\x00\x04abcd\r\n\r\n", 400},
		{"no end of the head", "DESCRIBE " + strings.Repeat("x", 2*maxHead), 413},
		{"a huge body", "ANNOUNCE x RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 1000000000000\r\n\r\n", 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connect(NewServer(quiet()))
				defer c.Close()
				go io.WriteString(c, test.sent) // fails when the server has had enough
				m, err := c.next()
				if err != nil || m.status != test.want {
					t.Errorf("answer %+v, %v; want %d", m, err, test.want)
				}
				if _, err := c.next(); err != io.EOF {
					t.Errorf("then %v; want the connection closed", err)
				}
			})
		})
	}
}

// closedAfter returns how long it takes the server to end the connection.
func closedAfter(t *testing.T, c *testClient) time.Duration {
	t.Helper()
	begin := time.Now()
	if _, err := c.next(); err != io.EOF {
		t.Errorf("reading ends with %v; want io.EOF", err)
	}
	return time.Since(begin)
}

// TestPatience has clients that say nothing, or half of what they want to say.
func TestPatience(t *testing.T) {
	for _, test := range []struct {
		name, first, then string
		want              time.Duration
	}{
		{"says nothing", "", "", firstTime},
		{"asks for no source", ffmpegOptions, "", firstTime},
		{"half a request", "", "DESCRIBE rtsp://", messageTime},
		{"half a request after another", describeRequest, describeRequest[:80], messageTime},
		{"half a body", describeRequest, "ANNOUNCE x RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 10\r\n\r\nv=0", messageTime},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewServer(quiet())
				s.Set(ours())
				c := connect(s)
				defer c.Close()
				if test.first != "" {
					c.ask(t, test.first)
				}
				if _, err := io.WriteString(c, test.then); err != nil {
					t.Fatal(err)
				}
				if got := closedAfter(t, c); got != test.want {
					t.Errorf("closed after %v; want %v", got, test.want)
				}
			})
		})
	}
}

// TestStays has a client that has described a source and then only sends empty lines
// to keep the connection. A year later it hears of the change.
func TestStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(quiet())
		s.Set(ours())
		c := connect(s)
		defer c.Close()
		c.ask(t, describeRequest)
		for range 12 {
			time.Sleep(30 * 24 * time.Hour)
			if _, err := io.WriteString(c, "\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		changed := ours()
		changed[0].SDP = "new"
		s.Set(changed)
		if m, err := c.next(); err != nil || m.body != "new" {
			t.Errorf("heard %+v, %v; want the new SDP", m, err)
		}
	})
}

func TestAnnounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(quiet())
		s.Set(ours())
		c := connect(s)
		defer c.Close()
		c.ask(t, describeRequest)
		c.ask(t, "DESCRIBE /by-id/63 RTSP/1.0\r\nCSeq: 2\r\n\r\n")
		heard := make(chan *message, 10)
		go func() {
			defer close(heard)
			for {
				m, err := c.next()
				if err != nil {
					return
				}
				heard <- m
			}
		}()
		step := func(name string, sources []Source, want ...string) {
			t.Helper()
			s.Set(sources)
			synctest.Wait()
			var got []string
			for len(heard) > 0 {
				m := <-heard
				n, _ := m.cseq()
				got = append(got, fmt.Sprintf("%d %s %s %s %s", n, m.method, m.url, m.header.Get("Content-Type"), m.body))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: heard (-want +got):\n%s", name, diff)
			}
		}
		now := ours()
		step("nothing has changed", now)
		now[1].SDP = "not asked for"
		step("another has changed", now)
		now[0].SDP, now[2].SDP = "a", "c"
		step("both have changed", now,
			"1 ANNOUNCE rtsp://pipe/by-name/AES67%20daemon%20ALSA%20Source%201 application/sdp a",
			"2 ANNOUNCE rtsp://pipe/by-name/7 application/sdp c")
		now[2].Name, now[2].SDP = "a b", "d"
		step("renamed", now, "3 ANNOUNCE rtsp://pipe/by-name/a%20b application/sdp d")
		step("one gone", now[1:])
		step("back as it was", now)
		now[0].SDP = "e"
		step("back changed", now, "4 ANNOUNCE rtsp://pipe/by-name/AES67%20daemon%20ALSA%20Source%201 application/sdp e")
		if _, err := io.WriteString(c, "RTSP/1.0 405 Method Not Allowed\r\nCSeq: 4\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		now[0].SDP = "f"
		step("refused before", now, "5 ANNOUNCE rtsp://pipe/by-name/AES67%20daemon%20ALSA%20Source%201 application/sdp f")
		c.Close()
		for range heard { // ends when the connection has
		}
	})
}

// TestDeafClient has one client that does not read. The other must hear of a change
// at once, and the deaf one is let go of.
func TestDeafClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(quiet())
		s.Set(ours())
		deaf, good := connect(s), connect(s)
		defer deaf.Close()
		defer good.Close()
		deaf.ask(t, describeRequest)
		good.ask(t, describeRequest)
		changed := ours()
		changed[0].SDP = "new"
		begin := time.Now()
		s.Set(changed)
		if m, err := good.next(); err != nil || m.body != "new" || time.Since(begin) != 0 {
			t.Errorf("the other client heard %+v, %v after %v; want the change at once", m, err, time.Since(begin))
		}
		time.Sleep(sendTime)
		synctest.Wait()
		s.mu.Lock()
		if len(s.clients) != 1 {
			t.Errorf("%d clients are served after %v; want the one that reads", len(s.clients), sendTime)
		}
		s.mu.Unlock()
	})
}

// TestFull fills the server, sees one more refused, and one let in when another has
// gone.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(quiet())
		s.Set(ours())
		var all []*testClient
		for range maxClients {
			c := connect(s)
			defer c.Close()
			c.ask(t, describeRequest)
			all = append(all, c)
		}
		refused := connect(s)
		if got := closedAfter(t, refused); got != 0 {
			t.Errorf("refused after %v; want at once", got)
		}
		all[10].Close()
		synctest.Wait()
		next := connect(s)
		defer next.Close()
		next.ask(t, describeRequest)
	})
}

// TestRunEnds ends the server while clients are connected: all of it must end.
func TestRunEnds(t *testing.T) {
	s := NewServer(quiet())
	s.Set(ours())
	l, stop := serveOn(t, s)
	conn := dialTest(t, l.Addr().String())
	exchange(t, conn, describeRequest, 1)
	stop()
	if _, err := bufio.NewReader(conn).ReadByte(); err != io.EOF {
		t.Errorf("the client reads %v; want io.EOF", err)
	}
	if len(s.clients) != 0 {
		t.Errorf("%d clients are left", len(s.clients))
	}
	if err := s.Run(t.Context(), l); err == nil {
		t.Error("Run on a closed listener does not fail")
	}
}

// FuzzServer gives a server any bytes. Whatever it answers must be a response, with
// the sequence number of the request.
func FuzzServer(f *testing.F) {
	for _, seed := range []string{
		describeRequest, ffmpegOptions, ffmpegSetup, announceRequest, describeAnswer,
		"DESCRIBE /by-id/7 RTSP/1.0\nCSeq: 1\n\nDESCRIBE /by-id/64 RTSP/1.0\nCSeq: 2\n\n",
	} {
		f.Add([]byte(seed))
	}
	s := NewServer(quiet())
	s.Set(ours())
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newReader(bytes.NewReader(data))
		for {
			m, err := r.next()
			if err != nil {
				return
			}
			if len(m.body) > maxBody {
				t.Errorf("read a body of %d bytes", len(m.body))
			}
			if m.status != 0 {
				continue
			}
			response, source := s.answer(m, "[::1]:8854")
			back, err := newReader(bytes.NewReader(response)).next()
			if err != nil {
				t.Fatalf("answers %q: %v", response, err)
			}
			n, ok := m.cseq()
			if backN, backOK := back.cseq(); n != backN || ok != backOK {
				t.Errorf("answers %d to %d", backN, n)
			}
			if (back.status == 200 && back.body != "") != (source != nil) {
				t.Errorf("answers %q and describes %v", response, source)
			}
		}
	})
}
