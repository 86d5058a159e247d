package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"aes67os/test/netns"
)

// How long clocks have to find to their master, and are then looked at. ptp4l looks on for 37
// seconds before it steers, at 8 Syncs a second and with timestamps by software.
const (
	clockSettles = 55 * time.Second
	clockWindow  = 20 * time.Second
)

// pairs is how many there are of each. What one is off by is mostly how its two ways to the
// master happen to differ, and hardly changes in that time.
const pairs = 4

// runClock compares our clock, and that of ptp4l, with the time of the master which both
// follow. The master is a ptp4l that serves the host's time and steers nothing; so the
// host's time tells how far each slave is off. Each slave has a cable of its own, and all
// are looked at in the same moments.
//
// ptp4l as a slave steers CLOCK_REALTIME, which here is the master's as well, so it is given
// one of its own: see steered/clock.c. That begins with the right time and rate. It is also
// told not to check that clock against another: on a busy host it takes its own delays for
// jumps and begins anew.
func runClock(ctx context.Context) error {
	progress("build the slaves")
	return measure(ctx, func(t *runner) {
		dir := t.TempDir()
		slave, library := filepath.Join(dir, "slave"), filepath.Join(dir, "steered.so")
		for _, c := range [][]string{
			{"go", "build", "-o", slave, "./test/bench/slave"},
			{"gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", library, "test/bench/steered/clock.c"},
		} {
			if out, err := exec.CommandContext(ctx, c[0], c[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", strings.Join(c, " "), err, out)
			}
		}
		master := netns.New(t)
		arguments := []string{"--free_running=1", "--uds_address=" + filepath.Join(dir, "master"),
			"--logSyncInterval=-3", "--logMinDelayReqInterval=0", "--logAnnounceInterval=0"}
		var rivals []*rival
		for i := range pairs {
			r := &rival{dir: t.TempDir(), slave: slave, library: library, ours: netns.New(t), other: netns.New(t)}
			for j, in := range []*netns.Namespace{r.ours, r.other} {
				port, subnet := fmt.Sprintf("eth%d", 2*i+j), 8*i+4*j
				netns.Cable(netns.End{Namespace: master, Interface: port, Addresses: []string{fmt.Sprintf("192.0.2.%d/30", subnet+1)}},
					netns.End{Namespace: in, Interface: "eth0", Addresses: []string{fmt.Sprintf("192.0.2.%d/30", subnet+2)}})
				arguments = append(arguments, "-i", port)
			}
			rivals = append(rivals, r)
		}
		launch(t, master, ptp4l(arguments...))
		progress(fmt.Sprintf("clock, %v", clockSettles+clockWindow))
		for _, r := range rivals {
			r.begin(t)
		}
		var ours, other []int64
		for _, r := range rivals {
			off := r.end(t)
			ours, other = append(ours, off.Ours...), append(other, off.Other...)
		}
		progress("")
		printClock(offsetsOf(ours), offsetsOf(other))
	})
}

// rival is one of our slaves beside one of ptp4l's.
type rival struct {
	dir, slave, library string
	ours, other         *netns.Namespace
	process             *exec.Cmd
	out, log            bytes.Buffer
}

// begin starts both.
func (r *rival) begin(t *runner) {
	clock := filepath.Join(r.dir, "clock")
	peer := ptp4l("-i", "eth0", "-s", "--sanity_freq_limit=0", "--uds_address="+filepath.Join(r.dir, "ptp4l"))
	peer.Env = append(peer.Environ(), "LD_PRELOAD="+r.library, "STEERED_CLOCK="+clock)
	launch(t, r.other, peer)
	r.process = exec.CommandContext(t.Context(), r.slave, "-settle", clockSettles.String(), "-length", clockWindow.String(), clock)
	r.process.Stdout, r.process.Stderr = &r.out, &r.log
	r.ours.Start(r.process)
}

// end waits for what ours has found out, of both: differences in nanoseconds.
func (r *rival) end(t *runner) (off struct{ Ours, Other []int64 }) {
	if err := r.process.Wait(); err != nil {
		t.Fatalf("our slave: %v\n%s", err, r.log.String())
	}
	if err := json.Unmarshal(r.out.Bytes(), &off); err != nil {
		t.Fatalf("our slave: %v", err)
	}
	return off
}

// ptp4l is linuxptp's clock with timestamps by software.
func ptp4l(arguments ...string) *exec.Cmd {
	return exec.Command("ptp4l", append([]string{"-4", "-E", "-S", "-m", "-q"}, arguments...)...)
}

// offsets are those of a clock to its master's, in microseconds.
type offsets struct{ rms, p99, most, mean float64 }

func offsetsOf(nanoseconds []int64) (o offsets) {
	var sizes []float64
	for _, ns := range nanoseconds {
		us := float64(ns) / 1000
		sizes = append(sizes, math.Abs(us))
		o.rms += us * us
		o.mean += us
	}
	slices.Sort(sizes)
	n := float64(len(sizes))
	o.rms, o.mean = math.Sqrt(o.rms/n), o.mean/n
	o.p99, o.most = quantile(sizes, 0.99), quantile(sizes, 1)
	return o
}

func printClock(ours, peer offsets) {
	print([]row{
		{"offset to the master, rms, to ptp4l's", ours.rms / peer.rms, 1, ""},
		{"offset to the master, p99, to ptp4l's", ours.p99 / peer.p99, 1, ""},
	})
	fmt.Printf("\ntrue offset to the master, µs, software timestamps, %d of each, %v after %v\n", pairs, clockWindow, clockSettles)
	fmt.Printf("  %-38s %8s %8s %8s %8s\n", "", "rms", "p99", "max", "mean")
	for _, c := range []struct {
		name string
		offsets
	}{{"ptp4l -s", peer}, {"aes67d's clock", ours}} {
		fmt.Printf("  %-38s %8.2f %8.2f %8.2f %8.2f\n", c.name, c.rms, c.p99, c.most, c.mean)
	}
}
