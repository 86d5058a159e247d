package netns

import (
	"io"
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

// Itself executes this program once more, as a process that has nothing else to do than one thing
// and can do that before all others: policy and priority are those of chrt(1), and a variable
// in its environment tells it. In a test's process things wait for other goroutines and for
// the garbage collector, tens of milliseconds on a busy machine. It may inherit files, and
// is to end when its standard input does, at the end of the test.
func Itself(t T, variable, policy, priority string, files ...*os.File) (in io.Writer, out io.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("chrt", "--"+policy, priority, self)
	c.Env = append(os.Environ(), variable+"=1")
	c.Stderr, c.ExtraFiles = os.Stderr, files
	input, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if out, err = c.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		if err := c.Wait(); err != nil {
			t.Errorf("the process for %s: %v", variable, err)
		}
	})
	return input, out
}
