// Package realtime has what threads need to be on time: a place before all other
// programs, an alarm clock, and memory that stays.
//
// A thread is on time when the kernel runs it the moment its time comes, which a real-time
// priority is for. Go adds conditions, because threads of a Go program depend on each other:
//
//   - They wait for each other by spinning, in places where the runtime takes the wait to be
//     short: whoever returns from a system call while the garbage collector looks at its
//     stack does, or while the runtime's monitor looks at its place. With a priority above that of the thread it waits for,
//     on the same processor, it spins for ever. So one priority is for all threads of a
//     program or for none ([Program]), and they take turns. The program has to be one that does
//     nothing else.
//   - Whoever returns from a system call needs one of the GOMAXPROCS places to run Go code.
//     The monitor takes it away from one that has been away for 20 µs if all others are taken,
//     and from one that has not been through the scheduler for 10 ms; handing places on costs more
//     than the work that is done there. So Program provides more places than there are
//     threads, and a thread goes through the scheduler of its own accord, when it has time
//     ([Turn]). With 8 sources and 8 sinks that is 20 % of a processor instead of 50.
//   - Garbage is not to be made: while it is collected everybody waits, for half a millisecond
//     on a fast host ([CollectSeldom], [Environment]).
//
// A host that does not permit something degrades: all works, less precisely, and
// the errors say what to permit.
package realtime

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Lock ties the goroutine to its thread, has the thread run on these processors, counted from
// 0, or any if there are none, and its timers be exact. What could not be done is returned, in
// words for people; the rest is done.
//
// It cannot be undone: the goroutine is to end locked, and its thread ends with it.
func Lock(cpus []int) (degraded []error) {
	runtime.LockOSThread()
	if len(cpus) > 0 {
		var set unix.CPUSet
		for _, cpu := range cpus {
			set.Set(cpu)
		}
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			degraded = append(degraded, fmt.Errorf("not bound to the processors %v: choose some that there are and that the program may use: %w", cpus, err))
		}
	}
	// Without a real-time priority the kernel may delay a timer by this, 50 µs if nobody says
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
