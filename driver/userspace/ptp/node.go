package ptp

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/facebook/time/ptp/protocol"

	"aes67os/driver"
)

const (
	// settleOffset is how near the mapping is to the estimate when it is locked, and
	// settleTicks how many times in succession. settleDelays is of how many measurements of
	// the path delay, because a single one may have met with a queue.
	settleOffset = 20 * time.Microsecond
	settleTicks  = 4
	settleDelays = 2
	// figuresInterval is how often mere figures are reported.
	figuresInterval = time.Second
)

// port is our end of one network.
type port struct {
	node *node
	log  *slog.Logger
	// index is that of the interface.
	index int
	// wire is nil while there is none, for the reason of fault. denied tells that this
	// is for lack of rights.
	wire   wire
	fault  string
	denied bool

	foreigns foreigns
	// quiet is until when we listen before we begin to send as master.
	quiet time.Time
	// announces and syncs count what has been sent; ticks the times to do so.
	announces, syncs uint16
	ticks            int
	unstamped        bool
	// stamping is where timestamps came from when we last looked.
	stamping stamping
}

// identity is the port's (IEEE 1588-2008 §7.5.2).
func (p *port) identity() protocol.PortIdentity {
	return protocol.PortIdentity{ClockIdentity: p.node.identity, PortNumber: uint16(p.index + 1)}
}

// node is the clock while it runs. It has no goroutine and no socket: it is told the
// time, and what comes.
type node struct {
	config Config
	log    *slog.Logger
	host   *host
	out    output
	held   *held
	report func(Status)

	identity protocol.ClockIdentity
	ports    []*port
	decoder  decoder
	encoder  encoder

	// slave is nil unless a master is followed; master tells that we are it.
	slave  *slave
	master bool
	// deadline is when we take over if nobody announces. spread is a share of an
	// interval, of our own, that is waited longer.
	deadline time.Time
	spread   float64

	lock driver.Lock
	// settled tells that the mapping has been good, so that somebody may rely on it;
	// steady counts for how long the present master has been.
	settled  bool
	steady   int
	told     Status
	toldWhen time.Time
}

func newNode(now time.Time, c *Clock, config Config, report func(Status)) *node {
	n := &node{
		config: config, log: c.log, host: c.host, out: output{clock: c.media}, held: &c.held, report: report,
		spread: mathrand.Float64(), settled: c.held.line != nil,
	}
	for i, name := range config.Interfaces {
		n.ports = append(n.ports, &port{node: n, index: i, log: c.log.With("interface", name), fault: "not opened yet"})
	}
	n.deadline = now.Add(n.patience())
	return n
}

// patience is how long we wait for Announces before we take over.
func (n *node) patience() time.Duration {
	return time.Duration((announceTimeout + n.spread) * float64(announceInterval.Duration()))
}

// own is what others compare us by.
func (n *node) own() dataset {
	return dataset{priority1: n.config.Priority1, quality: quality, priority2: n.config.Priority2, grandmaster: n.identity}
}

// identify makes our identity of a MAC address, the first that there is (IEEE 1588-2008
// §7.5.2.2.2). The loopback interface has none; there it is a random one, because
// several clocks may run on one host.
func (n *node) identify(mac net.HardwareAddr) {
	if n.identity != 0 {
		return
	}
	if id, err := protocol.NewClockIdentity(mac); err == nil && id.MAC().String() != "00:00:00:00:00:00" {
		n.identity = id
		return
	}
	if n.held.identity == 0 {
		random := make(net.HardwareAddr, 6)
		rand.Read(random)                  // never fails
		random[0] = random[0]&^0x01 | 0x02 // locally administered
		n.held.identity, _ = protocol.NewClockIdentity(random)
	}
	n.identity = n.held.identity
}

// attach gives a port its wire.
func (n *node) attach(now time.Time, p *port, w wire) {
	n.identify(w.MAC())
	p.wire, p.fault, p.denied, p.unstamped = w, "", false, false
	p.log.Info("PTP runs", "identity", clockID(n.identity))
	p.stamping = stamping{}
	p.look()
	p.quiet, p.ticks = now.Add(n.patience()), 0
	n.tell(now)
}

// look says so where timestamps come from somewhere else than before.
func (p *port) look() {
	before := p.stamping
	switch p.stamping = p.wire.Stamping(); {
	case p.stamping.hardware && !before.hardware:
		p.log.Info("the network card takes the time of PTP messages")
	case p.stamping.hardware || p.stamping.why == before.why:
	case errors.Is(p.stamping.why, errNoHardware):
		p.log.Info("the kernel takes the time of PTP messages", "why", p.stamping.why)
	default:
		p.log.Warn("the kernel takes the time of PTP messages, though the network card could", "why", p.stamping.why)
	}
}

