package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"aes67os/test/netns"
)

// runLatency measures how long samples take from one driver to another over a cable, from
// when they are put in until they are taken out: see test/bench/endpoint.
func runLatency(ctx context.Context, long bool) error {
	length := 20 * time.Second
	if long {
		length = 10 * time.Minute
	}
	progress("build the endpoints")
	return measure(ctx, func(t *runner) {
		program := filepath.Join(t.TempDir(), "endpoint")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./test/bench/endpoint").CombinedOutput(); err != nil {
			t.Fatalf("build the endpoints: %v\n%s", err, out)
		}
		one, two := netns.Pair(t, senderAddress+"/24", receiverAddress+"/24")
		const group = "239.1.0.1:5004"
		progress("latency: the sender begins")
		startEndpoint(t, one, exec.Command(program, "-send", "-local", senderAddress, group))
		progress(fmt.Sprintf("latency, %v", length))
		c := exec.CommandContext(ctx, program, "-length", length.String(), "-local", receiverAddress, group)
		var out, log bytes.Buffer
		c.Stdout, c.Stderr = &out, &log
		two.Start(c)
		if err := c.Wait(); err != nil {
			t.Fatalf("the receiving endpoint: %v\n%s", err, log.String())
		}
		var l latency
		if err := json.Unmarshal(out.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		progress("")
		l.print(length)
	})
}

// startEndpoint starts the one that sends, and waits until it does.
func startEndpoint(t *runner, in *netns.Namespace, c *exec.Cmd) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var log bytes.Buffer
	c.Stdout, c.Stderr = w, &log
	in.Start(c)
	w.Close()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("the sending endpoint:\n%s", log.String())
		}
	})
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatalf("the sending endpoint does not send: %v", err)
	}
}

// latency is what an endpoint tells.
type latency struct {
	Samples, Wrong int64
	// Latency counts samples by microseconds.
	Latency []int64
}

// quantile is what this share of the samples did not exceed, in milliseconds.
func (l latency) quantile(share float64) float64 {
	rest := int64(share * float64(l.Samples-l.Wrong))
	for us, n := range l.Latency {
		if rest -= n; rest < 0 {
			return float64(us) / 1000
		}
	}
	return float64(len(l.Latency)) / 1000
}

// most is the longest, in milliseconds.
func (l latency) most() (ms float64) {
	for us, n := range l.Latency {
		if n > 0 {
			ms = float64(us) / 1000
		}
	}
	return ms
}

func (l latency) print(length time.Duration) {
	print([]row{{"latency, samples in to out, p99.99", l.quantile(0.9999), 3, "ms"}})
	fmt.Printf("\nlatency over a cable, packets of 1 ms, link offset of 2 ms, %v\n", length)
	fmt.Printf("  %-38s %8s %8s %8s %8s %8s %8s\n", "ms", "p1", "p50", "p99", "p99.9", "p99.99", "max")
	fmt.Printf("  %-38s %8.3f %8.3f %8.3f %8.3f %8.3f %8.3f\n", "aes67d's engine", l.quantile(0.01), l.quantile(0.5), l.quantile(0.99), l.quantile(0.999), l.quantile(0.9999), l.most())
	fmt.Printf("  %-38s %8d of %d, limit 0\n", "samples lost", l.Wrong, l.Samples)
}
