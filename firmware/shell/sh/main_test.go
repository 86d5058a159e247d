package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test program be the shell, on a terminal that a test made.
func TestMain(m *testing.M) {
	if os.Getenv("BE_SH") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestInteractive types at a shell on a pseudo terminal. Each step types something
// and reads until the terminal shows what is wanted.
func TestInteractive(t *testing.T) {
	master, slave := openTerminal(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sh := exec.CommandContext(t.Context(), exe)
	sh.Dir = "/"
	sh.Env = append(os.Environ(), "BE_SH=1")
	sh.Stdin, sh.Stdout, sh.Stderr = slave, slave, slave
	sh.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()

	// Only that a failure is told with what was seen.
	if err := master.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(master)
	for _, step := range []struct{ name, keys, want string }{
		{"prompt", "", "/ # "},
		{"command", "echo a$((1+1))b\r", "\na2b\r\n/ # "},
		{"edited", "echo wrongX\x7f\x15echo right$((2+2))\r", "\nright4\r\n/ # "},
		{"history", "\x1b[A\r", "\nright4\r\n/ # "},
		{"directory", "cd /proc/self\r", "/proc/self # "},
		{"two lines at once", "cd /; echo x$((1))\recho y$((1))\r", "\ny1\r\n/ # "},
		{"continued", "echo 'begun\r", "\n> "},
		{"continued to its end", "ended'$((3))\r", "\nended3\r\n/ # "},
		{"not a program", "echo )\r", "encountered )\r\n/ # "},
		{"survives it", "echo z$((1))\r", "\nz1\r\n/ # "},
		{"line given up", "echo no\x03", "^C\r\n/ # "},
		{"and forgotten", "echo yes$((1))\r", "\nyes1\r\n/ # "},
		{"runs long", "echo begun; while true; do true; done\r", "\nbegun\r\n"},
		{"interrupted", "\x03", "/ # "},
		{"program runs long", "echo begun; sleep 1000\r", "\nbegun\r\n"},
		{"program interrupted", "\x03", "/ # "},
		{"status", "false; echo s$?\r", "\ns1\r\n/ # "},
	} {
		if _, err := master.WriteString(step.keys); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if seen, err := readUntil(out, step.want); err != nil {
			t.Fatalf("%s: %v after %q, want %q", step.name, err, seen, step.want)
		}
	}
	if _, err := master.WriteString("exit 3\r"); err != nil {
		t.Fatal(err)
	}
	// Its last words must be read for it to end.
	for err == nil {
		_, err = out.ReadByte()
	}
	if err := sh.Wait(); err == nil || sh.ProcessState.ExitCode() != 3 {
		t.Errorf("exit 3 = %v", err)
	}
}

func readUntil(r *bufio.Reader, want string) (string, error) {
	var seen strings.Builder
	for !strings.HasSuffix(seen.String(), want) {
		b, err := r.ReadByte()
		if err != nil {
			return seen.String(), err
		}
		seen.WriteByte(b)
	}
	return seen.String(), nil
}

// openTerminal makes a pseudo terminal, pty(7).
func openTerminal(t *testing.T) (master, slave *os.File) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	// Not by Fd, which would make reading wait without a deadline.
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var errLock, errNumber error
	err = raw.Control(func(fd uintptr) {
		errLock = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		n, errNumber = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
	})
	if err := errors.Join(err, errLock, errNumber); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}
