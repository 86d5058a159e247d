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
	"slices"
	"time"

	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/realtime"
	"aes67os/test/netns"
	"aes67os/test/stalls"
)

// runLatency measures how long samples take from one driver to another over a cable, from
// when they are put in until they are taken out: see test/bench/endpoint.
func runLatency(ctx context.Context, long bool) error {
	length := lengthOfLatency(long)
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
		looks := watch(t)
		c := exec.CommandContext(ctx, program, "-receive", length.String(), "-local", receiverAddress, group)
		c.Env = realtime.Environment()
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
		l.print(length, looks())
	})
}

func lengthOfLatency(long bool) time.Duration {
	if long {
		return 10 * time.Minute
	}
	return 20 * time.Second
}

// startEndpoint starts the one that sends, and waits until it does.
func startEndpoint(t *runner, in *netns.Namespace, c *exec.Cmd) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var log bytes.Buffer
	c.Stdout, c.Stderr, c.Env = w, &log, realtime.Environment()
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

// look is the longest that the host has kept the highest priority waiting up to a time, since
// the look before.
type look struct {
	at    int64 // as media.Now has it
	stall time.Duration
}

// watch looks for stalls every 100 ms, until the function that it returns asks for what was seen.
func watch(t *runner) (looks func() []look) {
	w := stalls.New(t)
	stop, done := make(chan struct{}), make(chan struct{})
	var seen []look
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				seen = append(seen, look{media.Now(), w.Most()})
			}
		}
	}()
	return func() []look {
		close(stop)
		<-done
		return seen
	}
}

// latency is what an endpoint tells.
type latency struct {
	Begin, Samples int64
	// Wrong counts samples that were lost, by seconds since Begin.
	Wrong []int64
	// Latency counts the others by microseconds.
	Latency []int64
}

// enough is the stall that explains a loss: samples are put in half a millisecond before they
// have to be there.
const enough = time.Millisecond / 2

// sort tells how many samples were lost in seconds with a stall that explains it, and in how many
// other seconds how many.
func (l latency) sort(looks []look) (explained, lost int64, calm int) {
	for i, n := range l.Wrong {
		from := l.Begin + int64(i)*int64(time.Second)
		stalled := slices.ContainsFunc(looks, func(s look) bool {
			// What was lost shows some milliseconds later.
			return s.at > from-int64(10*time.Millisecond) && s.at <= from+int64(1100*time.Millisecond) && s.stall >= enough
		})
		if stalled {
			explained += n
		} else {
			lost, calm = lost+n, calm+1
		}
	}
	return explained, lost, calm
}

// quantile is what this share of the samples did not exceed, in milliseconds.
func (l latency) quantile(share float64) float64 {
	var all int64
	for _, n := range l.Latency {
		all += n
	}
	rest := int64(share * float64(all))
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

// printTimes prints how long samples took on a way.
func (l latency) printTimes(way string, length time.Duration) {
	print([]row{
		{"latency, samples in to out, p50", l.quantile(0.5), 3, "ms"},
		{"latency, samples in to out, p99.99", l.quantile(0.9999), 3, "ms"},
	})
	fmt.Printf("\nlatency %s, packets of 1 ms, link offset of 1.75 ms, %v\n", way, length)
	fmt.Printf("  %-38s %8s %8s %8s %8s %8s %8s\n", "ms", "p1", "p50", "p99", "p99.9", "p99.99", "max")
	fmt.Printf("  %-38s %8.3f %8.3f %8.3f %8.3f %8.3f %8.3f\n", "aes67d's engine", l.quantile(0.01), l.quantile(0.5), l.quantile(0.99), l.quantile(0.999), l.quantile(0.9999), l.most())
}

func (l latency) print(length time.Duration, looks []look) {
	explained, lost, calm := l.sort(looks)
	l.printTimes("over a cable", length)
	fmt.Printf("  %-38s %8d of %d, limit 0\n", "samples lost", explained+lost, l.Samples)
	fmt.Printf("  %-38s %8d in %d of %d seconds\n", fmt.Sprintf("while the host never stalled for %v", enough), lost, calm, len(l.Wrong))
	printStall(longest(looks))
}

// longest is the longest stall that was seen.
func longest(looks []look) (stall time.Duration) {
	for _, l := range looks {
		stall = max(stall, l.stall)
	}
	return stall
}

func printStall(stall time.Duration) {
	fmt.Printf("  %-38s %8.3f ms\n", "the host's longest stall", ms(stall))
}
