package supervisor

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"aes67os/init/api"
)

// service is a spec with the goroutine that keeps it running.
type service struct {
	spec     Spec
	options  Options
	changes  *broadcast
	first    *service // nil unless Spec.After names it
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
	if asked := s.hold(); asked == stop || asked == kill {
		s.enter(api.Stopped)
		return
	}
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

// hold waits for the service that goes first. It returns what was asked meanwhile.
func (s *service) hold() request {
	if s.first == nil {
		return none
	}
	timer := time.NewTimer(AfterPatience)
	defer timer.Stop()
	for {
		changed := s.changes.wait()
		if s.first.snapshot.Load().State == api.Running {
			return none
		}
		select {
		case <-changed:
		case <-timer.C:
			return none
		case asked := <-s.requests:
			return asked
		}
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
	s.state.PID = p.pid
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

// inWords writes 1500 ms as 1.5 s.
func inWords(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}
