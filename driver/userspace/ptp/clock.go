package ptp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/facebook/time/ptp/protocol"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
)

// The priorities of a grandmaster that gives way to all others with the standard's default
// priorities, 128 and 128 (IEEE 1588-2008 §7.6.2). The first is not lower than that, because
// a slave that has 128 itself, as ptp4l does, follows nobody beneath it.
const (
	DefaultPriority1 = 128
	DefaultPriority2 = 254
)

// Config is how a clock takes part in a PTP network.
type Config struct {
	// Interfaces are the names of one or two network interfaces. The better grandmaster
	// over either is followed; if it is the same one, over the first that works.
	Interfaces []string
	// Domain is 0 to 127 (IEEE 1588-2008 table 2).
	Domain uint8
	// DSCP marks the packets sent (RFC 2474), 0 to 63.
	DSCP uint8
	// Priority1 and Priority2 are ours as grandmaster (IEEE 1588-2008 §7.6.2). Of two
	// clocks the lower one leads. 0 stands for the default, so that nobody takes over
	// a network by leaving them out.
	Priority1, Priority2 uint8
	// SlaveOnly never becomes grandmaster.
	SlaveOnly bool
}

// Status is the state of a clock.
type Status struct {
	// Lock tells how near the mapping is to the grandmaster. Our own time is locked.
	Lock driver.Lock
	// Grandmaster is the identity of the clock followed, our own if Master; zero when
	// there is none.
	Grandmaster driver.ClockID
	// Master tells that we are the grandmaster, though perhaps of nobody: see Fault.
	Master bool
	// Offset is our time minus the master's at the last Sync that counted (IEEE 1588-2008
	// §11.2), PathDelay the mean of the ways to the master and back (§11.3), Jitter the root
	// mean square of the last offsets. All in nanoseconds, and 0 unless a master is
	// followed.
	Offset, PathDelay, Jitter int64
	// Interface is the index of the interface over which a master is followed, -1
	// for none.
	Interface int
	// Timestamps tells what takes the time of packets on that interface: "hardware", which
	// is the network card, or "software", which is the kernel; empty for none.
	Timestamps string
	// Fault tells, for people, why interfaces do not work; empty when all do. With none
	// that works the clock runs free, and is master without a network.
	Fault string
}

// withoutFigures is s without what changes with every sample.
func (s Status) withoutFigures() Status {
	s.Offset, s.PathDelay, s.Jitter = 0, 0, 0
	return s
}

// Clock is an ordinary clock. [New] makes one. Its methods are safe for concurrent use.
type Clock struct {
	media   *media.Clock
	changed func(Status)
	log     *slog.Logger
	host    *host
	open    opener

	running atomic.Bool
	// held is what stays from one Run to the next. Run's goroutine owns it.
	held held

	mu     sync.Mutex
	status Status
}

// held is the time that is kept without a master.
type held struct {
	// line leads from raw time to PTP time, nil before there was any.
	line *media.Mapping
	// scale is what PTP time counts from.
	scale timescale
	// identity is what we call ourselves without an interface that has a MAC address.
	identity protocol.ClockIdentity
}

// New returns a clock that sets the mapping of a media clock. changed is called by Run's
// goroutine when something other than figures has changed, and for figures at most once a
// second; it may be nil.
func New(clock *media.Clock, changed func(Status), log *slog.Logger) *Clock {
	return newClock(clock, changed, log, newHost(readClocks, kernelTAI), openUDP)
}

func newClock(clock *media.Clock, changed func(Status), log *slog.Logger, h *host, open opener) *Clock {
	if changed == nil {
		changed = func(Status) {}
	}
	return &Clock{media: clock, changed: changed, log: log, host: h, open: open, status: idle}
}

// idle is the status outside of Run.
var idle = Status{Interface: -1}

// Status is the present state. Outside of Run it is unlocked.
func (c *Clock) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

func (c *Clock) setStatus(s Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = s
}

// Run takes part in the network until ctx ends, and then returns nil. The mapping stays,
// and the next Run goes on from it. Interfaces may come late and go. A Config that no
// clock can have (driver.ErrInvalid), and a second Run beside the first, are errors.
func (c *Clock) Run(ctx context.Context, config Config) error {
	if err := config.validate(); err != nil {
		return err
	}
	if !c.running.CompareAndSwap(false, true) {
		return errors.New("the PTP clock is running already")
	}
	defer c.running.Store(false)
	defer c.setStatus(idle)
	c.loop(ctx, config.withDefaults())
	return nil
}

func (c Config) validate() error {
	if n := len(c.Interfaces); n < 1 || n > 2 {
		return fmt.Errorf("%w: PTP runs on one or two network interfaces, not %d", driver.ErrInvalid, n)
	}
	return driver.PTPConfig{Domain: c.Domain, DSCP: c.DSCP}.Validate()
}

func (c Config) withDefaults() Config {
	if c.Priority1 == 0 {
		c.Priority1 = DefaultPriority1
	}
	if c.Priority2 == 0 {
		c.Priority2 = DefaultPriority2
	}
	return c
}
