package realtime

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// spareProcs is by how much GOMAXPROCS is to be above the number of processors, for
// threads that wait in the kernel to keep their places. Those are one that sends, one for
// 20 groups that are received from, and two for each sound card; and the more places, the longer
// takes a collection of garbage.
const spareProcs = 12

// Program gives all threads of the program a real-time priority, 1 to 99, the same one, and
// with it those that they will make. They share processors by turns (SCHED_RR, sched(7)). The
// program is to do nothing but what must be on time. The error says why it could not, and what
// to permit.
//
// Programs that this one starts inherit the priority, too. What other programs have left when
// these threads never rest is up to the kernel: a twentieth, as it is set up usually. The program
// has to be started with the [Environment] for it.
func Program(priority int) error {
	if want := runtime.NumCPU() + spareProcs; runtime.GOMAXPROCS(0) < want {
		runtime.GOMAXPROCS(want)
	}
	attr := &unix.SchedAttr{Policy: unix.SCHED_RR, Priority: uint32(priority)}
	// A thread not raised yet may make another meanwhile. So until all are found raised.
	for raised := true; raised; {
		raised = false
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("cannot list the program's threads: %w", err)
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				return fmt.Errorf("cannot list the program's threads: %w", err)
			}
			was, err := unix.SchedGetAttr(id, 0)
			if err == nil && (was.Policy != attr.Policy || was.Priority != attr.Priority) {
				raised = true
				err = unix.SchedSetAttr(id, attr, 0)
			}
			switch {
			case errors.Is(err, unix.ESRCH): // it has ended
			case errors.Is(err, unix.EPERM):
				return fmt.Errorf("no real-time priority %d, other programs make audio late: give the program CAP_SYS_NICE, or a limit for RTPRIO: %w", priority, err)
			case err != nil:
				return fmt.Errorf("no real-time priority %d, other programs make audio late: %w", priority, err)
			}
		}
	}
	return nil
}
