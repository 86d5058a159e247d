// Package supervisor starts services, keeps them running and stops them. It is
// the service manager's side of systemd's protocols, so that programs written
// for systemd with any sd_notify library run under init unchanged:
//
//	sd_notify(3)           READY=1, STATUS=, STOPPING=1, ERRNO=, EXTEND_TIMEOUT_USEC=
//	sd_watchdog_enabled(3) WATCHDOG=1, WATCHDOG=trigger, within Spec.Watchdog
//	sd_listen_fds(3)       sockets opened here and handed over from descriptor 3 on
//
// Each service has one goroutine, which alone owns its state: it starts the
// process, hears what it says, waits for its end, waits a while and starts it
// again. Everybody else reads the snapshot it publishes at every change, or
// sends it a request. There are no locks around a service.
//
// A service's sockets are opened once and live as long as the supervisor, so
// connections made while the service is being started again wait in the
// kernel's queue instead of being refused.
//
// A process is started in two steps, because LISTEN_PID and WATCHDOG_PID must
// hold its own process id, which nobody knows before it exists. The supervisor
// starts its own executable anew; there ExecStage sets these variables, gives up
// what the service must not have (user, groups, capabilities), and becomes the
// service by execve. Descriptors and process id stay the same over that.
//
// Every service leads a session and process group of its own. At its end,
// whatever is left of the group is killed before the service is started again.
// There is no parent-death signal: as process 1 init cannot die and leave its
// children behind, and the signal would follow the thread that started the
// child, which the Go runtime may end at any time.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"aes67os/init/api"
	"aes67os/init/journal"
)

// DefaultRunDir is where notification sockets are when Options has no RunDir.
const DefaultRunDir = "/run/notify"

// Options are what all services share.
type Options struct {
	// Journal gets the services' output, and as "init" what the supervisor has
	// to say of them.
	Journal *journal.Journal
	// RunDir is the directory of the notification sockets; it is made if
	// missing. Empty is DefaultRunDir.
	RunDir string
	// Executable is the program whose main calls ExecStage first. Empty is this
	// one.
	Executable string
}

// Supervisor runs services. It is safe for concurrent use.
type Supervisor struct {
	services []*service
	changes  *broadcast
}

// ErrUnknown is returned for a service that was not among those started.
var ErrUnknown = errors.New("no such service")

// ErrStopped is returned when a service has been stopped for good.
var ErrStopped = errors.New("the service has been stopped")

// Start starts all services, each without waiting for those before it but that of After. Its error
// is about what the specs say; a service that cannot be started is logged and
// tried again.
func Start(o Options, specs ...Spec) (*Supervisor, error) {
	if o.RunDir == "" {
		o.RunDir = DefaultRunDir
	}
	if o.Executable == "" {
		o.Executable = "/proc/self/exe"
	}
	if err := os.MkdirAll(o.RunDir, 0o755); err != nil {
		return nil, fmt.Errorf("directory of the notification sockets: %w", err)
	}
	s := &Supervisor{changes: newBroadcast()}
	for _, spec := range specs {
		if err := spec.complete(); err != nil {
			return nil, fmt.Errorf("service %q: %w", spec.Name, err)
		}
		if _, err := s.service(spec.Name); err == nil {
			return nil, fmt.Errorf("service %q: there are two of that name", spec.Name)
		}
		added := newService(spec, o, s.changes)
		if spec.After != "" {
			first, err := s.service(spec.After)
			if err != nil {
				return nil, fmt.Errorf("service %q: to be started after another: %w", spec.Name, err)
			}
			added.first = first
		}
		s.services = append(s.services, added)
	}
	for _, service := range s.services {
		go service.run()
	}
	return s, nil
}

func (s *Supervisor) service(name string) (*service, error) {
	for _, service := range s.services {
		if service.spec.Name == name {
			return service, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknown, name)
}

// Services returns how every service is, in the order of their specs.
func (s *Supervisor) Services() []api.Service {
	all := []api.Service{}
	for _, service := range s.services {
		state := service.snapshot.Load().Service
		if state.PID != 0 {
			state.RSS = residentSize(state.PID)
		}
		all = append(all, state)
	}
	return all
}

// Changed returns a channel that is closed at the next change of any service.
// Take it before looking at what may change.
func (s *Supervisor) Changed() <-chan struct{} { return s.changes.wait() }

// Ready tells whether every service is ready, and since when they all are.
func (s *Supervisor) Ready() (since time.Time, ready bool) {
	for _, service := range s.services {
		state := service.snapshot.Load()
		if state.State != api.Running {
			return time.Time{}, false
		}
		if state.Since.After(since) {
			since = state.Since
		}
	}
	return since, true
}

// WaitReady waits until every service is ready at the same time. Its error is
// that of ctx.
func (s *Supervisor) WaitReady(ctx context.Context) error {
	for {
		changed := s.Changed()
		if _, ready := s.Ready(); ready {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Healthy tells whether the services do well enough to go on. A service does
// while it is ready, in its first start, or stopped on purpose; otherwise until
// it has been away for MaxOutage in all, where being ready for Settled makes up
// for everything before.
func (s *Supervisor) Healthy() bool { return s.healthy(time.Now()) }

func (s *Supervisor) healthy(now time.Time) bool {
	return !slices.ContainsFunc(s.services, func(service *service) bool {
		return service.snapshot.Load().outage.sum(now) > MaxOutage
	})
}

// Restart ends a service in good order and starts it again, at once if it is
// waiting to be started. It returns when the service has begun with that. Its
// error is ErrUnknown, ErrStopped, or that of ctx.
func (s *Supervisor) Restart(ctx context.Context, name string) error {
	service, err := s.service(name)
	if err != nil {
		return err
	}
	return service.ask(ctx, restart)
}

// killPatience is how long Stop waits for what it has killed. A process that
// takes longer hangs in a driver, and nothing will end it.
const killPatience = 2 * time.Second

// Stop ends the services one after the other, the last started first, and closes
// their sockets. When ctx ends, those still there are killed. The error names
// services that not even that has ended; else it is nil, and nothing is left.
func (s *Supervisor) Stop(ctx context.Context) error {
	for _, service := range slices.Backward(s.services) {
		// An error means that it is stopped, or will be killed below.
		if service.ask(ctx, stop) == nil {
			service.waitDone(ctx)
		}
	}
	killed, cancel := context.WithTimeout(context.WithoutCancel(ctx), killPatience)
	defer cancel()
	for _, service := range s.services {
		service.ask(killed, kill)
	}
	var left error
	for _, service := range s.services {
		if !service.waitDone(killed) {
			left = errors.Join(left, fmt.Errorf("service %s is still there after it was killed", service.spec.Name))
		}
	}
	return left
}

// residentSize returns the resident memory of a process in bytes, 0 when it is
// gone (proc_pid_statm(5): the second number, in pages).
func residentSize(pid int) uint64 {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// broadcast tells any number of waiters that something has changed.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func newBroadcast() *broadcast { return &broadcast{ch: make(chan struct{})} }

func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *broadcast) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}