// detach takes it away. What was heard there is of no use.
func (n *node) detach(now time.Time, p *port, why error) {
	if reason := why.Error(); reason != p.fault {
		p.fault = reason
		p.log.Warn("PTP does not run", "err", why)
	}
	p.wire, p.denied, p.foreigns = nil, errors.Is(why, fs.ErrPermission), nil
	n.elect(now)
	n.tell(now)
}

// receive takes a packet.
func (n *node) receive(now time.Time, p *port, r packet) {
	header, body, err := n.decoder.decode(r.data, n.config.Domain)
	if err != nil || p.wire == nil || header.SourcePortIdentity.ClockIdentity == n.identity {
		return
	}
	if header.FlagField&protocol.FlagAlternateMaster != 0 {
		return // §17.4
	}
	switch m := body.(type) {
	case *protocol.Announce:
		n.announce(now, p, m, r.from)
	case *protocol.SyncDelayReq:
		switch {
		case m.MessageType() == protocol.MessageDelayReq:
			if n.leads(now, p) {
				p.answer(m, r)
			}
		default:
			p.foreigns.sounds(header, r.from)
			if n.slave.own(p, header, r.from) {
				n.synced(n.slave.sync(now, m, r))
			}
		}
	case *protocol.FollowUp:
		if n.slave.own(p, header, r.from) {
			n.synced(n.slave.followUp(now, m))
		}
	case *protocol.DelayResp:
		if n.slave.own(p, header, r.from) {
			n.slave.delayResponse(m)
		}
	}
	n.tell(now)
}

func (n *node) announce(now time.Time, p *port, m *protocol.Announce, from netip.Addr) {
	if m.GrandmasterIdentity == n.identity {
		return // our own time, come back by way of a boundary clock
	}
	var parent *foreign
	if n.slave != nil {
		parent = n.slave.parent
	}
	p.foreigns.announce(now, p.index, m, from, parent)
	if s := n.slave; s != nil && !s.twin && s.port == p && p.foreigns.twin(s.parent) {
		s.twin = true
		s.log.Warn("two PTP masters have one identity: the one that was there first is followed", "address", s.parent.address)
	}
	n.elect(now)
}

// synced takes note of whether a Sync has come that counts.
func (n *node) synced(counts bool) {
	if counts && n.lock == driver.Unlocked {
		n.lock = driver.Locking
	}
}

// leads tells whether we are master on a port.
func (n *node) leads(now time.Time, p *port) bool {
	return n.master && p.wire != nil && !now.Before(p.quiet)
}

// elect decides whom to follow (IEEE 1588-2008 §9.3.3).
func (n *node) elect(now time.Time) {
	var best *foreign
	if s := n.slave; s != nil && slices.Contains(s.port.foreigns, s.parent) {
		best = s.parent // stays, if another is only as good
	}
	for _, p := range n.ports {
		for _, f := range p.foreigns {
			if f.qualified {
				best = better(best, f)
			}
		}
	}
	own := n.own()
	switch {
	case best != nil && (n.config.SlaveOnly || best.compare(own) < 0):
		if n.slave == nil || n.slave.parent != best {
			n.follow(now, best)
		}
	case best == nil && n.slave != nil:
		n.lose(now)
		n.elect(now)
	case n.config.SlaveOnly || n.master:
	case best != nil || n.denied() || !now.Before(n.deadline):
		n.takeOver()
	}
}

// denied tells that there is no network and will be none.
func (n *node) denied() bool {
	for _, p := range n.ports {
		if !p.denied {
			return false
		}
	}
	return true
}

// follow begins to follow a master. If it is but another way to the same grandmaster,
// the mapping is as good as before.
func (n *node) follow(now time.Time, f *foreign) {
	rate := 1.0
	if n.held.line != nil {
		rate = n.held.line.Rate
	}
	same := n.slave != nil && n.told.Grandmaster == clockID(f.grandmaster)
	p := n.ports[f.port]
	n.slave = &slave{
		port: p, parent: f, log: p.log.With("grandmaster", clockID(f.grandmaster)),
		estimator: newEstimator(rate), begun: now,
		syncInterval: syncInterval.Duration(), interval: delayInterval.Duration(),
	}
	n.master, n.steady = false, 0
	if !same {
		n.lock = driver.Unlocked
	}
	n.slave.log.Info("following a PTP master", "port", f.sender, "steps", f.steps)
}

