package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"aes67os/aes67d/file"
	"aes67os/test/aes67d"
	"aes67os/test/load"
	"aes67os/test/netns"
)

// times are how long calls took, by what was asked for.
type times map[string][]time.Duration

// rest is what was measured of the REST API.
type rest struct {
	daemon, peer times
	// write has how long the status file took to write, at this size in bytes.
	write []time.Duration
	size  int
}

// turns is how often the daemon and the peer take turns, and roundsPerTurn how many rounds
// of the load each does then.
const turns, roundsPerTurn = 5, 6

// measureREST puts the daemon and the peer under the same load.
func measureREST(t *runner, program string) (r rest) {
	in, other := netns.New(t), netns.New(t)
	netns.Cable(netns.End{Namespace: in, Interface: "eth0", Addresses: []string{"192.0.2.1/24"}},
		netns.End{Namespace: other, Interface: "eth0", Addresses: []string{"192.0.2.2/24"}})
	d := aes67d.Start(t, program, in, map[string]any{"log_severity": 2}, "-driver", "fake")
	daemon := dial(t, in, strings.TrimPrefix(d.URL(""), "http://"))
	daemon.rounds(t, 2) // until all streams are there
	status, err := os.ReadFile(d.Status)
	if err != nil {
		t.Fatal(err)
	}
	r.size = len(status)
	peer := dial(t, in, startPeer(t, in, r.size))
	peer.rounds(t, 2)
	daemon.took, peer.took = times{}, times{}
	for turn := range turns {
		progress(fmt.Sprintf("REST, turn %d of %d", turn+1, turns))
		daemon.rounds(t, roundsPerTurn)
		peer.rounds(t, roundsPerTurn)
	}
	r.daemon, r.peer = daemon.took, peer.took

	name := filepath.Join(t.TempDir(), "status.json")
	for range 200 {
		began := time.Now()
		if err := file.Replace(name, status, 0o644); err != nil {
			t.Fatal(err)
		}
		r.write = append(r.write, time.Since(began))
	}
	return r
}

// startPeer starts the peer, which writes and answers that many bytes, and returns its
// address.
func startPeer(t *runner, in *netns.Namespace, size int) string {
	dir := t.TempDir()
	program := filepath.Join(dir, "peer")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./test/bench/peer").CombinedOutput(); err != nil {
		t.Fatalf("build the peer: %v\n%s", err, out)
	}
	var l net.Listener
	in.Do(func() (err error) {
		l, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	})
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	c := exec.Command(program, filepath.Join(dir, "file"), strconv.Itoa(size))
	c.Stderr = os.Stderr
	c.ExtraFiles = []*os.File{socket}
	in.Start(c)
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return l.Addr().String()
}

// clients are those of the load on one server.
type clients struct {
	all  []*client
	next int // round
	took times
}

// dial connects all clients with a server in a namespace.
func dial(t *runner, in *netns.Namespace, address string) *clients {
	c := &clients{took: times{}}
	for range load.Clients {
		in.Do(func() error {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				return err
			}
			t.Cleanup(func() { conn.Close() })
			c.all = append(c.all, &client{conn: conn, r: bufio.NewReaderSize(conn, 64<<10), took: times{}})
			return nil
		})
	}
	return c
}

// rounds does the next n rounds of the load, with questions between the changes as a page
// asks them.
func (c *clients) rounds(t *runner, n int) {
	var group sync.WaitGroup
	errs := make([]error, len(c.all))
	for i, one := range c.all {
		group.Go(func() {
			for round := c.next; round < c.next+n && errs[i] == nil; round++ {
				errs[i] = one.round(load.Round(i, round))
			}
		})
	}
	group.Wait()
	c.next += n
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, one := range c.all {
		for what, took := range one.took {
			c.took[what] = append(c.took[what], took...)
		}
		clear(one.took)
	}
}

// client is a connection which speaks HTTP with as little work as can be: it shares the
// machine with the server that is to be measured.
type client struct {
	conn net.Conn
	r    *bufio.Reader
	took times
}

func (c *client) round(calls []load.Call) error {
	for _, call := range calls {
		body := ""
		if call.Method == http.MethodPut {
			body = call.Stream.JSON()
		}
		if err := c.ask(call.Method+" "+call.Stream.Kind, call.Method, call.Stream.Path(), body); err != nil {
			return err
		}
		if err := c.ask("GET streams", http.MethodGet, "/api/streams", ""); err != nil {
			return err
		}
		if call.Method != http.MethodPut || call.Stream.Kind != "sink" {
			continue
		}
		if err := c.ask("GET sink status", http.MethodGet, fmt.Sprintf("/api/sink/status/%d", call.Stream.ID), ""); err != nil {
			return err
		}
	}
	return nil
}

// ask makes a request and takes the time until all of the answer is there.
func (c *client) ask(what, method, path, body string) error {
	began := time.Now()
	if err := c.conn.SetDeadline(began.Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.conn, "%s %s HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, reason)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	c.took[what] = append(c.took[what], time.Since(began))
	return nil
}

// all are the times of all calls.
func (t times) all() []time.Duration { return slices.Concat(slices.Collect(maps.Values(t))...) }

// print shows the daemon beside the peer.
func (r rest) print() {
	fmt.Printf("\nREST, ms per call, %d clients at once, 64 sources and 64 sinks, %d calls: p50, p99\n", load.Clients, len(r.daemon.all()))
	line := func(what string, took []time.Duration) {
		fmt.Printf("  %-38s %8.2f %8.2f\n", what, ms(percentile(took, 50)), ms(percentile(took, 99)))
	}
	line("bare net/http, same bytes, one fsync", r.peer.all())
	line("aes67d", r.daemon.all())
	fmt.Printf("  %-38s %8.2f %8.2f\n", "ratio",
		ratio(percentile(r.daemon.all(), 50), percentile(r.peer.all(), 50)), ratio(percentile(r.daemon.all(), 99), percentile(r.peer.all(), 99)))
	for _, what := range slices.Sorted(maps.Keys(r.daemon)) {
		line("aes67d: "+what, r.daemon[what])
	}
	line(fmt.Sprintf("status file of %d kB on this disk", r.size/1000), r.write)
}

func percentile(v []time.Duration, p int) time.Duration {
	v = slices.Sorted(slices.Values(v))
	return v[min(len(v)*p/100, len(v)-1)]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
