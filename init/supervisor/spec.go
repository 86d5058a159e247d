package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// Timeouts used where a Spec has none.
const (
	DefaultStartTimeout = 30 * time.Second
	DefaultStopTimeout  = 5 * time.Second
)

// Spec is a service to be run.
type Spec struct {
	// Name is what people call it. It names a file, and so has no slash.
	Name string
	// Argv is the program, by its absolute path, and its arguments.
	Argv []string
	// Env is the whole environment besides the protocol's variables
	// (NOTIFY_SOCKET, WATCHDOG_*, LISTEN_*); nothing of init's own is passed on.
	Env []string
	// Dir is the working directory, entered as User; empty is init's.
	Dir string
	// User is whom it runs as; nil is root with all its rights.
	User *User
	// Listen are the sockets it is handed, from descriptor 3 on in this order.
	Listen []Socket
	// Watchdog is within what time the service has to say WATCHDOG=1, from
	// READY=1 on; 0 is no watchdog.
	Watchdog time.Duration
	// StartTimeout is within what time it has to say READY=1; 0 is
	// DefaultStartTimeout.
	StartTimeout time.Duration
	// StopTimeout is how long after SIGTERM (or, with a missed watchdog,
	// SIGABRT) it is killed; 0 is DefaultStopTimeout.
	StopTimeout time.Duration
	// After names a service, started before this one, that goes first: this one is started when
	// it is ready, or after AfterPatience. Later starts do not wait.
	After string
	// OOMScoreAdjust is from -1000 (never chosen when memory runs out) to 1000;
	// 0 leaves init's (proc_pid_oom_score_adj(5)).
	OOMScoreAdjust int
	// Nice is added to init's, from -20 to 19.
	Nice int
}

// AfterPatience is how long a service waits for the one that goes first.
const AfterPatience = 2 * time.Second

// User is what a service may do. It has no rights but those named: its bounding
// set of capabilities holds no others, and it can gain none by execve
// (no_new_privs, prctl(2)).
type User struct {
	UID, GID uint32
	// Groups are the supplementary groups.
	Groups []uint32
	// Capabilities are CAP_* of golang.org/x/sys/unix, held as ambient ones
	// (capabilities(7)).
	Capabilities []uintptr
}

// Socket is a listening socket.
type Socket struct {
	// Name tells the service which one it is (sd_listen_fds_with_names(3)).
	Name string
	// Network is "tcp", "tcp4", "tcp6" or "unix".
	Network string
	// Address is as in net.Listen. A socket file left over there is replaced.
	Address string
	// Mode is the permissions of a socket file, whose owner is the service's
	// user; 0 is 0666.
	Mode fs.FileMode
}

// complete checks the spec and fills in what is left to defaults.
func (s *Spec) complete() error {
	switch {
	case s.Name == "" || strings.ContainsAny(s.Name, "/\x00"):
		return errors.New("its name is empty or has a slash")
	case len(s.Argv) == 0 || !filepath.IsAbs(s.Argv[0]):
		return errors.New("argv[0] is to be an absolute path")
	case s.Watchdog < 0 || s.StartTimeout < 0 || s.StopTimeout < 0:
		return errors.New("a time is negative")
	}
	for _, socket := range s.Listen {
		if socket.Name == "" || strings.ContainsAny(socket.Name, ":\x00") {
			return fmt.Errorf("socket on %s: its name is empty or has a colon", socket.Address)
		}
	}
	if s.StartTimeout == 0 {
		s.StartTimeout = DefaultStartTimeout
	}
	if s.StopTimeout == 0 {
		s.StopTimeout = DefaultStopTimeout
	}
	return nil
}
