package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// stateOf returns the state letter of a process, or "gone".
func stateOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "gone"
	}
	state, _, err := parseStat(string(stat))
	if err != nil {
		return err.Error()
	}
	return string(state)
}

// orphan makes this process the subreaper of a process whose parent has died. The
// orphan ends when the returned file is closed.
func orphan(t *testing.T) (pid int, end io.Closer) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	t.Cleanup(func() { w.Close() })
	parent := exec.Command(self, "service", "leave-until-closed")
	parent.Stdin = r
	out, err := parent.Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return pid, w
}

func becomeSubreaper(t *testing.T) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) })
}

// startReaper returns a channel of what is reaped.
func startReaper(t *testing.T) <-chan int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reaped := make(chan int, 1000)
	done := make(chan error)
	go func() { done <- Reap(ctx, func(pid int) { reaped <- pid }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return reaped
}

func TestReapsOrphans(t *testing.T) {
	becomeSubreaper(t)
	before, endBefore := orphan(t)
	endBefore.Close()
	during, endDuring := orphan(t)
	reaped := startReaper(t)
	endDuring.Close()
	left := map[int]bool{before: true, during: true}
	for len(left) > 0 {
		delete(left, <-reaped)
	}
	for _, pid := range []int{before, during} {
		if state := stateOf(pid); state != "gone" {
			t.Errorf("orphan %d is in state %s, want gone", pid, state)
		}
	}
}

func TestLeavesChildrenOfOthersAlone(t *testing.T) {
	becomeSubreaper(t)
	reaped := startReaper(t)
	const children = 20
	var mine []*exec.Cmd
	for i := range children {
		c := exec.Command(self, "service", fmt.Sprintf("exit:%d", i))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		mine = append(mine, c)
	}
	for _, c := range mine {
		waitZombie(t, c.Process.Pid)
	}
	// All have died; an orphan that is reaped after them shows that the reaper
	// has looked at them.
	stranger, end := orphan(t)
	end.Close()
	for pid := range reaped {
		if pid == stranger {
			break
		}
	}
	for i, c := range mine {
		var exit *exec.ExitError
		if err := c.Wait(); i > 0 && (!errors.As(err, &exit) || exit.ExitCode() != i) {
			t.Errorf("child %d: %v; its exit status was taken", i, err)
		}
	}
}

// waitZombie returns when a child has ended, without waiting for it.
func waitZombie(t *testing.T, pid int) {
	t.Helper()
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
}

// While many children come and go and are waited for, the reaper takes none.
func TestReaperAndWaitersAtOnce(t *testing.T) {
	becomeSubreaper(t)
	reaped := startReaper(t)
	for range 30 {
		if err := exec.Command(self, "service", "exit:7").Run(); err == nil || err.Error() != "exit status 7" {
			t.Fatalf("got %v, want exit status 7", err)
		}
	}
	select {
	case pid := <-reaped:
		t.Errorf("reaped %d, which is not an orphan", pid)
	default:
	}
}

func TestParseStat(t *testing.T) {
	tests := map[string]struct {
		stat   string
		state  byte
		parent int
		fails  bool
	}{
		"plain":          {"42 (aes67d) S 1 42 42 0 -1", 'S', 1, false},
		"zombie":         {"42 (sh) Z 7 42", 'Z', 7, false},
		"odd name":       {"42 (a) Z 9 (b) S 1 42", 'S', 1, false},
		"newline inside": {"42 (a\n) R 3 0", 'R', 3, false},
		"no name":        {"42 S 1", 0, 0, true},
		"cut off":        {"42 (a) S", 0, 0, true},
		"no parent":      {"42 (a) S x", 0, 0, true},
		"empty":          {"", 0, 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			state, parent, err := parseStat(test.stat)
			if state != test.state || parent != test.parent || (err != nil) != test.fails {
				t.Errorf("parseStat(%q) = %q, %d, %v; want %q, %d, error %v",
					test.stat, state, parent, err, test.state, test.parent, test.fails)
			}
		})
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("42 (a) Z 9 (b) S 1 42")
	f.Fuzz(func(t *testing.T, stat string) {
		if state, _, err := parseStat(stat); err == nil && state == 0 {
			t.Errorf("parseStat(%q): no state and no error", stat)
		}
	})
}
