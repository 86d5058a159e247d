package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"aes67os/firmware/qemu"
)

// PagePort is where the appliance's page is.
const PagePort = 80

// Get fetches a path of the appliance's page, again and again until it answers with
// 200 or ctx ends. It does not wait for one try to fail before the next: QEMU accepts a
// connection before the guest can, and then takes seconds to try again.
func Get(ctx context.Context, m *qemu.Machine, path string) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	url := strings.TrimSuffix(m.URL(PagePort), "/") + path
	type answer struct {
		body []byte
		err  error
	}
	answers := make(chan answer)
	again := time.NewTicker(time.Second)
	defer again.Stop()
	var last error
	for {
		go func() {
			body, err := get(ctx, url)
			select {
			case answers <- answer{body, err}:
			case <-ctx.Done():
			}
		}()
		for waiting := true; waiting; {
			select {
			case a := <-answers:
				if a.err == nil {
					return a.body, nil
				}
				last = a.err
			case <-again.C:
				waiting = false
			case <-m.Done():
				return nil, fmt.Errorf("the machine ended while %s was asked for: %w", path, last)
			case <-ctx.Done():
				return nil, fmt.Errorf("GET %s: %w", path, errors.Join(last, ctx.Err()))
			}
		}
	}
}

func get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return body, err
}

// Fetch is Get of a path that answers in JSON.
func Fetch[T any](ctx context.Context, m *qemu.Machine, path string) (T, error) {
	var v T
	body, err := Get(ctx, m, path)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("GET %s: %w", path, err)
	}
	return v, nil
}
