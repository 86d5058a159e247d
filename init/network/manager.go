// Package network gives every wired interface of the appliance its IPv4 addresses.
// It is run by PID 1, and there is no other tool on the system.
//
// The Manager follows the kernel's links by netlink. Each interface it manages has a
// worker, one goroutine that owns all state of the interface and changes the kernel;
// the protocols run as its tasks and hand it their results:
//
//	           ┌─ dhcp.Client ── lease bound, lost
//	netlink ─▶ worker ─ linklocal.Claimer ── address claimed, lost
//	           └─ acd.Detector ── conflict seen
//
// No interface waits for another one. The first DHCP message leaves as soon as the
// carrier is there. Who has no answer after Timings.Fallback begins to claim a
// link-local address (RFC 3927), which takes 4 to 7 s more, while DHCP is asked on;
// the link-local address goes when a lease comes.
//
// When the cable is pulled, the lease's address stays for its time, so that audio
// goes on at once when the cable comes back. It is then confirmed with the server
// (INIT-REBOOT). If nobody answers, it stays, and a link-local address comes beside
// it: a laptop plugged in directly must find the box too.
//
// Routes have metrics in the order of the interfaces, so that one default route
// stands in for the other.
package network

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"aes67os/init/api"
	"aes67os/init/network/acd"
	"aes67os/init/network/dhcp"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Timings of the whole. Tests shorten them.
type Timings struct {
	// Fallback is the wait for a DHCP answer until a link-local address is looked for.
	Fallback time.Duration
	// Retry is the wait after an error of the system's.
	Retry    time.Duration
	DHCP     dhcp.Timings
	Conflict acd.Timings
}

// DefaultTimings let a box without a DHCP server have an address 9 to 12 s after its
// cable is plugged in.
func DefaultTimings() Timings {
	return Timings{
		Fallback: 5 * time.Second,
		Retry:    5 * time.Second,
		DHCP:     dhcp.DefaultTimings(),
		Conflict: acd.DefaultTimings(),
	}
}

// Options are what New needs. Only Log has no default.
type Options struct {
	Config Config
	// Hostname is told to DHCP servers, unless empty.
	Hostname string
	// ResolvConf is the file to write name servers to; empty writes none.
	ResolvConf string
	Log        *slog.Logger
	// Managed decides by name which Ethernet interfaces to manage; nil is Hardware.
	Managed func(name string) bool
	// Timings of zero are DefaultTimings.
	Timings Timings
}

// Manager manages interfaces. It is safe for concurrent use.
type Manager struct {
	options Options
	workers map[int]*managed // by interface index; Run's own

	mu      sync.Mutex
	states  map[int]state
	changed chan struct{}
	resolv  string // what ResolvConf holds
}

// managed is a worker with what the manager knows of it.
type managed struct {
	*worker
	task *task
	last carrier
}

// New returns a manager, or says what is wrong with the configuration.
func New(o Options) (*Manager, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, fmt.Errorf("network configuration: %w", err)
	}
	if o.Managed == nil {
		o.Managed = Hardware
	}
	if o.Timings == (Timings{}) {
		o.Timings = DefaultTimings()
	}
	return &Manager{
		options: o,
		workers: make(map[int]*managed),
		states:  make(map[int]state),
		changed: make(chan struct{}),
	}, nil
}

// Interfaces returns the managed interfaces, sorted by name.
func (m *Manager) Interfaces() []api.Interface {
	m.mu.Lock()
	states := slices.Collect(maps.Values(m.states))
	m.mu.Unlock()
	all := make([]api.Interface, 0, len(states))
	now := time.Now()
	for _, s := range states {
		i := s.Interface
		i.Addresses = slices.Clone(i.Addresses)
		i.DNS = slices.Clone(i.DNS)
		i.Driver = driver(sysClassNet, i.Name)
		if i.Up {
			i.Speed = speed(sysClassNet, i.Name)
		}
		if i.LeaseEnds != nil {
			// A box without a clock learns the time of day only after it has its lease.
			// The monotonic clock knows when the lease ends by today's reckoning.
			ends := now.Add(i.LeaseEnds.Sub(now)).Round(time.Second)
			i.LeaseEnds = &ends
		}
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b api.Interface) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Changed returns a channel that is closed when what Interfaces returns has changed
// since this call. Get the channel first, then call Interfaces, then wait.
func (m *Manager) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// Run manages interfaces until ctx ends, and leaves their addresses in place. It
// must be called once.
func (m *Manager) Run(ctx context.Context) {
	// The kernel itself adds 127.0.0.1/8 to a loopback that is switched on.
	if err := netlink.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: "lo"}}); err != nil {
		m.options.Log.Error("lo: cannot be switched on", "error", err)
	}
	for ctx.Err() == nil {
		if err := m.follow(ctx); err != nil {
			m.options.Log.Warn("network: lost track of the interfaces, looking at all of them again", "error", err)
			sleep(ctx, m.options.Timings.Retry)
		}
	}
	for index := range m.workers {
		m.workers[index].task.stop()
	}
}

