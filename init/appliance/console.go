package appliance

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
)

// consoles lists the terminals that the kernel writes to, the screen as well as the
// serial line. The last is what /dev/console stands for.
func consoles(sys string) ([]string, error) {
	b, err := os.ReadFile(sys + "/class/tty/console/active")
	if err != nil {
		return nil, err
	}
	names := strings.Fields(string(b))
	if len(names) == 0 {
		return nil, errors.New("the kernel has no console")
	}
	for i, name := range names {
		names[i] = "/dev/" + name
	}
	return names, nil
}

// copyToConsoles shows the log on every console. The function it returns waits until
// all is written.
func (a *Appliance) copyToConsoles() (finish func()) {
	all, err := consoles("/sys")
	if err != nil {
		return func() {}
	}
	// By its own name it would be hung up with the shell of a debug image.
	all[len(all)-1] = "/dev/console"
	ctx, cancel := context.WithCancel(context.Background())
	var written sync.WaitGroup
	for _, name := range all {
		tty, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			continue
		}
		written.Go(func() {
			defer tty.Close()
			_ = a.journal.Console(ctx, tty)
		})
	}
	return func() {
		cancel()
		written.Wait()
	}
}
