package rtsp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// script is a server on loopback that answers each connection's first request with
// what answer returns for it, and then sends no more.
func script(t *testing.T, answer func(request string) string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			var text bytes.Buffer
			if m, err := newReader(io.TeeReader(conn, &text)).next(); err == nil && m.status == 0 {
				io.WriteString(conn, answer(text.String()))
			}
			conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, conn) // closing with something unread would reset the connection
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestDescribeRequest(t *testing.T) {
	var got string
	address := script(t, func(request string) string { got = request; return describeAnswer })
	answer, err := Describe(t.Context(), "RTSP://user:secret@"+address+"/by-name/AES67 daemon%20ALSA Source 1#there")
	if err != nil || answer != "v=0\r\ns=x\n" {
		t.Errorf("Describe() = %q, %v", answer, err)
	}
	want := crlf("DESCRIBE rtsp://" + address + "/by-name/AES67%20daemon%20ALSA%20Source%201 RTSP/1.0\nCSeq: 1\nUser-Agent: aes67d\nAccept: application/sdp\n\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestDescribeAnswers(t *testing.T) {
	for _, test := range []struct{ name, answer, want, fails string }{
		{name: "plain", answer: describeAnswer, want: "v=0\r\ns=x\n"},
		{name: "no type, no number", answer: "RTSP/1.0 200 OK\nContent-Length: 3\n\nv=0", want: "v=0"},
		{name: "later versions", answer: "RTSP/2.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nv=0", want: "v=0"},
		{name: "other things before", answer: "RTSP/1.0 100 Continue\r\nCSeq: 1\r\n\r\n" + announceRequest + "\r\n" + describeAnswer, want: "v=0\r\ns=x\n"},
		{name: "only other things before", answer: strings.Repeat("RTSP/1.0 100 Continue\r\n\r\n", maxBefore+1), fails: "sends other things"},
		{name: "unknown", answer: "RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n", fails: "no such source"},
		{name: "password", answer: "RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n", fails: "wants a password"},
		{name: "other status", answer: "RTSP/1.0 453 Not Enough Bandwidth\r\nCSeq: 1\r\n\r\n", fails: `answers 453 "Not Enough Bandwidth"`},
		{name: "another request's answer", answer: "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 3\r\n\r\nv=0", fails: "answers request 2"},
		{name: "another type", answer: "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\nv=0", fails: `answers with "text/html"`},
		{name: "nothing in it", answer: "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", fails: "without an SDP"},
		{name: "too large", answer: "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 70000\r\n\r\n", fails: "too large"},
		{name: "HTTP", answer: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nv=0", fails: "not an RTSP message"},
		{name: "nothing", answer: "", fails: "has closed the connection"},
		{name: "half", answer: describeAnswer[:60], fails: "EOF"},
		{name: "redirect to nowhere", answer: "RTSP/1.0 302 Found\r\nCSeq: 1\r\n\r\n", fails: "still redirected"},
		{name: "redirect to a page", answer: "RTSP/1.0 301 Moved Permanently\r\nCSeq: 1\r\nLocation: http://h/\r\n\r\n", fails: "http://h/: not a URL like"},
		{name: "redirect to no URL", answer: "RTSP/1.0 301 Moved Permanently\r\nCSeq: 1\r\nLocation: rtsp://h:x/\r\n\r\n", fails: "cannot be gone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := script(t, func(string) string { return test.answer })
			got, err := Describe(t.Context(), "rtsp://"+address+"/by-id/1")
			if got != test.want || (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Errorf("Describe() = %q, %v; want %q, error with %q", got, err, test.want, test.fails)
			}
		})
	}
}

func TestDescribeRedirected(t *testing.T) {
	target := script(t, func(request string) string {
		if !strings.HasPrefix(request, "DESCRIBE rtsp://") || !strings.Contains(request, "/there RTSP/1.0") {
			return "RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n"
		}
		return describeAnswer
	})
	address := script(t, func(request string) string {
		where := "rtsp://" + target + "/there"
		if strings.Contains(request, "/first ") {
			where = "/second"
		}
		return "RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: " + where + "\r\n\r\n"
	})
	if got, err := Describe(t.Context(), "rtsp://"+address+"/first"); err != nil || got != "v=0\r\ns=x\n" {
		t.Errorf("Describe() = %q, %v", got, err)
	}
}

func TestDescribeURL(t *testing.T) {
	for _, u := range []string{"", "rtsp:", "rtsp:///by-id/1", "http://127.0.0.1/", "127.0.0.1", "rtsp://127.0.0.1:port/", "rtsp://\x00"} {
		if _, err := Describe(t.Context(), u); err == nil {
			t.Errorf("Describe(%q) does not fail", u)
		}
	}
}

// TestDescribeEnds has a server that never answers: the context decides.
func TestDescribeEnds(t *testing.T) {
	asked := make(chan struct{})
	release := make(chan struct{})
	address := script(t, func(string) string { close(asked); <-release; return "" })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	begin := time.Now()
	_, err := Describe(ctx, "rtsp://"+address+"/by-id/1")
	close(release)
	if !errors.Is(err, context.Canceled) || time.Since(begin) >= answerTime {
		t.Errorf("Describe() = %v after %v; want the end of the context to end it", err, time.Since(begin))
	}
}

// TestDescribePatience has servers that take their time, without a context that ends.
func TestDescribePatience(t *testing.T) {
	for _, test := range []struct {
		name, says string
		want       time.Duration
	}{
		{"says nothing", "", answerTime},
		{"says half of it", describeAnswer[:70], messageTime},
		{"begins with empty lines", "\r\n\r\n", answerTime},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				defer there.Close()
				go func() {
					if _, err := newReader(there).next(); err == nil {
						io.WriteString(there, test.says)
					}
				}()
				begin := time.Now()
				w := newWire(here)
				defer w.Close()
				m, err := w.describe(&url.URL{Scheme: "rtsp", Host: "h", Path: "/"})
				if err == nil || time.Since(begin) != test.want {
					t.Errorf("describe() = %+v, %v after %v; want it to fail after %v", m, err, time.Since(begin), test.want)
				}
			})
		})
	}
}

