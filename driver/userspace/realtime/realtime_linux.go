// Package realtime has what a thread needs to be on time: a place of its own before all
// other programs, an alarm clock, and memory that stays.
//
// A thread is on time when the kernel runs it the moment its time comes. SCHED_FIFO does
// that ([Lock]), whatever other programs want. Go adds a condition. Whoever returns from a
// system call needs one of the GOMAXPROCS places to run Go code, and may have to wait for
// it: until the garbage collector lets the world go on, until another goroutine gives a
// place up, until the runtime's monitor has done looking at ours. Those are
// threads of ordinary priority, which a busy host makes wait in turn, so that each of
// these can be tens of milliseconds. Nothing helps but that they have a priority too, the
// lowest there is ([Program]): then in a program that makes garbage all the time wake-ups
// are late by tenths of a millisecond, one in a thousand by one or two, not by fifty.
//
// [Sleep] is an ordinary system call, which lends the place to others meanwhile. One
// by syscall.RawSyscall would keep it, but the runtime takes that for a goroutine that does
// not let others run, and every 10 ms passes its place on by way of another thread; and the
// collector wakes it by a signal each time. BenchmarkLateness compares the two. It is for
// calls that do not wait that raw ones are right.
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
