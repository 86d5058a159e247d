package rtsp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	defaultPort  = "554" // RFC 2326 §3.2
	connectTime  = 5 * time.Second
	maxRedirects = 5
	// maxBefore bounds what a server may send before the answer.
	maxBefore = 16
)

// Describe fetches the SDP that an RTSP URL stands for. It follows redirects to other
// RTSP URLs. Passwords are not supported; one in the URL is not sent.
func Describe(ctx context.Context, rawURL string) (sdp string, err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("describe: %w", err)
	}
	for range maxRedirects + 1 {
		if u.Scheme != "rtsp" || u.Hostname() == "" {
			return "", fmt.Errorf("describe %s: not a URL like rtsp://host:port/path", u.Redacted())
		}
		u.User, u.Fragment = nil, ""
		m, err := describeOnce(ctx, u)
		if err != nil {
			return "", fmt.Errorf("describe %s: %w", u, err)
		}
		if m.status != http.StatusMovedPermanently && m.status != http.StatusFound {
			return m.body, nil
		}
		next, err := u.Parse(m.header.Get("Location"))
		if err != nil {
			return "", fmt.Errorf("describe %s: redirected to where cannot be gone: %w", u, err)
		}
		u = next
	}
	return "", fmt.Errorf("describe %s: still redirected after %d times", u, maxRedirects)
}

// describeOnce returns the response that has the SDP, or a redirect.
func describeOnce(ctx context.Context, u *url.URL) (*message, error) {
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	w, err := dial(ctx, net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	defer w.Close()
	defer context.AfterFunc(ctx, func() { w.Close() })()
	m, err := w.describe(u)
	return m, because(ctx, err)
}

// dial connects to a server.
func dial(ctx context.Context, address string) (*wire, error) {
	d := net.Dialer{Timeout: connectTime, KeepAliveConfig: keepAlive}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return newWire(conn), nil
}

// because puts the end of ctx in the place of the error that it has caused by closing
// the connection, and words in the place of io.EOF.
func because(ctx context.Context, err error) error {
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, io.EOF):
		return errors.New("the server has closed the connection")
	}
	return err
}

// describe asks for an SDP and returns the response that has it, or a redirect.
func (w *wire) describe(u *url.URL) (*message, error) {
	const sequence = 1
	if err := w.send(request("DESCRIBE", u.String(), sequence, "", "Accept: "+sdpType)); err != nil {
		return nil, err
	}
	for range maxBefore {
		m, err := w.receive(answerTime)
		if err != nil {
			return nil, err
		}
		if m.status == 0 {
			if err := w.send(respond(m, http.StatusMethodNotAllowed, "")); err != nil {
				return nil, err
			}
			continue
		}
		if m.status < 200 {
			continue // RFC 2326 §7.1.1: the answer is still to come
		}
		// One request is under way, so a response without a number is its own.
		if n, ok := m.cseq(); ok && n != sequence {
			return nil, fmt.Errorf("the server answers request %d; it was sent %d only", n, sequence)
		}
		return m, m.describes()
	}
	return nil, errors.New("the server does not answer but sends other things")
}

// describes returns why a response is neither an SDP nor a redirect.
func (m *message) describes() error {
	switch {
	case m.status == http.StatusMovedPermanently || m.status == http.StatusFound:
		return nil
	case m.status == http.StatusUnauthorized:
		return errors.New("the server wants a password (401), which is not supported: allow access without one, or give the sink the SDP itself")
	case m.status == http.StatusNotFound:
		return errors.New("the server has no such source (404)")
	case m.status != http.StatusOK:
		return fmt.Errorf("the server answers %d %.80q", m.status, m.reason)
	case !m.hasSDP():
		return fmt.Errorf("the server answers with %.80q, not with %s", m.header.Get("Content-Type"), sdpType)
	case m.body == "":
		return errors.New("the server answers without an SDP")
	}
	return nil
}
