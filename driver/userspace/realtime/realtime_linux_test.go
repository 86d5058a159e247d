package realtime

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"aes67os/driver/userspace/media"

	"golang.org/x/sys/unix"
)

// onThread runs f on a thread that ends with it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

// drop takes capabilities from this thread.
func drop(t *testing.T, capabilities ...uint) {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Error(err)
	}
	for _, c := range capabilities {
		data[0].Effective &^= 1 << c
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Error(err)
	}
}

// TestLock checks what the thread has become, by what the kernel says of it.
func TestLock(t *testing.T) {
	for _, test := range []struct {
		name     string
		cpus     []int
		number   int // of processors, 0 for as before
		degraded []string
	}{
		{name: "anywhere"},
		{name: "one processor", cpus: []int{0}, number: 1},
		{name: "what there is not", cpus: []int{1000}, degraded: []string{"not bound to the processors [1000]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			onThread(func() {
				var before, after unix.CPUSet
				if err := unix.SchedGetaffinity(0, &before); err != nil {
					t.Error(err)
				}
				degraded := Lock(test.cpus)
				if len(degraded) != len(test.degraded) {
					t.Errorf("Lock() = %v; want %d reasons", degraded, len(test.degraded))
					return
				}
				for i, err := range degraded {
					if !strings.Contains(err.Error(), test.degraded[i]) {
						t.Errorf("Lock() = %q; want that with %q", err, test.degraded[i])
					}
				}
				if err := unix.SchedGetaffinity(0, &after); err != nil {
					t.Error(err)
				}
				if want := cmp.Or(test.number, before.Count()); after.Count() != want {
					t.Errorf("runs on %d processors; want %d", after.Count(), want)
				}
				slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
				if err != nil || slack != 1 {
					t.Errorf("timer slack %d ns, %v; want 1", slack, err)
				}
			})
		})
	}
}

func TestSleep(t *testing.T) {
	start := media.Now()
	for _, until := range []int64{start + 2e6, start, start - 1e9, 0} {
		Sleep(until)
		if now := media.Now(); now < until {
			t.Errorf("Sleep(%d) has returned at %d", until-start, now-start)
		}
	}
	if n := testing.AllocsPerRun(10, func() { Sleep(start) }); n != 0 {
		t.Errorf("%v allocations; want none", n)
	}
}

// TestSleepInterrupted sends the thread signals, as the runtime does, while it sleeps.
func TestSleepInterrupted(t *testing.T) {
	thread, woken := make(chan int), make(chan int64)
	until := media.Now() + 20e6
	go onThread(func() {
		thread <- unix.Gettid()
		Sleep(until)
		woken <- media.Now()
	})
	for id := <-thread; ; {
		select {
		case now := <-woken:
			if now < until {
				t.Errorf("woken %d ns too early", until-now)
			}
			return
		default:
			if err := unix.Tgkill(unix.Getpid(), id, unix.SIGURG); err != nil && !errors.Is(err, unix.ESRCH) {
				t.Fatal(err)
			}
		}
	}
}

func TestLockMemory(t *testing.T) {
	unlock := func() {
		if err := unix.Munlockall(); err != nil {
			t.Error(err)
		}
	}
	defer unlock()
	onThread(func() {
		if err := LockMemory(); err != nil {
			t.Errorf("LockMemory() = %v; want nil", err)
		}
	})
	// Go goes on to take memory, and to give it back.
	var keep [][]byte
	for range 64 {
		keep = append(keep, make([]byte, 1<<20))
	}
	runtime.KeepAlive(keep)
	runtime.GC()

	unlock()
	onThread(func() {
		drop(t, unix.CAP_IPC_LOCK)
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
			t.Error(err)
		}
		err := LockMemory()
		if unlimited := limit.Cur == unix.RLIM_INFINITY; unlimited != (err == nil) {
			t.Errorf("LockMemory() = %v without rights; want an error: %v", err, !unlimited)
		}
		if err != nil && !strings.Contains(err.Error(), "CAP_IPC_LOCK") {
			t.Errorf("LockMemory() = %v; want what to permit", err)
		}
	})
}

// child is the variable of the environment by which the test program is told to be a program
// of its own, in TestProgram.
const child = "AES67OS_TEST_PROGRAM"

// TestProgram checks the priority of all threads of a program, those it makes later too.
func TestProgram(t *testing.T) {
	if os.Getenv(child) == "" {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProgram$")
		c.Env = append(os.Environ(), child+"=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("the program failed: %v\n%s", err, out)
		}
		return
	}
	onThread(func() {
		drop(t, unix.CAP_SYS_NICE)
		if err := Program(1); err == nil || !strings.Contains(err.Error(), "CAP_SYS_NICE") {
			t.Errorf("Program() = %v without rights; want what to permit", err)
		}
	})
	ready, done := make(chan struct{}), make(chan struct{})
	defer close(done)
	threads := func(f func()) {
		for range 5 {
			go onThread(func() {
				f()
				ready <- struct{}{}
				<-done
			})
		}
		for range 5 {
			<-ready
		}
	}
	if err := Program(100); err == nil || strings.Contains(err.Error(), "CAP_SYS_NICE") {
		t.Errorf("Program(100) = %v; want what is wrong with that", err)
	}
	threads(func() {})
	if err := Program(1); err != nil {
		t.Fatalf("Program() = %v; want nil", err)
	}
	threads(func() { Lock(nil) })
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	raised := 0
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		attr, err := unix.SchedGetAttr(id, 0)
		switch {
		case errors.Is(err, unix.ESRCH):
		case err != nil:
			t.Fatal(err)
		case attr.Policy == unix.SCHED_RR && attr.Priority == 1:
			raised++
		default:
			t.Errorf("a thread with policy %d, priority %d", attr.Policy, attr.Priority)
		}
	}
	if raised < 10 {
		t.Errorf("%d threads are raised; there are ten of the test alone", raised)
	}
}
