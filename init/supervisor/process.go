package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"aes67os/init/api"
	"aes67os/init/journal"
)

// outputPatience is how long to read on from a dead service's output when
// something that has left its process group still holds it open.
const outputPatience = time.Second

// process is one life of a service.
type process struct {
	pid int
	// signal tells the main process. If that has ended, even if its id is
	// another's by now, nothing happens.
	signal func(syscall.Signal)
	// ended gets how it ended, once.
	ended chan ending
}

// startProcess starts the stage that becomes the service.
func startProcess(o Options, spec Spec, sockets []*os.File, notify string) (*process, error) {
	s := stage{
		Argv: spec.Argv, Dir: spec.Dir, User: spec.User, Watchdog: spec.Watchdog,
		OOMScoreAdjust: spec.OOMScoreAdjust, Nice: spec.Nice,
	}
	for _, socket := range spec.Listen {
		s.Sockets = append(s.Sockets, socket.Name)
	}
	arg, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	report, reportWriter, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	// One writer for both streams makes them one pipe, which keeps their lines in
	// order.
	output := o.Journal.Writer(spec.Name, api.Info)
	cmd := &exec.Cmd{
		Path:        o.Executable,
		Args:        []string{stageName, string(arg)},
		Env:         append(spec.Env[:len(spec.Env):len(spec.Env)], "NOTIFY_SOCKET="+notify),
		Stdout:      output,
		Stderr:      output,
		ExtraFiles:  append(sockets[:len(sockets):len(sockets)], reportWriter),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
		WaitDelay:   outputPatience,
	}
	err = cmd.Start()
	reportWriter.Close()
	if err != nil {
		report.Close()
		return nil, err
	}
	p := &process{
		pid:    cmd.Process.Pid,
		signal: func(s syscall.Signal) { cmd.Process.Signal(s) },
		ended:  make(chan ending, 1),
	}
	go func() { p.ended <- waitFor(cmd, report, output) }()
	return p, nil
}

// waitFor waits for the main process, kills what it left behind, and returns when
// all it has written is in the journal.
func waitFor(cmd *exec.Cmd, report io.ReadCloser, output io.Closer) ending {
	defer report.Close()
	pid := cmd.Process.Pid
	// First only look. As long as the process is a zombie its id, which is its
	// group's too, cannot be given to another.
	err := error(unix.EINTR)
	for errors.Is(err, unix.EINTR) {
		err = unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
	if err == nil {
		unix.Kill(-pid, unix.SIGKILL)
	}
	cmd.Wait() // what it says is in ProcessState too
	output.Close()
	// All who could write to it are gone.
	reason, _ := io.ReadAll(report)
	return ending{failure: journal.Clean(string(reason)), state: cmd.ProcessState}
}

// ending is how a process ended.
type ending struct {
	// failure says why the program could not be executed; empty if it was.
	failure string
	// state is nil if somebody else has taken it.
	state *os.ProcessState
}

// String says it in words that follow the name of the service.
func (e ending) String() string {
	if e.failure != "" {
		return "could not be started: " + e.failure
	}
	if e.state == nil {
		return "ended, nobody knows how"
	}
	status := e.state.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled():
		return fmt.Sprintf("was killed by signal %d (%s)", status.Signal(), status.Signal())
	default:
		return fmt.Sprintf("ended with exit code %d", status.ExitStatus())
	}
}