// follow handles every change of links until ctx ends. It subscribes before it lists,
// so that no change falls between. An error, such as more changes at once than the
// socket holds, is the caller's cue to begin again.
func (m *Manager) follow(ctx context.Context) error {
	updates := make(chan netlink.LinkUpdate)
	done := make(chan struct{})
	lost := make(chan error, 1)
	options := netlink.LinkSubscribeOptions{
		ReceiveBufferSize:      1 << 20,
		ReceiveBufferForceSize: true,
		ErrorCallback: func(err error) {
			select {
			case lost <- err:
			default:
			}
		},
	}
	if err := netlink.LinkSubscribeWithOptions(updates, done, options); err != nil {
		return fmt.Errorf("subscribe to links: %w", err)
	}
	defer func() {
		close(done)
		// The library's goroutine ends when somebody took what it has got.
		for range updates {
		}
	}()
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for index := range m.workers {
		if !slices.ContainsFunc(links, func(l netlink.Link) bool { return l.Attrs().Index == index }) {
			m.remove(index)
		}
	}
	for _, l := range links {
		m.update(ctx, l)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case u, ok := <-updates:
			if !ok {
				return fmt.Errorf("follow links: %w", <-lost)
			}
			// A port that leaves a bridge is a deleted link too, in the bridge's family.
			if u.Family != unix.AF_UNSPEC {
				continue
			}
			if u.Header.Type == unix.RTM_DELLINK {
				m.remove(int(u.Index))
			} else {
				m.update(ctx, u.Link)
			}
		}
	}
}

// update starts a worker for a new interface, and tells it of its carrier.
func (m *Manager) update(ctx context.Context, l netlink.Link) {
	a := l.Attrs()
	w := m.workers[a.Index]
	if w != nil && (w.name != a.Name || w.hw.String() != a.HardwareAddr.String()) {
		m.remove(a.Index)
		w = nil
	}
	if w == nil {
		if a.EncapType != "ether" || len(a.HardwareAddr) != 6 || !m.options.Managed(a.Name) {
			return
		}
		w = m.add(ctx, l)
	}
	// Not IFF_LOWER_UP: between that and IFF_RUNNING the kernel drops what is sent.
	now := carrier{up: a.RawFlags&unix.IFF_RUNNING != 0, losses: w.last.losses}
	if now.up == w.last.up {
		return
	}
	if w.last.up {
		now.losses++
	}
	w.last = now
	// Only the newest state counts; never wait for a worker.
	select {
	case <-w.carrier:
	default:
	}
	w.carrier <- now
}

func (m *Manager) add(ctx context.Context, l netlink.Link) *managed {
	a := l.Attrs()
	// The configuration was validated.
	settings, _ := m.options.Config.For(a.Name, a.HardwareAddr).settings()
	w := &worker{
		name:     a.Name,
		hw:       a.HardwareAddr,
		settings: settings,
		hostname: m.options.Hostname,
		timings:  m.options.Timings,
		log:      m.options.Log,
		kernel:   &kernel{link: l},
		report:   func(s state) { m.report(a.Index, s) },
		carrier:  make(chan carrier, 1),
		calls:    make(chan func()),
	}
	m.options.Log.Info(fmt.Sprintf("%s: found, address %s, method %s", a.Name, a.HardwareAddr, settings.method))
	mw := &managed{worker: w, task: start(ctx, w.run)}
	m.workers[a.Index] = mw
	return mw
}

func (m *Manager) remove(index int) {
	w := m.workers[index]
	if w == nil {
		return
	}
	w.task.stop()
	delete(m.workers, index)
	m.options.Log.Info(fmt.Sprintf("%s: gone", w.name))
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.states, index)
	m.notify()
}

func (m *Manager) report(index int, s state) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states[index] = s
	m.notify()
}

// notify wakes who waits for a change, and writes the resolver's file if it changed
// in that. The caller holds mu.
func (m *Manager) notify() {
	close(m.changed)
	m.changed = make(chan struct{})
	if m.options.ResolvConf == "" {
		return
	}
	var all []resolver
	for _, index := range slices.Sorted(maps.Keys(m.states)) {
		all = append(all, m.states[index].resolver)
	}
	content := resolvConf(all)
	if content == m.resolv {
		return
	}
	if err := replaceFile(m.options.ResolvConf, content); err != nil {
		m.options.Log.Error("network: name servers are not in place", "error", err)
		return
	}
	m.resolv = content
}
