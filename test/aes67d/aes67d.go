// Package aes67d runs the real daemon in a network namespace and speaks to it, for tests
// and measurements from outside.
package aes67d

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"aes67os/test/logs"
	"aes67os/test/netns"
)

// Build compiles the daemon into dir, with the race detector if race is set, and
// returns the program's name.
func Build(ctx context.Context, dir string, race bool) (string, error) {
	program := filepath.Join(dir, "aes67d")
	arguments := []string{"build", "-o", program}
	env := os.Environ()
	if race {
		arguments = append(arguments, "-race")
		env = append(env, "CGO_ENABLED=1")
	}
	c := exec.CommandContext(ctx, "go", append(arguments, "aes67os/aes67d")...)
	c.Env = env
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build aes67d: %w: %s", err, out)
	}
	return program, nil
}

// Daemon is one that runs.
type Daemon struct {
	t netns.T
	// Config and Status are its files.
	Config, Status string
	// Client speaks to it, and to others, from inside its namespace.
	Client  *http.Client
	process *exec.Cmd
	log     logs.Buffer
	stop    func() error
}

// port is where the REST API is.
const port = "8080"

// Start runs the program in the namespace until the test ends. config has members of
// the configuration that are not to be as they are by default.
func Start(t netns.T, program string, in *netns.Namespace, config map[string]any, flags ...string) *Daemon {
	t.Helper()
	dir := t.TempDir()
	d := &Daemon{t: t, Config: filepath.Join(dir, "daemon.conf"), Status: filepath.Join(dir, "status.json")}
	members := map[string]any{"syslog_proto": "none", "log_severity": 1, "status_file": d.Status, "sap_mcast_addr": "239.255.255.255", "sap_interval": 30}
	for name, value := range config {
		members[name] = value
	}
	b, err := json.MarshalIndent(members, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.Config, b, 0o644); err != nil {
		t.Fatal(err)
	}
	d.start(program, in, flags)
	return d
}

// StartWith is Start with a configuration file that exists.
func StartWith(t netns.T, program string, in *netns.Namespace, file string, flags ...string) *Daemon {
	t.Helper()
	d := &Daemon{t: t, Config: file}
	d.start(program, in, flags)
	return d
}

func (d *Daemon) start(program string, in *netns.Namespace, flags []string) {
	d.t.Helper()
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(d.t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { ready.Close() })
	c := exec.Command(program, append([]string{"-c", d.Config}, flags...)...)
	c.Env = append(os.Environ(), "NOTIFY_SOCKET="+ready.LocalAddr().String())
	c.Stderr = &d.log
	// The thread that starts it may end before the test does.
	in.Start(c)
	d.process = c
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	d.stop = sync.OnceValue(func() error {
		c.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Second):
			c.Process.Kill()
			return fmt.Errorf("did not end: %w", <-ended)
		}
	})
	d.t.Cleanup(func() {
		if err := d.stop(); err != nil {
			d.t.Errorf("aes67d: %v", err)
		}
		if d.t.Failed() {
			d.t.Logf("log of aes67d:\n%s", d.Log())
		}
	})
	if err := ready.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		d.t.Fatal(err)
	}
	state := make([]byte, 1000)
	if n, err := ready.Read(state); err != nil || !bytes.HasPrefix(state[:n], []byte("READY=1\n")) {
		d.t.Fatalf("aes67d told %q, %v; want READY=1", state[:n], err)
	}
	var dialer net.Dialer
	d.Client = &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 16,
		DialContext: func(ctx context.Context, network, address string) (c net.Conn, err error) {
			in.Do(func() error {
				c, err = dialer.DialContext(ctx, network, address)
				return nil
			})
			return c, err
		},
	}}
	d.t.Cleanup(d.Client.CloseIdleConnections)
}

// Stop tells the daemon to end and waits until it has.
func (d *Daemon) Stop() {
	d.t.Helper()
	if err := d.stop(); err != nil {
		d.t.Errorf("aes67d: %v", err)
	}
}

// PID is the number of its process.
func (d *Daemon) PID() int { return d.process.Process.Pid }

// Log is what it has logged.
func (d *Daemon) Log() string { return d.log.String() }

// URL is that of a path of its REST API.
func (d *Daemon) URL(path string) string { return "http://127.0.0.1:" + port + path }

// Do makes a request with a body and returns status and body of the answer.
func (d *Daemon) Do(method, path, body string) (status int, answer string, err error) {
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.URL(path), strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := d.Client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	var b strings.Builder
	b.Grow(int(max(resp.ContentLength, 0)))
	_, err = io.Copy(&b, resp.Body)
	return resp.StatusCode, b.String(), err
}

// Must makes a request that has to succeed, and returns the answer.
func (d *Daemon) Must(method, path, body string) string {
	d.t.Helper()
	status, answer, err := d.Do(method, path, body)
	if err != nil || status != http.StatusOK {
		d.t.Fatalf("%s %s: %d %s, %v", method, path, status, answer, err)
	}
	return answer
}

// Get reads the JSON at path into v.
func (d *Daemon) Get(path string, v any) {
	d.t.Helper()
	if err := json.Unmarshal([]byte(d.Must(http.MethodGet, path, "")), v); err != nil {
		d.t.Fatalf("%s: %v", path, err)
	}
}

// Until asks for something again and again until it is so, and fails the test if it is
// not in half a minute.
func Until(t netns.T, what string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !so() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