// hostile is a connection to somebody who sends data, whatever is sent to him.
type hostile struct {
	net.Conn
	data *bytes.Reader
	sent bytes.Buffer
}

func (h *hostile) Read(b []byte) (int, error)       { return h.data.Read(b) }
func (h *hostile) Write(b []byte) (int, error)      { return h.sent.Write(b) }
func (h *hostile) SetReadDeadline(time.Time) error  { return nil }
func (h *hostile) SetWriteDeadline(time.Time) error { return nil }

// FuzzFollow follows a server that sends any bytes. What we take for SDPs must be
// bounded, and what we send must be the one request and then responses.
func FuzzFollow(f *testing.F) {
	for _, seed := range []string{
		describeAnswer, describeAnswer + announceRequest, announceRequest + describeAnswer + "\r\n" + announceRequest + ffmpegOptions,
		"RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: rtsp://h/\r\n\r\n", describeRequest,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h := &hostile{data: bytes.NewReader(data)}
		err := newWire(h).follow(&url.URL{Scheme: "rtsp", Host: "h:1", Path: "/by-name/AES67 daemon ALSA Source 1"}, func(sdp string) {
			if sdp == "" || len(sdp) > maxBody {
				t.Errorf("update with %d bytes", len(sdp))
			}
		})
		if err == nil {
			t.Error("follow() = nil though the data has an end")
		}
		r := newReader(&h.sent)
		for n := 0; ; n++ {
			m, err := r.next()
			if err == io.EOF && n > 0 {
				return
			}
			if err != nil || (m.status == 0) != (n == 0) {
				t.Fatalf("message %d sent: %+v, %v", n, m, err)
			}
		}
	})
}

// FuzzDescribe gives a URL as users may write one to a sink: what is sent for it, if
// anything, must be one request.
func FuzzDescribe(f *testing.F) {
	for _, seed := range []string{"/by-id/1", "/by-name/AES67 daemon 1", "/a?b c", "/ä%20\x7f", "//x", "/a\r\nCSeq: 2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.Parse("rtsp://h:1" + path)
		if err != nil {
			return
		}
		h := &hostile{data: bytes.NewReader(nil)}
		if _, err := newWire(h).describe(u); err == nil {
			t.Fatal("there is an answer though nobody gave one")
		}
		want := fmt.Sprintf("DESCRIBE %s RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: aes67d\r\nAccept: application/sdp\r\n\r\n", u)
		if got := h.sent.String(); got != want || strings.Count(got, "\n") != 5 {
			t.Errorf("sent %q", got)
		}
	})
}
