package session

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"aes67os/aes67d/rtsp"
)

// maxSDP is the most bytes of a description that are read.
const maxSDP = 64 << 10

// Fetch gets a description from an http or rtsp URL.
func Fetch(ctx context.Context, address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrURL, err)
	}
	if u.Host == "" {
		return "", fmt.Errorf("%w: %q names no host; it is to be like http://host/path or rtsp://host/path", ErrURL, address)
	}
	var text string
	switch strings.ToLower(u.Scheme) {
	case "http":
		text, err = fetchHTTP(ctx, u)
	case "rtsp":
		text, err = rtsp.Describe(ctx, address)
	default:
		return "", fmt.Errorf("%w: %q is neither http nor rtsp", ErrURL, address)
	}
	if err != nil {
		return "", fmt.Errorf("%w from %s: %w", ErrFetchSDP, address, err)
	}
	return text, nil
}

func fetchHTTP(ctx context.Context, u *url.URL) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/sdp")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server answers %s", resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxSDP+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSDP {
		return "", fmt.Errorf("the answer is longer than %d bytes, which no SDP is", maxSDP)
	}
	return string(b), nil
}
