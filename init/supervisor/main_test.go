package supervisor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// self is the test binary. Unlike its path, the link can be executed by a user
// who may not enter the directory that holds it.
const self = "/proc/self/exe"

// TestMain makes the test binary what init is to its services, and the services.
func TestMain(m *testing.M) {
	ExecStage()
	if len(os.Args) > 1 && os.Args[1] == "service" {
		for _, step := range os.Args[2:] {
			perform(step)
		}
		exit(0)
	}
	os.Exit(m.Run())
}

// program returns the Argv of a service that performs steps one after the other.
func program(steps ...string) []string { return append([]string{self, "service"}, steps...) }

// perform does what a step of a service says. What it prints ends up in the
// journal.
func perform(step string) {
	verb, arg, _ := strings.Cut(step, ":")
	switch verb {
	case "notify":
		check(daemon.SdNotify(false, arg))
	case "print":
		fmt.Println(arg)
	case "print-part": // of a line
		fmt.Print(arg)
	case "pid":
		fmt.Println("pid", os.Getpid())
	case "environ":
		for _, v := range os.Environ() {
			fmt.Println("env", v)
		}
	case "open-files":
		entries, err := os.ReadDir("/proc/self/fd")
		check(true, err)
		for _, e := range entries {
			// What ReadDir had open is closed by now, and what the Go runtime
			// has opened is its own business.
			link, err := os.Readlink("/proc/self/fd/" + e.Name())
			if err == nil && !strings.HasPrefix(link, "anon_inode:") && !strings.HasPrefix(link, "/sys/fs/cgroup/") {
				kind, _, _ := strings.Cut(link, ":")
				fmt.Println("fd", e.Name(), kind)
			}
		}
	case "status":
		status, err := os.ReadFile("/proc/self/status")
		check(true, err)
		fmt.Print(string(status))
	case "watchdog":
		interval, err := daemon.SdWatchdogEnabled(false)
		check(true, err)
		fmt.Println("watchdog", interval)
	case "adjust":
		score, err := os.ReadFile("/proc/self/oom_score_adj")
		check(true, err)
		nice, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		check(true, err)
		fmt.Println("adjust", strings.TrimSpace(string(score)), 20-nice)
	case "ids":
		fmt.Println("session", unix.Getpid() == must(unix.Getsid(0)), "group", unix.Getpid() == unix.Getpgrp())
	case "ignore-term":
		signal.Ignore(syscall.SIGTERM)
	case "wait": // for SIGTERM
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		fmt.Println("waiting", os.Getpid())
		<-term
		fmt.Println("asked to end")
	case "hang": // in a way that the Go runtime does not take for a deadlock
		<-time.After(math.MaxInt64)
	case "exit":
		exit(must(strconv.Atoi(arg)))
	case "child": // performs a step in a child, and waits for it
		c := exec.Command(self, "service", arg)
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		check(true, c.Run())
	case "leave": // a child that hangs
		c := exec.Command(self, "service", "hang")
		c.Stdout = os.Stdout
		check(true, c.Start())
		fmt.Println("left", c.Process.Pid)
	case "leave-until-closed": // a child that ends with our standard input
		c := exec.Command(self, "service", "read")
		c.Stdin = os.Stdin
		check(true, c.Start())
		fmt.Println(c.Process.Pid)
	case "read":
		io.Copy(io.Discard, os.Stdin)
	case "serve": // answers each line on the first socket with its own pid
		listeners := must(activation.Listeners())
		for {
			conn, err := listeners[0].Accept()
			check(true, err)
			answer(conn, arg)
		}
	case "listeners":
		for name, listeners := range must(activation.ListenersWithNames()) {
			for _, l := range listeners {
				fmt.Println("listens", name, l.Addr().Network(), l.Addr())
			}
		}
	default:
		check(true, fmt.Errorf("no step %q", step))
	}
}

// answer echoes lines of a connection, and dies without an answer at one that
// says so.
func answer(conn net.Conn, greeting string) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if lines.Text() == "die" {
			unix.Kill(unix.Getpid(), unix.SIGKILL)
		}
		fmt.Fprintln(conn, greeting, lines.Text())
	}
}

// exit ends a service. os.Exit would take a second in a program built with the
// race detector.
func exit(code int) { syscall.Exit(code) }

func check(sent bool, err error) {
	if !sent {
		err = errors.New("there is no NOTIFY_SOCKET")
	}
	if err != nil {
		fmt.Println("service failed:", err)
		exit(99)
	}
}

func must[T any](v T, err error) T {
	check(true, err)
	return v
}

// sorted returns s in order.
func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }
