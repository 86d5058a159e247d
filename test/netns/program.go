package netns

import (
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"aes67os/test/logs"
)

// grace is how long a program may take to end when it is told to.
const grace = 10 * time.Second

// Background runs somebody else's program in the namespace until the test ends, or stop is
// called before. How it ends is its own affair. Its output is logged if the test fails.
func (n *Namespace) Background(c *exec.Cmd) (stop func()) {
	n.t.Helper()
	output := new(logs.Buffer)
	c.Stdout, c.Stderr = output, output
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // of a test that is killed
	n.Start(c)
	stop = sync.OnceFunc(func() {
		c.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(grace, func() { c.Process.Kill() })
		c.Wait()
		kill.Stop()
		if n.t.Failed() {
			n.t.Logf("%s:\n%s", c.Path, output)
		}
	})
	n.t.Cleanup(stop)
	return stop
}
