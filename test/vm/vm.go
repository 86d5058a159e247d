package vm

import (
	"context"
	"encoding/json"
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
// 200 or ctx ends.
func Get(ctx context.Context, m *qemu.Machine, path string) ([]byte, error) {
	url := strings.TrimSuffix(m.URL(PagePort), "/") + path
	for {
		body, err := get(ctx, url)
		if err == nil {
			return body, nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-m.Done():
			return nil, fmt.Errorf("the machine ended while %s was asked for: %w", path, err)
		case <-ctx.Done():
			return nil, fmt.Errorf("GET %s: %w", path, err)
		}
	}
}

func get(ctx context.Context, url string) ([]byte, error) {
	// QEMU takes connections before the guest is there to answer them.
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
