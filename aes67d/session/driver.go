package session

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"aes67os/driver"
)

// inbox keeps what the driver tells until the manager gets to it. Of each thing only the
// newest counts; that streams are gone is never forgotten.
type inbox struct {
	wake chan struct{}

	mu        sync.Mutex
	epoch     uint64
	available bool
	problem   error
	ptp       driver.PTPStatus
	rate      uint32 // 0 if nobody has changed it
}

// put takes an event in. It is called by the driver and does not block.
func (i *inbox) put(e driver.Event) {
	i.mu.Lock()
	switch e := e.(type) {
	case driver.Available:
		i.epoch++
		i.available, i.problem = true, nil
	case driver.Unavailable:
		i.available, i.problem = false, e.Err
		i.ptp = driver.PTPStatus{}
	case driver.PTPStatus:
		i.ptp = e
	case driver.SampleRate:
		i.rate = uint32(e)
	}
	i.mu.Unlock()
	poke(i.wake)
}

// poke wakes whoever waits for the channel, now or later.
func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// news tells in what a state is not up to date. Figures of the clock, which change every
// second, are no news.
type news struct{ driver, rate, lock, grandmaster bool }

// streams tells whether streams, or their SDP, depend on it.
func (n news) streams() bool { return n.driver || n.rate || n.grandmaster }

// news compares st with the events.
func (i *inbox) news(st *state) news {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.compare(st)
}

// compare is called with mu held.
func (i *inbox) compare(st *state) news {
	return news{
		driver:      st.available != i.available || st.epoch != i.epoch,
		rate:        i.rate != 0 && st.rate != i.rate,
		lock:        st.ptp.Lock != i.ptp.Lock,
		grandmaster: st.ptp.Grandmaster != i.ptp.Grandmaster,
	}
}

// into brings st up to date with the events and tells what was new.
func (i *inbox) into(st *state) news {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := i.compare(st)
	st.epoch, st.available, st.problem, st.ptp = i.epoch, i.available, i.problem, i.ptp
	if i.rate != 0 {
		st.rate, i.rate = i.rate, 0
	}
	return n
}

// follow takes in what the driver has told and does what follows. With retry it also tries
// again what could not be done before.
func (m *Manager) follow(ctx context.Context, retry bool) {
	var found map[host]*whereabouts
	if st := m.current.Load(); retry || m.events.news(st).streams() {
		found = m.look(ctx, st.settings, st.sources[:]...)
	}
	var n news
	err := m.change(ctx, func(ctx context.Context, next *state) error {
		n = m.events.into(next)
		if n.driver {
			m.logDriver(next)
		}
		if n.rate {
			m.Log.Info("the audio driver has another sample rate", "hz", next.rate)
		}
		if retry || n.streams() {
			m.placeAll(ctx, next, found)
		}
		return nil
	})
	if err != nil { // ctx has ended
		return
	}
	if retry || n.streams() {
		m.saveQuietly()
	}
	st := m.current.Load()
	if n.grandmaster {
		m.Log.Info("the clock follows another grandmaster", "grandmaster", st.ptp.Grandmaster, "domain", st.settings.Driver.PTP.Domain)
	}
	if n.lock {
		m.Log.Info("the clock's state has changed", "state", st.ptp.Lock, "grandmaster", st.ptp.Grandmaster)
		m.runScript(st)
	}
}

func (m *Manager) logDriver(st *state) {
	if st.available {
		m.Log.Info("the audio driver works", "driver", m.Driver.Name())
		return
	}
	m.Log.Warn("streams wait for the audio driver", "driver", m.Driver.Name(), "error", st.problem)
}

// Configure takes in settings. What the driver refuses is the error; then all stays as
// it was.
func (m *Manager) Configure(ctx context.Context, s Settings) error {
	found, restart := m.look(ctx, s, m.current.Load().sources[:]...), false
	err := m.change(ctx, func(ctx context.Context, next *state) error {
		from := next.settings.Driver
		// A driver that is not available may be about to begin with the former settings.
		restart = restarts(from, s.Driver) || !next.available && !reflect.DeepEqual(from, s.Driver)
		if restart {
			// Streams wait for the driver to come back.
			m.events.put(driver.Unavailable{Err: errRestart})
			next.available, next.problem = false, errRestart
		} else if err := m.configureDriver(ctx, from, s.Driver); err != nil {
			return err
		}
		if from.SampleRate != s.Driver.SampleRate {
			next.rate = s.Driver.SampleRate
		}
		next.settings = s
		next.findDefaults()
		m.placeAll(ctx, next, found)
		return nil
	})
	if err != nil {
		return err
	}
	if restart {
		poke(m.restart)
	}
	if m.current.Load().troubled() {
		poke(m.events.wake) // for Run to try again
	}
	m.saveQuietly()
	return nil
}

// errRestart is why streams wait while the driver begins anew.
var errRestart = fmt.Errorf("%w: it begins anew with other settings", driver.ErrUnavailable)

// restarts tells whether a driver that works has to begin anew to get from one
// configuration to the other.
func restarts(from, to driver.Config) bool {
	return !slices.Equal(from.Interfaces, to.Interfaces) ||
		from.TICFrameSizeAt1FS != to.TICFrameSizeAt1FS || from.MaxTICFrameSize != to.MaxTICFrameSize || from.Program != to.Program
}

// configureDriver changes what can be changed while the driver runs, all or nothing.
func (m *Manager) configureDriver(ctx context.Context, from, to driver.Config) error {
	var undo []func() error
	for _, set := range []struct {
		same bool
		to   func(driver.Config) error
	}{
		{from.PTP == to.PTP, func(c driver.Config) error { return m.Driver.SetPTP(ctx, c.PTP) }},
		{from.PlayoutDelay == to.PlayoutDelay, func(c driver.Config) error { return m.Driver.SetPlayoutDelay(ctx, c.PlayoutDelay) }},
		{from.SampleRate == to.SampleRate, func(c driver.Config) error { return m.Driver.SetSampleRate(ctx, c.SampleRate) }},
	} {
		if set.same {
			continue
		}
		err := set.to(to)
		if err == nil {
			undo = append(undo, func() error { return set.to(from) })
			continue
		}
		for _, f := range undo {
			if err := f(); err != nil {
				m.Log.Error("the audio driver does not go back to its former settings", "error", err)
			}
		}
		return err
	}
	return nil
}

// runDriver runs the driver, and runs it again when it needs another configuration. As
// long as there is no interface for it, it does not run.
func (m *Manager) runDriver(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-m.restart: // for what it is about to look at
		default:
		}
		config := m.current.Load().settings.Driver
		// Whatever an application has set before.
		m.events.put(driver.SampleRate(config.SampleRate))
		running, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() {
			if len(config.Interfaces) == 0 {
				m.events.put(driver.Unavailable{Err: errNoInterface})
				<-running.Done()
				ended <- nil
				return
			}
			ended <- m.Driver.Run(running, config, m.events.put)
		}()
		var err error
		select {
		case <-ctx.Done():
		case <-m.restart:
			m.Log.Info("the audio driver begins anew with other settings")
		case err = <-ended:
			ended <- nil
		}
		cancel()
		<-ended
		if err == nil || ctx.Err() != nil {
			continue
		}
		m.events.put(driver.Unavailable{Err: err})
		select {
		case <-ctx.Done():
		case <-m.restart:
		case <-time.After(again):
		}
	}
}

var errNoInterface = errors.New("there is no network interface for the audio driver yet; connect a cable, or see interface_name")
