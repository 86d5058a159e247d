package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRun starts the program with neither init nor aes67d there: it must come up,
// be ready, and show a page.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	t.Setenv("NOTIFY_SOCKET", notify.LocalAddr().String())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, slog.New(slog.DiscardHandler), "127.0.0.1:0", filepath.Join(dir, "init.sock"), "http://127.0.0.1:1")
	}()
	if err := notify.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, 1000)
	n, err := notify.Read(ready)
	address, ok := strings.CutPrefix(string(ready[:n]), "READY=1\nSTATUS=serving on ")
	if err != nil || !ok {
		t.Fatalf("notified %q, %v; want READY=1", ready[:n], err)
	}
	resp, err := http.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "No connection to init.") {
		t.Errorf("%s, %v:\n%s", resp.Status, err, body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run = %v; want nil", err)
	}
}

func TestWrongURL(t *testing.T) {
	err := run(t.Context(), slog.New(slog.DiscardHandler), "127.0.0.1:0", "", "localhost:8080")
	if err == nil || !strings.Contains(err.Error(), "-aes67d") {
		t.Errorf("run = %v; want an error that names the flag", err)
	}
}
