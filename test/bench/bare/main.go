// Command bare is a system that does nothing: as process 1 it says how long ago the
// kernel started, and switches off.
package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t)
	fmt.Printf("up for %.3f s %v\n", float64(t.Nano())/1e9, err)
	if os.Getpid() == 1 {
		fmt.Println(unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
	}
}
