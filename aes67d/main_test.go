package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aes67os/service"
)

// TestRun starts the daemon on a damaged configuration, as an appliance with a
// broken data partition has it: it must come up all the same and say why it plays
// with defaults.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "aes67d.conf")
	if err := os.WriteFile(file, []byte(`{"rtsp_port": 1, "http_po`), 0o600); err != nil {
		t.Fatal(err)
	}
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	t.Setenv("NOTIFY_SOCKET", notify.LocalAddr().String())
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()

	var log bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, service.NewLogger(&log), file, "127.0.0.1", port, 0) }()
	if err := notify.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, 1000)
	n, err := notify.Read(ready)
	if err != nil || !strings.HasPrefix(string(ready[:n]), "READY=1\n") {
		t.Fatalf("notified %q, %v; want READY=1", ready[:n], err)
	}
	resp, err := http.Get("http://" + free.Addr().String() + "/api/config")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var c struct {
		RTSPPort int `json:"rtsp_port"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&c); err != nil || c.RTSPPort != 8854 {
		t.Errorf("rtsp_port %d, %v; want the default, 8854", c.RTSPPort, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run = %v; want nil", err)
	}
	if !strings.Contains(log.String(), `level=ERROR msg="using the default configuration" error="configuration in `+file) {
		t.Errorf("the log does not tell of the damage:\n%s", &log)
	}
}
