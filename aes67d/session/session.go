// Package session holds the streams: which sources and sinks there are, what the
// driver is told of them, and what others are.
//
// What users asked for, a [Source] or a [Sink], is kept apart from what follows of it:
// the driver's streams, the SDP, the multicast memberships. The latter also depend on
// the network's addresses, the sample rate, the grandmaster, and on whether the driver
// is there at all. Whenever one of these changes, everything is derived anew and the
// driver is brought from what it has to what it should have; a stream for which
// nothing has changed is not touched. So what was asked for is never lost, even if it
// cannot be done for a while: a source without network or driver waits.
//
// Changes happen one after the other, for a driver's command can take seconds. Reading
// never waits: it looks at the last [state], which does not change once it is made.
//
// Every change is on disk before the call that asked for it returns. Calls that end
// while the disk is busy share the next write.
package session

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"aes67os/aes67d/multicast"
	"aes67os/driver"
)

// Options are what a [Manager] works with.
type Options struct {
	Driver driver.Driver
	// StatusFile keeps the streams; empty keeps them nowhere.
	StatusFile string
	// Fetch gets a description from an http or rtsp URL.
	Fetch func(ctx context.Context, url string) (string, error)
	// Resolve finds the MAC address behind which a host is, on the interface with
	// this index.
	Resolve func(ctx context.Context, interfaceIndex int, host netip.Addr) (net.HardwareAddr, error)
	// Announce is given all sources that are being sent, whenever one has changed. It
	// must return quickly.
	Announce func([]Announcement)
	// Join is given all multicast groups to be received, whenever one has changed.
	Join func([]multicast.Membership)
	// Changed is told what has changed. It must return quickly.
	Changed func(Change)
	Log     *slog.Logger
}

// Change is something others may want to look at anew.
type Change string

// What can change.
const (
	SourcesChanged Change = "sources"
	SinksChanged   Change = "sinks"
	PTPChanged     Change = "ptp"
	DriverChanged  Change = "driver"
)

// Manager keeps the streams. Its methods are safe for concurrent use.
type Manager struct {
	Options
	current atomic.Pointer[state]
	// turn is held by who changes the state; a channel, so that waiting can be given up.
	turn chan struct{}

	// events brings what the driver has told.
	events inbox
	// restart tells Run that the driver needs another configuration.
	restart chan struct{}
	// scripts brings the clock's state for the user's script, the newest only.
	scripts chan script

	texts texts
	saver saver
}

// state is everything there is at one moment. It is not changed once it is current.
type state struct {
	serial   uint64
	settings Settings
	// available tells that the driver works; otherwise problem tells why not.
	available bool
	problem   error
	// epoch counts how often the driver has become available: streams of another
	// epoch are gone.
	epoch uint64
	ptp   driver.PTPStatus
	// rate is what the driver runs at, in Hz.
	rate    uint32
	sources slots[source]
	sinks   slots[sink]
	// version is the highest that any SDP of ours has had in its o= line.
	version uint64
	// loaded tells that sources are as the status file has them.
	loaded bool
}

// New returns a manager with the streams of the status file. They wait for Configure
// and Run. A file that is damaged is set aside.
func New(o Options) *Manager {
	m := &Manager{
		Options: o,
		turn:    make(chan struct{}, 1),
		restart: make(chan struct{}, 1),
		scripts: make(chan script, 1),
	}
	m.events.wake = make(chan struct{}, 1)
	m.saver.done.L = &m.saver.mu
	m.current.Store(m.load())
	return m
}

// again is how long to wait before what failed is tried again.
const again = 10 * time.Second

// Run drives the driver until ctx ends.
func (m *Manager) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { m.runDriver(ctx) })
	running.Go(func() { m.runScripts(ctx) })

	var retry <-chan time.Time // nil while there is nothing to try again
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.events.wake:
			m.follow(ctx, false)
		case <-retry:
			retry = nil
			m.follow(ctx, true)
		}
		switch troubled := m.current.Load().troubled(); {
		case !troubled:
			retry = nil
		case retry == nil:
			retry = time.After(again)
		}
	}
}

// change makes the next state with f, one call at a time. What f has brought next to
// becomes current even if f fails, since the driver may have been told already.
func (m *Manager) change(ctx context.Context, f func(ctx context.Context, next *state) error) error {
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// From here on the caller may go away, but not leave half of a change behind.
	ctx = context.WithoutCancel(ctx)
	before := m.current.Load()
	next := *before
	next.serial++
	err := f(ctx, &next)
	m.current.Store(&next)
	m.tell(before, &next)
	return err
}

// tell passes on what differs between two states.
func (m *Manager) tell(before, now *state) {
	sources, sinks := before.sources != now.sources, before.sinks != now.sinks
	settings := !reflect.DeepEqual(before.settings, now.settings)
	works := before.available != now.available || before.epoch != now.epoch
	if sources || settings || works {
		m.Announce(now.announcements())
	}
	if sinks || settings {
		m.Join(now.memberships())
	}
	if sources {
		m.Changed(SourcesChanged)
	}
	if sinks {
		m.Changed(SinksChanged)
	}
	if before.ptp != now.ptp || before.settings.Driver.PTP != now.settings.Driver.PTP {
		m.Changed(PTPChanged)
	}
	if works || before.rate != now.rate || before.reason() != now.reason() {
		m.Changed(DriverChanged)
	}
}

// Sources lists the sources by id.
func (m *Manager) Sources() []Source { return m.current.Load().listSources() }

// Sinks lists the sinks by id.
func (m *Manager) Sinks() []Sink { return m.current.Load().listSinks() }

// PTPStatus is the state of the media clock.
func (m *Manager) PTPStatus() driver.PTPStatus { return m.current.Load().ptp }

// PTPConfig is the PTP network in use.
func (m *Manager) PTPConfig() driver.PTPConfig { return m.current.Load().settings.Driver.PTP }

// DriverState tells the driver's name, and why it does not work, nil if it does.
func (m *Manager) DriverState() (name string, problem error) {
	st := m.current.Load()
	if st.available {
		return m.Driver.Name(), nil
	}
	return m.Driver.Name(), st.waiting()
}

// reason is why the driver does not work, in words.
func (st *state) reason() string {
	if st.problem == nil {
		return ""
	}
	return st.problem.Error()
}
