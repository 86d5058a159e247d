// Package stalls measures for how long a host keeps even those threads waiting that have the
// highest real-time priority: for another program's system call that cannot be preempted, for the
// kernel's share for programs without priority, for a hypervisor. On a host that other programs
// keep busy that was seen to take 40 ms. Then audio is late, and whether it is so for another
// reason as well cannot be told.
package stalls

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"aes67os/test/netns"
)

// Watch is a process that does nothing but measure stalls, on all processors.
type Watch struct {
	t      netns.T
	ask    io.Writer
	answer *bufio.Reader
}

// watching tells a program that it is that process.
const watching = "AES67OS_TEST_STALLS"

// New begins to watch, until the test ends. The program has to call [Serve] before all else.
func New(t netns.T) *Watch {
	t.Helper()
	in, out := netns.Itself(t, watching, "fifo", "99")
	return &Watch{t: t, ask: in, answer: bufio.NewReader(out)}
}

// Most is the longest that a processor has kept a thread waiting since Most was asked for
// last.
func (w *Watch) Most() (longest time.Duration) {
	w.t.Helper()
	if _, err := fmt.Fprintln(w.ask); err != nil {
		w.t.Fatal(err)
	}
	if _, err := fmt.Fscanln(w.answer, &longest); err != nil {
		w.t.Fatal(err)
	}
	return longest
}

// asleep is the time between two looks, by which a stall may be longer than it seems.
const asleep = 500 * time.Microsecond

// Serve does the work of the process that watches, and does not return in it.
func Serve() {
	if os.Getenv(watching) == "" {
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
