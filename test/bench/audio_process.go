package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"aes67os/test/netns"
)

// userHZ is what the kernel counts processor time in, for programs (proc(5)).
const userHZ = 100

// processorTime is what processes have used until now, each with its children.
func processorTime(t *runner, pids ...int) (used []time.Duration) {
	for _, pid := range pids {
		var sum time.Duration
		for _, one := range family(pid) {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", one))
			if err != nil {
				t.Fatal(err)
			}
			ticks, err := ticksOf(string(stat))
			if err != nil {
				t.Fatalf("processor time of process %d: %v", one, err)
			}
			sum += time.Duration(ticks) * time.Second / userHZ
		}
		used = append(used, sum)
	}
	return used
}

// processorShare is how much of one processor processes use for a time.
func processorShare(t *runner, length time.Duration, pids ...int) (share []float64) {
	used, began := processorTime(t, pids...), time.Now()
	time.Sleep(length)
	took, passed := processorTime(t, pids...), time.Since(began)
	for i := range pids {
		share = append(share, float64(took[i]-used[i])/float64(passed))
	}
	return share
}

// ticksOf is utime and stime of a line of /proc/PID/stat.
func ticksOf(stat string) (int64, error) {
	// The name, in brackets, may have blanks and brackets.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("%q has too few fields", stat)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return user + system, err
}

// family is a process with its children, and theirs.
func family(pid int) []int {
	all := []int{pid}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		children, _ := os.ReadFile(f) // a thread may have ended
		for _, child := range strings.Fields(string(children)) {
			if n, err := strconv.Atoi(child); err == nil {
				all = append(all, family(n)...)
			}
		}
	}
	return all
}

// startHogs starts a program of ordinary priority for every processor, which is always
// busy, and returns what ends them.
func startHogs(t *runner) (stop func()) {
	var hogs []*exec.Cmd
	for range runtime.NumCPU() {
		hogs = append(hogs, launch(t, netns.Here(t), exec.Command("sh", "-c", "while :; do :; done")))
	}
	return func() {
		for _, h := range hogs {
			_ = h.Process.Kill()
		}
	}
}

// launch starts a program in a namespace, until the measurement ends. What it prints is
// shown if something fails.
func launch(t *runner, in *netns.Namespace, c *exec.Cmd) *exec.Cmd {
	var output strings.Builder
	c.Stdout, c.Stderr = &output, &output
	in.Start(c)
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", strings.Join(c.Args, " "), output.String())
		}
	})
	return c
}
