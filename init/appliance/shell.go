package appliance

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// runShell keeps a root shell on the console of a debug image.
func (a *Appliance) runShell(ctx context.Context) error {
	all, err := consoles("/sys")
	if err != nil {
		return err
	}
	// Not /dev/console, which cannot control a session.
	tty := all[len(all)-1]
	for ctx.Err() == nil {
		if err := shellOn(ctx, tty); err != nil {
			return err
		}
	}
	return nil
}

func shellOn(ctx context.Context, tty string) error {
	f, err := os.OpenFile(tty, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.CommandContext(ctx, "/bin/sh")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f, f, f
	cmd.Dir = "/root"
	cmd.Env = []string{"PATH=/bbin:/bin", "HOME=/root", "TERM=linux", "USER=root"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Run()
	if errors.As(err, new(*exec.ExitError)) {
		err = nil // how people leave a shell does not matter
	}
	select {
	case <-time.After(time.Second): // a shell that ends at once must not keep the machine busy
	case <-ctx.Done():
	}
	return err
}
