// Package multicast holds this host's memberships of multicast groups (RFC 3376), on
// behalf of whoever moves the audio.
//
// The audio itself comes another way: the RAVENNA kernel module takes packets before
// sockets see them, and the userspace driver has sockets of its own. But somebody has
// to tell the kernel and, by IGMP, the switches that this host wants the groups. That
// is all the sockets here are for; they are bound to no port and receive nothing.
//
// Wishes are declared, not counted: every owner says all it wants ([Memberships.Set]),
// and a group that two owners want is joined once and left when neither wants it.
//
// What Linux does of its own accord, and what is left to do here, as seen on 6.x:
//
//   - An interface loses its address and gets another: memberships stay.
//   - It is taken down and up: they stay, and are reported again when it is up.
//   - The cable is pulled and put back: they stay, but nothing is reported, so a
//     switch that has forgotten the port forwards nothing until it asks, which may
//     take two minutes, or never where there is no querier.
//   - It is removed: they are gone from it, while the socket still lists them under
//     its index. If the index comes back with another interface, joining fails as
//     "already in use" until the socket has left.
//
// [Memberships.Follow] puts the last two right. Leaving and joining would not have a group
// reported again, because the kernel does that for the first socket of all on the host, and
// the userspace driver's have joined the same groups. So reports are sent here.
package multicast

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"aes67os/aes67d/netif"
)

// Membership is a group wanted on an interface.
type Membership struct {
	// Interface is the interface's index. Addresses change, and two interfaces may
	// have the same.
	Interface int
	// Group is an IPv4 multicast address.
	Group netip.Addr
}

// Memberships are all that this process holds. Make them with [New]; the methods are
// safe for concurrent use. Sockets belong to the network namespace of the thread that
// calls.
type Memberships struct {
	log *slog.Logger

	mu      sync.Mutex
	wanted  map[string][]Membership
	joined  map[Membership]*socket
	sockets []*socket
	// carrier tells of every interface there is whether it has one; nil as long as
	// nobody has said which there are.
	carrier map[int]bool
}

// New returns an empty set of memberships.
func New(log *slog.Logger) *Memberships {
	return &Memberships{
		log:    log,
		wanted: make(map[string][]Membership),
		joined: make(map[Membership]*socket),
	}
}

// Set makes want all that owner wants: what it wanted before and others do not is
// left. The error tells of every membership in want that could not be joined; those
// stay wanted and are tried again by the next Set of the owner and by
// [Memberships.Follow].
func (m *Memberships) Set(owner string, want []Membership) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(want) == 0 {
		delete(m.wanted, owner)
	} else {
		m.wanted[owner] = slices.Clone(want)
	}
	// Leaving comes first, it makes room.
	keep := make(map[Membership]bool, len(m.joined))
	for _, list := range m.wanted {
		for _, one := range list {
			keep[one] = true
		}
	}
	m.leave(func(one Membership) bool { return !keep[one] })
	return m.join(want)
}

// Follow takes in the interfaces there are now, all of them whenever one has changed.
// What is wanted is joined on an interface that is new, and reported again on one whose
// carrier has come back. The error tells of what could not be.
func (m *Memberships) Follow(now []netif.Interface) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.carrier
	m.carrier = make(map[int]bool, len(now))
	for _, i := range now {
		m.carrier[i.Index] = i.Carrier
	}
	m.leave(func(one Membership) bool {
		_, there := m.carrier[one.Interface]
		return !there
	})
	var errs []error
	for _, owner := range slices.Sorted(maps.Keys(m.wanted)) {
		there := slices.DeleteFunc(slices.Clone(m.wanted[owner]), func(one Membership) bool {
			_, ok := m.carrier[one.Interface]
			return !ok
		})
		errs = append(errs, m.join(there))
	}
	for _, i := range now {
		if had, known := before[i.Index]; i.Carrier && known && !had {
			errs = append(errs, m.report(i))
		}
	}
	return errors.Join(errs...)
}

// report reports all that is joined on an interface. Called with m.mu held.
func (m *Memberships) report(in netif.Interface) error {
	var groups []netip.Addr
	for one := range m.joined {
		if one.Interface == in.Index {
			groups = append(groups, one.Group)
		}
	}
	if len(groups) == 0 {
		return nil
	}
	m.log.Debug("reported", "groups", len(groups), "interface", in.Index)
	if err := report(in.Index, groups); err != nil {
		return fmt.Errorf("tell switches on interface %s of %d multicast groups, which may not come until they ask: %w", in.Name, len(groups), err)
	}
	return nil
}

// Close leaves everything and forgets every owner.
func (m *Memberships) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, s := range m.sockets {
		errs = append(errs, s.close()) // the kernel leaves for it
	}
	m.sockets = nil
	clear(m.wanted)
	clear(m.joined)
	return errors.Join(errs...)
}

// join joins what is not yet. Called with m.mu held, as all below.
func (m *Memberships) join(want []Membership) error {
	var errs []error
	for _, one := range want {
		if m.joined[one] != nil {
			continue
		}
		s, err := m.place(one)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		m.joined[one] = s
		m.log.Debug("joined", "group", one.Group, "interface", one.Interface)
	}
	return errors.Join(errs...)
}

// place finds a socket to join with. The kernel bounds what one socket may hold
// (net.ipv4.igmp_max_memberships, 20 unless set), so there are as many as it takes.
func (m *Memberships) place(one Membership) (*socket, error) {
	if !one.Group.Is4() || !one.Group.IsMulticast() {
		return nil, fmt.Errorf("join %s: not an IPv4 multicast group, which are 224.0.0.0 to 239.255.255.255", one.Group)
	}
	if one.Interface <= 0 {
		return nil, fmt.Errorf("join %s: %d is no interface's index", one.Group, one.Interface) // the kernel would choose one
	}
	for _, s := range m.sockets {
		if err := s.join(one); err == nil {
			return s, nil
		} else if !errors.Is(err, unix.ENOBUFS) {
			return nil, explain(one, err)
		}
	}
	s, err := open()
	if err != nil {
		return nil, explain(one, err)
	}
	if err := s.join(one); err != nil {
		s.close()
		return nil, explain(one, err)
	}
	m.sockets = append(m.sockets, s)
	return s, nil
}

// leave leaves what gone tells, and closes sockets that hold nothing more.
func (m *Memberships) leave(gone func(Membership) bool) {
	for one, s := range m.joined {
		if !gone(one) {
			continue
		}
		// It fails only for what the socket does not hold.
		if err := s.leave(one); err != nil {
			m.log.Warn("cannot leave a multicast group", "group", one.Group, "interface", one.Interface, "error", err)
		}
		delete(m.joined, one)
		m.log.Debug("left", "group", one.Group, "interface", one.Interface)
	}
	m.sockets = slices.DeleteFunc(m.sockets, func(s *socket) bool {
		if s.held > 0 {
			return false
		}
		if err := s.close(); err != nil {
			m.log.Warn("cannot close a socket", "error", err)
		}
		return true
	})
}
