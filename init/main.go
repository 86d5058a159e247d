// Command init is process 1 of the appliance. See package appliance.
package main

import (
	"fmt"
	"os"

	"aes67os/init/appliance"
	"aes67os/init/supervisor"
)

func main() {
	supervisor.ExecStage()
	if modprobe() {
		return
	}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "init: this is process 1 of an appliance, and of no use elsewhere")
		os.Exit(1)
	}
	if err := appliance.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
	}
	// The kernel panics when process 1 ends, and starts the machine again.
	os.Exit(1)
}
