package process

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// connFD is where the engine finds its end of the connection: after the standard three.
const connFD = 3

// grace is how long an engine may take to end.
const grace = 5 * time.Second

// Start starts command as an engine, which has to call [Connect]. What it writes to
// standard error comes to log.
func Start(command *exec.Cmd, log *slog.Logger) (Engine, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Engine{}, fmt.Errorf("make a connection: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "engine")
	defer theirs.Close()
	conn, err := fileConn(pair[0])
	if err != nil {
		return Engine{}, err
	}
	command.ExtraFiles = []*os.File{theirs}
	lines := newRelay(log)
	command.Stderr = lines
	if err := command.Start(); err != nil {
		conn.Close()
		return Engine{}, err
	}
	return Engine{Conn: conn, Wait: func() error {
		late := time.AfterFunc(grace, func() {
			log.Error("the audio engine does not end, killing it", "pid", command.Process.Pid)
			_ = command.Process.Kill() // it may have ended just now
		})
		defer late.Stop()
		err := command.Wait()
		lines.end()
		return err
	}}, nil
}

// Connect returns the engine's end of the connection.
func Connect() (net.Conn, error) {
	conn, err := fileConn(connFD)
	if err != nil {
		return nil, fmt.Errorf("%w: the engine is started by aes67d, not by people", err)
	}
	return conn, nil
}

// fileConn makes a connection of a file descriptor, which is used up.
func fileConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "connection")
	if f == nil {
		return nil, errors.New("there is no connection")
	}
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("there is no connection: %w", err)
	}
	return conn, nil
}
