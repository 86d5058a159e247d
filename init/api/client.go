package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Client asks init over its Unix socket. It is safe for concurrent use.
type Client struct {
	http *http.Client
}

// NewClient returns a client of the init that listens on socket.
func NewClient(socket string) *Client {
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}}
}

// Status asks how the appliance is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return get[Status](ctx, c, "/status")
}

// Services asks for every supervised service, in the order of start.
func (c *Client) Services(ctx context.Context) ([]Service, error) {
	return get[[]Service](ctx, c, "/services")
}

// Tuning asks for the tuning table.
func (c *Client) Tuning(ctx context.Context) ([]Setting, error) {
	return get[[]Setting](ctx, c, "/tuning")
}

// Network asks for the wired interfaces.
func (c *Client) Network(ctx context.Context) ([]Interface, error) {
	return get[[]Interface](ctx, c, "/network")
}

// Reboot asks for an orderly reboot; it returns when init has agreed.
func (c *Client) Reboot(ctx context.Context) error { return c.post(ctx, "/reboot") }

// PowerOff asks for an orderly power-off; it returns when init has agreed.
func (c *Client) PowerOff(ctx context.Context) error { return c.post(ctx, "/power-off") }

// LogQuery selects entries of the log.
type LogQuery struct {
	// Service limits to one writer; empty is all.
	Service string
	// Since skips entries numbered up to and including it.
	Since uint64
	// Tail limits to the newest N of what is there already; 0 is all.
	Tail int
	// Follow goes on with new entries until the context ends.
	Follow bool
}

// Logs calls each for every entry that q selects, oldest first, until there are
// no more, each returns an error, or ctx ends. The error is each's or ctx's own.
func (c *Client) Logs(ctx context.Context, q LogQuery, each func(LogEntry) error) error {
	v := url.Values{}
	if q.Service != "" {
		v.Set("service", q.Service)
	}
	if q.Since != 0 {
		v.Set("since", strconv.FormatUint(q.Since, 10))
	}
	if q.Tail != 0 {
		v.Set("tail", strconv.Itoa(q.Tail))
	}
	if q.Follow {
		v.Set("follow", "1")
	}
	body, err := c.do(ctx, http.MethodGet, "/logs?"+v.Encode())
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e LogEntry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("init's log: %w", err)
		}
		if err := each(e); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return lines.Err()
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var v T
	body, err := c.do(ctx, http.MethodGet, path)
	if err != nil {
		return v, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&v); err != nil {
		return v, fmt.Errorf("init's answer to %s: %w", path, err)
	}
	return v, nil
}

func (c *Client) post(ctx context.Context, path string) error {
	body, err := c.do(ctx, http.MethodPost, path)
	if err != nil {
		return err
	}
	return body.Close()
}

func (c *Client) do(ctx context.Context, method, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://init"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask init: %w", err)
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		reason, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return nil, fmt.Errorf("init refused %s %s: %s: %s", method, path, resp.Status, strings.TrimSpace(string(reason)))
	}
	return resp.Body, nil
}
