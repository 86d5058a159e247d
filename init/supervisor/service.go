package supervisor

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"aes67os/init/api"
)

// service is a spec with the goroutine that keeps it running.
type service struct {
	spec     Spec
	options  Options
	changes  *broadcast
	requests chan request
	// done is closed when the goroutine has ended, after which nothing of the
	// service is left.
	done chan struct{}
	// snapshot is what the goroutine last published.
	snapshot atomic.Pointer[snapshot]

	// The rest is the goroutine's own.
	state   api.Service
	outage  outage
	backoff backoff
	notify  *notifySocket
	sockets []*os.File
}

// snapshot is never changed once it is published.
type snapshot struct {
	api.Service
	outage outage
}

// request is what others ask of a service.
type request int

const (
	none    request = iota
	restart         // end it and start it at once
	stop            // end it for good
	kill            // likewise, without waiting for it
)

func newService(spec Spec, o Options, changes *broadcast) *service {
	s := &service{
		spec: spec, options: o, changes: changes,
		requests: make(chan request), done: make(chan struct{}),
		state: api.Service{Name: spec.Name, State: api.Starting, Since: time.Now()},
	}
	s.publish()
	return s
}

// ask hands over a request.
func (s *service) ask(ctx context.Context, r request) error {
	select {
	case s.requests <- r:
		return nil
	case <-s.done:
		return fmt.Errorf("%w: %s", ErrStopped, s.spec.Name)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitDone tells whether the service ended before ctx did.
func (s *service) waitDone(ctx context.Context) bool {
	select {
	case <-s.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// run is the life of the service, from start to stop.
func (s *service) run() {
	defer close(s.done)
	defer s.close()
	for {
		asked := s.runOnce()
		if asked == none {
			asked = s.rest()
		}
		if asked != restart {
			s.enter(api.Stopped)
			return
		}
		s.state.Restarts++
	}
}

// runOnce starts the process and stays with it to its end. It returns what the
// service was asked in this time.
func (s *service) runOnce() request {
	s.state.Status = ""
	p, err := s.start()
	if err != nil {
		s.state.LastExit = "could not be started: " + err.Error()
		return none
	}
	s.state.PID = p.pid()
	s.enter(api.Starting)
	l := newLife(s, p)
	end := l.attend()

	s.state.PID = 0
	s.state.LastExit = l.explain(end)
	if l.asked == none {
		return none
	}
	s.log(api.Info, s.state.LastExit+", as it was asked to end")
	if l.asked == restart {
		s.outage.begin(time.Now())
	}
	return l.asked
}

// rest waits before the next start. It returns restart, or stop when that was
// asked meanwhile.
func (s *service) rest() request {
	now := time.Now()
	delay := s.backoff.next(s.outage.ready(now))
	s.outage.begin(now)
	s.log(api.Warning, s.state.LastExit+", starting it again in "+inWords(delay))
	s.enter(api.Backoff)
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return restart
	case r := <-s.requests:
		return r
	}
}

// start opens what is not open yet and starts the process.
func (s *service) start() (*process, error) {
	if s.notify == nil {
		notify, err := openNotifySocket(s.options.RunDir, s.spec)
		if err != nil {
			return nil, err
		}
		s.notify = notify
	}
	for len(s.sockets) < len(s.spec.Listen) {
		socket, err := openSocket(s.spec.Listen[len(s.sockets)], s.spec.User)
		if err != nil {
			return nil, err
		}
		s.sockets = append(s.sockets, socket)
	}
	return startProcess(s.options, s.spec, s.sockets, s.notify.path)
}

// close lets go of the sockets.
func (s *service) close() {
	if s.notify != nil {
		s.notify.close()
	}
	for i, socket := range s.sockets {
		socket.Close()
		if s.spec.Listen[i].Network == "unix" {
			os.Remove(s.spec.Listen[i].Address)
		}
	}
}

// enter changes the state and publishes it.
func (s *service) enter(state api.ServiceState) {
	s.state.State, s.state.Since = state, time.Now()
	s.publish()
}

func (s *service) publish() {
	s.snapshot.Store(&snapshot{Service: s.state, outage: s.outage})
	s.changes.tell()
}

// log appends a sentence about the service to init's log.
func (s *service) log(severity api.Severity, predicate string) {
	s.options.Journal.Append("init", severity, s.spec.Name+" "+predicate)
}

// life is what goes on between the start of a process and its end.
type life struct {
	*service
	process *process
	// timer fires at deadline, when what is awaited has not come.
	timer    *time.Timer
	deadline time.Time
	awaited  awaited
	// asked is the request that ends this life, none as long as it goes on.
	asked request
	// cause is why the supervisor itself ends this life; empty if it does not.
	cause string
	errno syscall.Errno
}

// awaited is what has to happen until the deadline.
type awaited int

const (
	nothing awaited = iota
	readiness
	ping // of the watchdog
	end  // of the process
)

func newLife(s *service, p *process) *life {
	l := &life{service: s, process: p, timer: time.NewTimer(s.spec.StartTimeout)}
	l.await(readiness, s.spec.StartTimeout)
	return l
}

func (l *life) await(what awaited, within time.Duration) {
	l.awaited = what
	l.deadline = time.Now().Add(within)
	l.timer.Reset(within)
}

func (l *life) awaitNothing() {
	l.awaited = nothing
	l.timer.Stop()
}

// attend does what the service says, what others ask and what time demands,
// until the process has ended.
func (l *life) attend() ending {
	defer l.timer.Stop()
	for {
		select {
		case e := <-l.process.ended:
			return e
		case n := <-l.notify.messages:
			// Only the main process speaks for the service. This also leaves
			// out the last words of the process before.
			if n.pid == l.process.pid() {
				l.hear(n)
			}
		case r := <-l.requests:
			l.obey(r)
		case <-l.timer.C:
			l.expire()
		}
	}
}

func (l *life) hear(n notification) {
	if n.errno != 0 {
		l.errno = n.errno
	}
	if n.extend > 0 && (l.awaited == readiness || l.awaited == end) {
		if until := time.Now().Add(n.extend); until.After(l.deadline) {
			l.await(l.awaited, n.extend)
		}
	}
	if n.status != nil && *n.status != l.state.Status {
		l.state.Status = *n.status
		l.publish()
	}
	if n.ready && l.awaited == readiness {
		l.watch()
		l.outage.end(time.Now())
		l.log(api.Info, "is ready")
		l.enter(api.Running)
	}
	if l.awaited == ping {
		switch {
		case n.watchdogTrigger:
			l.abort("said itself that it does not work any more (WATCHDOG=trigger)")
		case n.watchdogPing:
			l.watch()
		}
	}
	if n.stopping && l.awaited != end {
		l.await(end, l.spec.StopTimeout)
		l.enter(api.Stopping)
	}
}

// watch starts the time of the watchdog anew, if there is one.
func (l *life) watch() {
	if l.spec.Watchdog > 0 {
		l.await(ping, l.spec.Watchdog)
	} else {
		l.awaitNothing()
	}
}

func (l *life) obey(r request) {
	switch {
	case r == kill:
		l.asked = stop
		l.kill()
	case l.asked == none:
		l.asked = r
		l.terminate()
	case r == stop:
		l.asked = stop // it was to start again
	}
}

func (l *life) expire() {
	switch l.awaited {
	case readiness:
		l.cause = "did not say it was ready within " + inWords(l.spec.StartTimeout)
		l.log(api.Error, l.cause+", ending it")
		l.terminate()
	case ping:
		l.abort("missed its watchdog of " + inWords(l.spec.Watchdog))
	case end:
		l.log(api.Error, "did not end within "+inWords(l.spec.StopTimeout)+", killing it")
		l.kill()
	}
}

// abort ends a service that does not work any more. SIGABRT lets it say where it
// hangs: Go programs print the stacks of their goroutines.
func (l *life) abort(cause string) {
	l.cause = cause
	l.log(api.Error, cause+", ending it")
	l.endBy(syscall.SIGABRT)
}

func (l *life) terminate() { l.endBy(syscall.SIGTERM) }

func (l *life) endBy(s syscall.Signal) {
	l.process.signal(s)
	l.await(end, l.spec.StopTimeout)
	l.enter(api.Stopping)
}

func (l *life) kill() {
	l.process.signal(syscall.SIGKILL)
	l.awaitNothing()
}

// explain says how this life ended, and why when it is known.
func (l *life) explain(e ending) string {
	words := e.String()
	if l.errno != 0 {
		words += fmt.Sprintf(" (error %d, %s)", int(l.errno), l.errno)
	}
	if l.cause != "" {
		words = l.cause + " and " + words
	}
	return words
}

// inWords writes 1500 ms as 1.5 s.
func inWords(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}
