package audio

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A host may keep even the threads with the highest real-time priority waiting: another
// program's system call that cannot be preempted, the kernel's share for programs without
// priority, a hypervisor. On a host that other programs keep busy that was seen to take
// 40 ms. Then packets are late, and whether they are so for another reason cannot be told.
// So a process that does nothing else measures it. Comparisons are cut into windows, and one
// that has failed while the host stalled does not count.

// stalling tells a program that it is that process.
const stalling = "AES67OS_TEST_STALLS"

// stalls measures how long the host keeps others waiting.
type stalls struct {
	t      *testing.T
	ask    *os.File
	answer *bufio.Reader
	// before is the longest of the window before, which may be what is heard in this one.
	before time.Duration
}

// newStalls begins to measure, until the test ends.
func newStalls(t *testing.T) *stalls {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("chrt", "--fifo", "99", self)
	c.Env = append(os.Environ(), stalling+"=1")
	c.Stderr = os.Stderr
	in, ask, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	c.Stdin = in
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ask.Close()
		if err := c.Wait(); err != nil {
			t.Errorf("the process that measures stalls: %v", err)
		}
	})
	return &stalls{t: t, ask: ask, answer: bufio.NewReader(out)}
}

// most is the longest that a processor has kept a thread waiting since most was asked for
// last.
func (s *stalls) most() (longest time.Duration) {
	s.t.Helper()
	if _, err := fmt.Fprintln(s.ask); err != nil {
		s.t.Fatal(err)
	}
	if _, err := fmt.Fscanln(s.answer, &longest); err != nil {
		s.t.Fatal(err)
	}
	return longest
}

// asleep is the time between two looks, by which a stall may be longer than it seems.
const asleep = 500 * time.Microsecond

// serveStalls does the work of that process, and does not return in it.
func serveStalls() {
	if os.Getenv(stalling) == "" {
		return
	}
	// Its threads sleep without telling Go's scheduler, which would cost much more than they
	// do. So there is nobody to collect garbage, and none is made.
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(runtime.NumCPU() + 2)
	var most atomic.Int64
	var begun sync.WaitGroup
	for cpu := range runtime.NumCPU() {
		begun.Add(1)
		go func() {
			runtime.LockOSThread()
			var own unix.CPUSet
			own.Set(cpu)
			if err := unix.SchedSetaffinity(0, &own); err != nil {
				fmt.Fprintln(os.Stderr, "a thread is not bound to processor", cpu, err)
			}
			begun.Done()
			pause := unix.NsecToTimespec(asleep.Nanoseconds())
			for {
				before := time.Now()
				unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0)
				late := int64(time.Since(before) - asleep)
				for was := most.Load(); late > was && !most.CompareAndSwap(was, late); was = most.Load() {
				}
			}
		}()
	}
	begun.Wait()
	for questions := bufio.NewScanner(os.Stdin); questions.Scan(); {
		fmt.Println(most.Swap(0))
	}
	os.Exit(0)
}

// windows compares until that many windows were right, and tells whether all were. It fails if
// one is wrong without a stall that may explain it: a sixteenth of the link offset, in samples,
// because several threads on the way wait for each other, and a stall is not seen by all
// alike. It fails too if the host stalls all the time.
func (s *stalls) windows(t *testing.T, n, offset int, compare func() error) (all bool) {
	t.Helper()
	enough := time.Duration(offset) * time.Second / rate / 16
	s.most()
	all = true
	for left, good := n+20, 0; good < n; {
		err := compare()
		stall := s.most()
		longest := max(stall, s.before)
		s.before = stall
		switch {
		case err == nil:
			good++
		case longest < enough:
			t.Errorf("%v; the host's longest stall was %v", err, longest)
			return false
		case left == 0:
			t.Errorf("the host stalls all the time, %v now: %v", longest, err)
			return false
		default:
			left, all = left-1, false
			t.Logf("does not count, as the host has stalled for %v: %v", longest, err)
		}
	}
	return all
}
