package supervisor

import (
	"fmt"
	"syscall"
	"time"

	"aes67os/init/api"
)

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
			if n.pid == l.process.pid {
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