// lose gives up the master, when there is no other. The mapping goes on as it was. Where
// the interface has gone too, we do not know yet what others hear.
func (n *node) lose(now time.Time) {
	n.slave.log.Warn("PTP master lost", "holdover", n.held.line != nil)
	if n.deadline = now; n.slave.port.wire == nil {
		n.deadline = now.Add(n.patience())
	}
	n.slave, n.lock, n.steady = nil, driver.Unlocked, 0
}

// takeOver makes us the master. Our time goes on from where it is.
func (n *node) takeOver() {
	n.identify(nil)
	now := n.host.now()
	if m := n.out.clock.Mapping(); m != nil && n.held.line != nil {
		line := *n.held.line
		line.Local, line.PTP = now.raw, m.PTPAt(now.mono)
		n.held.line = &line
	} else {
		line := newEstimator(1).line()
		line.Local = now.raw
		line.PTP, n.held.scale = n.host.hostTime(now)
		n.held.line = &line
	}
	n.master, n.slave, n.lock, n.settled = true, nil, driver.Locked, true
	for _, p := range n.ports {
		p.ticks = 0
	}
	if !slices.ContainsFunc(n.ports, func(p *port) bool { return p.wire != nil }) {
		n.log.Warn("PTP runs free, by this host's clock: there is no network for it")
	} else {
		n.log.Info("PTP grandmaster is this host", "identity", clockID(n.identity))
	}
	n.publish()
}

// tick does what is due. It is called every publishInterval.
func (n *node) tick(now time.Time) {
	for _, p := range n.ports {
		p.foreigns.expire(now, n.spread)
		if p.wire != nil {
			p.look()
		}
	}
	if n.slave != nil && n.slave.overdue(now) {
		n.hush(now)
	}
	n.elect(now)
	if n.slave != nil {
		n.slave.tick(now)
	}
	n.publish()
	for _, p := range n.ports {
		if n.leads(now, p) {
			p.lead()
		}
	}
	n.tell(now)
}

// hush notices that the master sends no Sync. Another way to the same grandmaster will do
// as well, without a word.
func (n *node) hush(now time.Time) {
	s := n.slave
	if !s.parent.silent {
		s.log.Warn("the PTP master sends no Sync")
	}
	s.parent.silent = true
	if n.elect(now); n.slave == s {
		n.lock, n.steady = driver.Unlocked, 0
	}
}

// publish makes the mapping anew.
func (n *node) publish() {
	s := n.slave
	usable := s != nil && s.usable()
	if usable {
		line := s.estimator.line()
		n.held.line, n.held.scale = &line, s.parent.scale
	}
	if n.held.line == nil {
		return
	}
	ahead := n.out.publish(n.host.now(), *n.held.line, !n.settled)
	if !usable || n.lock == driver.Unlocked {
		return
	}
	if max(ahead, -ahead) > settleOffset.Nanoseconds() {
		n.steady = 0
	} else {
		n.steady++
	}
	switch {
	case n.lock == driver.Locking && n.steady >= settleTicks && s.measured(settleDelays):
		n.lock, n.settled = driver.Locked, true
		s.log.Info("PTP locked", "path delay ns", int64(s.estimator.pathDelay()), "rate ppb", int64(1e9*(n.held.line.Rate-1)))
	case n.lock == driver.Locked && max(ahead, -ahead) > jump.Nanoseconds():
		n.lock = driver.Locking
		s.log.Warn("PTP time has jumped", "ns", ahead)
	}
}

// status is what there is to tell.
func (n *node) status() Status {
	s := Status{Lock: n.lock, Master: n.master, Interface: -1}
	switch {
	case n.slave != nil:
		s.Grandmaster, s.Interface = clockID(n.slave.parent.grandmaster), n.slave.port.index
		s.Timestamps = n.slave.port.stamping.String()
		s.Offset, s.PathDelay, s.Jitter = int64(n.slave.estimator.offset()), int64(n.slave.estimator.pathDelay()), int64(n.slave.estimator.jitter())
	case n.master:
		s.Grandmaster = clockID(n.identity)
	}
	var faults []string
	for _, p := range n.ports {
		if p.fault != "" {
			faults = append(faults, n.config.Interfaces[p.index]+": "+p.fault)
		}
	}
	s.Fault = strings.Join(faults, "; ")
	return s
}

// tell reports the status if it has changed.
func (n *node) tell(now time.Time) {
	s := n.status()
	if s == n.told || s.withoutFigures() == n.told.withoutFigures() && now.Sub(n.toldWhen) < figuresInterval {
		return
	}
	n.told, n.toldWhen = s, now
	n.report(s)
}
