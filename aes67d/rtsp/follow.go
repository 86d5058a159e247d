package rtsp

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Follow fetches the SDP of a source and stays connected to hear of changes. It calls
// update, from its own goroutine, with the first SDP and with each that is announced
// after it. path is not escaped: "/by-name/" and the source's name.
//
// It returns when the connection or ctx ends, with the reason.
func Follow(ctx context.Context, address netip.AddrPort, path string, update func(sdp string)) error {
	u := &url.URL{Scheme: "rtsp", Host: address.String(), Path: path}
	w, err := dial(ctx, u.Host)
	if err != nil {
		return fmt.Errorf("follow %s: %w", u, err)
	}
	defer w.Close()
	defer context.AfterFunc(ctx, func() { w.Close() })()
	if err := because(ctx, w.follow(u, update)); err != nil {
		return fmt.Errorf("follow %s: %w", u, err)
	}
	return nil
}

// follow goes on until the connection ends.
func (w *wire) follow(u *url.URL, update func(sdp string)) error {
	m, err := w.describe(u)
	if err != nil {
		return err
	}
	if m.status != http.StatusOK {
		return fmt.Errorf("the server redirects to %.80q, where its name is not announced", m.header.Get("Location"))
	}
	update(m.body)
	for {
		m, err := w.receive(0)
		if err != nil {
			return err
		}
		if m.status != 0 {
			continue // we have asked nothing
		}
		response, sdp := heed(m, u.Path)
		if err := w.send(response); err != nil {
			return err
		}
		if sdp != "" {
			update(sdp)
		}
	}
}

// heed returns the response to a request of the server, and the SDP if there is a
// new one of the source at path.
func heed(m *message, path string) (response []byte, sdp string) {
	if _, ok := m.cseq(); !ok {
		return respond(m, http.StatusBadRequest, ""), ""
	}
	switch {
	case m.method != "ANNOUNCE":
		return respond(m, http.StatusMethodNotAllowed, "", "Allow: ANNOUNCE"), ""
	case !m.hasSDP():
		return respond(m, http.StatusUnsupportedMediaType, ""), ""
	case m.body == "":
		return respond(m, http.StatusBadRequest, ""), ""
	case !concerns(m.url, path):
		return respond(m, http.StatusOK, ""), ""
	}
	return respond(m, http.StatusOK, ""), m.body
}

// concerns tells whether an announcement for this URL is about the source at path. A
// source under another name is another one, or ours renamed; either is found by its
// own name. Anything else can only be meant for what we have asked for.
func concerns(rawURL, path string) bool {
	u, err := url.Parse(rawURL)
	return err != nil || !strings.HasPrefix(u.Path, byName) || u.Path == path
}
