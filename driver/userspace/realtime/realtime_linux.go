// Package realtime has what a thread needs to be on time: a place of its own before all
// other programs, an alarm clock, and memory that stays.
//
// A thread is on time when the kernel runs it the moment its time comes. SCHED_FIFO does
// that, whatever else wants the processor. Go adds one condition. Whoever returns
// from a system call needs one of the GOMAXPROCS places to run Go code, and gets none
// while the garbage collector has stopped the world, or while other goroutines have them
// all; and those run on threads of ordinary priority. So this is what there was to choose:
//
//   - Sleep by an ordinary system call. The place is lent to others meanwhile, who seldom
//     take it. That is what [Sleep] does.
//   - Sleep by syscall.RawSyscall and keep the place. The runtime takes the thread for a
//     goroutine that does not let others run, and every 10 ms hands its place round by way of
//     a thread of ordinary priority, which a busy host makes wait. The collector wakes
//     it by a signal each time.
//
// With a garbage maker in the same program both are late by milliseconds, and either can
// be the worse one; in a program that is quiet the first is as good as C. BenchmarkLateness
// prints the figures. What must not be late therefore runs in a program that makes
// no garbage, and makes none itself; calls that do not wait are raw there.
//
// A host that does not permit something degrades: all works, less precisely, and
// the errors say what to permit.
package realtime

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Options are what a thread asks for.
type Options struct {
	// Priority is that of SCHED_FIFO, 1 to 99 (sched(7)); 0 leaves the ordinary policy.
	Priority int
	// CPUs are those to run on, from 0; none for any.
	CPUs []int
}

// Lock ties the goroutine to its thread and makes that as o says. What could not be done
// is returned, in words for people; the rest is done.
//
// It cannot be undone: the goroutine is to end locked, and its thread ends with it.
func Lock(o Options) (degraded []error) {
	runtime.LockOSThread()
	if o.Priority != 0 {
		attr := &unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: uint32(o.Priority)}
		if err := unix.SchedSetAttr(0, attr, 0); err != nil {
			hint := "give the program CAP_SYS_NICE, or a limit for RTPRIO"
			if !errors.Is(err, unix.EPERM) {
				hint = "choose a priority of 1 to 99"
			}
			degraded = append(degraded, fmt.Errorf("no real-time priority %d, other programs make audio late: %s: %w", o.Priority, hint, err))
		}
	}
	if len(o.CPUs) > 0 {
		var set unix.CPUSet
		for _, cpu := range o.CPUs {
			set.Set(cpu)
		}
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			degraded = append(degraded, fmt.Errorf("not bound to the processors %v: choose some that there are and that the program may use: %w", o.CPUs, err))
		}
	}
	// Without SCHED_FIFO the kernel may delay a timer by this, 50 µs if nobody says
	// otherwise, to save power.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		degraded = append(degraded, fmt.Errorf("timers are up to 50 µs late: %w", err))
	}
	return degraded
}

// Sleep returns when CLOCK_MONOTONIC has reached until, in nanoseconds; at once if it has.
// It does not allocate.
func Sleep(until int64) {
	t := unix.NsecToTimespec(until)
	// The runtime's signals interrupt it. The time is absolute, so it is just begun again.
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &t, nil) == unix.EINTR {
	}
}
