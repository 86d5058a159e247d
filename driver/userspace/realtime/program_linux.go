package realtime

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Program gives all threads of the program that have none yet a real-time priority, 1 to
// 99, of SCHED_RR, and with it those that they will make. Those of [Lock] are to be above it.
// The error says why it could not, and what to permit.
//
// A thread is on time only if those are whom it must wait for, which are the runtime's own.
// Programs that this one starts inherit the priority too, and a goroutine that never rests
// leaves other programs only what kernel.sched_rt_runtime_us reserves for them.
func Program(priority int) error {
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
			if err == nil && was.Policy == unix.SCHED_NORMAL {
				raised = true
				err = unix.SchedSetAttr(id, attr, 0)
			}
			if errors.Is(err, unix.ESRCH) {
				continue // it has ended
			}
			if err != nil {
				return fmt.Errorf("no real-time priority %d for the program, other programs make audio late: give it CAP_SYS_NICE, or a limit for RTPRIO: %w", priority, err)
			}
		}
	}
	return nil
}
