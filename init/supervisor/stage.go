package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// stageName is argv[0] of the stage. An argument would do as well, but the
	// boot loader can pass arguments to init; argv[0] it cannot choose.
	stageName = "exec-service"
	// firstSocket is SD_LISTEN_FDS_START.
	firstSocket = 3
	// stageFailed is the exit code when the program could not be executed;
	// systemd's EXIT_EXEC.
	stageFailed = 203
)

// stage is what the supervisor tells ExecStage, as JSON in argv[1].
type stage struct {
	Argv []string
	Dir  string
	User *User
	// Sockets are the names of those handed over. The descriptor after the last
	// is for the reason why the program cannot be executed.
	Sockets        []string
	Watchdog       time.Duration
	OOMScoreAdjust int
	Nice           int
}

// ExecStage turns this process into a service if the supervisor started it for
// that; it then does not return. Otherwise it does nothing. It has to be the
// first thing in main of the program that calls Start.
func ExecStage() {
	if len(os.Args) != 2 || os.Args[0] != stageName {
		return
	}
	var s stage
	if err := json.Unmarshal([]byte(os.Args[1]), &s); err != nil {
		fmt.Fprintln(os.Stderr, "arguments of the stage before a service:", err)
		os.Exit(stageFailed)
	}
	reportFD := firstSocket + len(s.Sockets)
	// Nothing else that happens to be open gets to the service, the report
	// included.
	if err := unix.CloseRange(uint(reportFD), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		fmt.Fprintln(os.Stderr, "close what is not the service's:", err)
		os.Exit(stageFailed)
	}
	report := os.NewFile(uintptr(reportFD), "report")
	fmt.Fprint(report, s.exec())
	os.Exit(stageFailed)
}

// exec does what cannot be done from outside, in an order where each step still
// has the rights it needs, and executes the program. It returns only an error.
func (s *stage) exec() error {
	// Capabilities and nice value belong to threads, and execve keeps those of
	// the thread which calls it.
	runtime.LockOSThread()

	if s.OOMScoreAdjust != 0 {
		if err := os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(s.OOMScoreAdjust)), 0); err != nil {
			return err
		}
	}
	if s.Nice != 0 {
		if err := addNice(s.Nice); err != nil {
			return fmt.Errorf("set nice value: %w", err)
		}
	}
	if s.User != nil {
		if err := s.User.become(); err != nil {
			return err
		}
	}
	if s.Dir != "" {
		if err := os.Chdir(s.Dir); err != nil {
			return err
		}
	}
	err := syscall.Exec(s.Argv[0], s.Argv, s.environ(os.Environ(), os.Getpid()))
	return fmt.Errorf("execute %s: %w", s.Argv[0], err)
}

// environ adds the variables that need the service's own process id.
func (s *stage) environ(env []string, pid int) []string {
	if len(s.Sockets) > 0 {
		env = append(env,
			fmt.Sprintf("LISTEN_PID=%d", pid),
			fmt.Sprintf("LISTEN_FDS=%d", len(s.Sockets)),
			"LISTEN_FDNAMES="+strings.Join(s.Sockets, ":"))
	}
	if s.Watchdog > 0 {
		env = append(env,
			fmt.Sprintf("WATCHDOG_PID=%d", pid),
			fmt.Sprintf("WATCHDOG_USEC=%d", s.Watchdog.Microseconds()))
	}
	return env
}

func addNice(n int) error {
	// The system call returns 20 minus the nice value, which is never negative.
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return err
	}
	return unix.Setpriority(unix.PRIO_PROCESS, 0, 20-raw+n)
}

// become makes the calling thread the user's, with the named capabilities and
// no way to get others.
func (u *User) become() error {
	// The bounding set first: dropping from it needs a right of root.
	for c := uintptr(0); ; c++ {
		if slices.Contains(u.Capabilities, c) {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			break // beyond the last the kernel knows
		}
		if err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	// Without this the change of user would lose the permitted set.
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep capabilities: %w", err)
	}
	if err := u.setIDs(); err != nil {
		return err
	}
	if err := u.setCapabilities(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	return nil
}

func (u *User) setIDs() error {
	groups := make([]int, len(u.Groups))
	for i, group := range u.Groups {
		groups[i] = int(group)
	}
	if err := unix.Setgroups(groups); err != nil {
		return fmt.Errorf("set supplementary groups: %w", err)
	}
	gid, uid := int(u.GID), int(u.UID)
	if err := unix.Setresgid(gid, gid, gid); err != nil {
		return fmt.Errorf("set group: %w", err)
	}
	if err := unix.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("set user: %w", err)
	}
	return nil
}

// setCapabilities makes the named capabilities, and no others, those of the
// thread and of what it executes.
func (u *User) setCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	for _, c := range u.Capabilities {
		if c >= 64 {
			return fmt.Errorf("there is no capability %d", c)
		}
		sets[c/32].Permitted |= 1 << (c % 32)
		sets[c/32].Effective |= 1 << (c % 32)
		sets[c/32].Inheritable |= 1 << (c % 32)
	}
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return fmt.Errorf("set capabilities: %w", err)
	}
	for _, c := range u.Capabilities {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c, 0, 0); err != nil {
			return fmt.Errorf("make capability %d ambient: %w", c, err)
		}
	}
	return nil
}
