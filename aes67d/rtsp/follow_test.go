package rtsp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// follower follows a source on loopback and passes on what it hears.
func follower(t *testing.T, ctx context.Context, address, path string) (heard <-chan string, ended <-chan error) {
	t.Helper()
	sdps, errs := make(chan string, 100), make(chan error, 1)
	go func() {
		errs <- Follow(ctx, netip.MustParseAddrPort(address), path, func(sdp string) { sdps <- sdp })
	}()
	return sdps, errs
}

// TestFollow joins both sides of this package.
func TestFollow(t *testing.T) {
	s := NewServer(quiet())
	s.Set(ours())
	address := serve(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	first, ended := follower(t, ctx, address, "/by-name/"+ours()[0].Name)
	second, _ := follower(t, t.Context(), address, "/by-name/"+ours()[1].Name)
	if diff := cmp.Diff([]string{sdp, "v=0\r\ns=2\r\n"}, []string{<-first, <-second}); diff != "" {
		t.Errorf("described (-want +got):\n%s", diff)
	}
	now := ours()
	for _, version := range []string{"one", "two", "three"} {
		now[0].SDP = version
		s.Set(now)
		if got := <-first; got != version {
			t.Errorf("heard %q; want %q", got, version)
		}
	}
	now[1].SDP = "last"
	s.Set(now)
	if got := <-second; got != "last" {
		t.Errorf("the other heard %q", got)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow() = %v; want the end of its context", err)
	}
}

func TestFollowFails(t *testing.T) {
	s := NewServer(quiet())
	address := serve(t, s)
	for name, address := range map[string]string{
		"unknown source": address,
		"nobody there":   "127.0.0.1:1",
		"redirected":     script(t, func(string) string { return "RTSP/1.0 301 Moved\r\nCSeq: 1\r\nLocation: rtsp://h/\r\n\r\n" }),
		"closed after":   script(t, func(string) string { return describeAnswer }),
	} {
		_, ended := follower(t, t.Context(), address, "/by-name/x")
		if err := <-ended; err == nil {
			t.Errorf("%s: Follow() = nil", name)
		}
	}
}

// TestHeed has what a server may send to whoever follows "a b".
func TestHeed(t *testing.T) {
	announce := func(url, rest string) string { return "ANNOUNCE " + url + " RTSP/1.0\r\n" + rest }
	const number, body = "CSeq: 5\r\n", "Content-Length: 3\r\n\r\nv=0"
	ok := "RTSP/1.0 200 OK\r\nCSeq: 5\r\n\r\n"
	for _, test := range []struct{ name, sent, want, sdp string }{
		{"by name", announce("rtsp://h:1/by-name/a%20b", number+"Content-Type: application/sdp\r\n"+body), ok, "v=0"},
		{"not escaped, no type", announce("rtsp://h:1/by-name/a b", number+body), ok, "v=0"},
		{"by id", announce("rtsp://h:1/by-id/3", number+body), ok, "v=0"},
		{"no URL", announce("*", number+body), ok, "v=0"},
		{"another's name", announce("rtsp://h:1/by-name/a", number+body), ok, ""},
		{"no SDP", announce("rtsp://h:1/by-name/a%20b", number+"\r\n"), "RTSP/1.0 400 Bad Request\r\nCSeq: 5\r\n\r\n", ""},
		{"another type", announce("rtsp://h:1/by-name/a%20b", number+"Content-Type: text/html\r\n"+body), "RTSP/1.0 415 Unsupported Media Type\r\nCSeq: 5\r\n\r\n", ""},
		{"no number", announce("rtsp://h:1/by-name/a%20b", body), "RTSP/1.0 400 Bad Request\r\n\r\n", ""},
		{"another method", "OPTIONS * RTSP/1.0\r\n" + number + "\r\n", "RTSP/1.0 405 Method Not Allowed\r\nCSeq: 5\r\nAllow: ANNOUNCE\r\n\r\n", ""},
		{"a response", "RTSP/1.0 200 OK\r\nCSeq: 5\r\n" + body, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &hostile{data: bytes.NewReader([]byte(describeAnswer + test.sent))}
			var heard []string
			err := newWire(h).follow(&url.URL{Scheme: "rtsp", Host: "h:1", Path: "/by-name/a b"}, func(sdp string) { heard = append(heard, sdp) })
			if err != io.EOF {
				t.Errorf("ends with %v", err)
			}
			_, answer, _ := strings.Cut(h.sent.String(), "\r\n\r\n") // after our request
			if diff := cmp.Diff(test.want, answer); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			updates := []string{"v=0\r\ns=x\n"}
			if test.sdp != "" {
				updates = append(updates, test.sdp)
			}
			if diff := cmp.Diff(updates, heard); diff != "" {
				t.Errorf("updates (-want +got):\n%s", diff)
			}
		})
	}
}
