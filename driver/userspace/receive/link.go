package receive

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"aes67os/driver/userspace/nic"
	"aes67os/driver/userspace/realtime"
)

// link is a network interface and the sockets on it. There is one for every UDP port, and
// more where that would hold more memberships than the kernel lets it
// (net.ipv4.igmp_max_memberships, 20 unless set).
type link struct {
	name string
	// index is 0 while nothing can be received on it, and then there are no sockets.
	index   int
	sockets []*socket
}

// socket is one that is read.
type socket struct {
	conn
	port   uint16
	groups []netip.Addr
	drops  drops
	// failed tells that it is not read any more, done when.
	failed atomic.Bool
	done   chan struct{}
}

// conn is a UDP socket that is bound to an interface and a port.
type conn interface {
	// receive waits for packets and returns those that are there, which are good until
	// it is called again. It returns net.ErrClosed after interrupt.
	receive() ([]packet, error)
	join(group netip.Addr) error
	leave(group netip.Addr) error
	interrupt()
	close() error
}

// findInterface finds out whether something can be received on an interface: it is there,
// up, and has a carrier. When that comes back, the groups have to be joined anew, as the
// switch at the other end may have forgotten them, or be another.
func findInterface(name string) (index int) {
	if index, running := nic.Find(name); running {
		return index
	}
	return 0
}

// settle makes the sockets receive the destinations and nothing else. After an error, it
// can be tried again.
func (l *link) settle(d *device, destinations []netip.AddrPort) error {
	l.leave(destinations) // first, because it makes room
	var errs []error
	for _, to := range destinations {
		errs = append(errs, l.want(d, to))
	}
	return errors.Join(errs...)
}

// leave leaves the groups that are not among the destinations, and closes sockets that
// are not needed for them or have failed.
func (l *link) leave(destinations []netip.AddrPort) {
	l.sockets = slices.DeleteFunc(l.sockets, func(s *socket) bool {
		wanted := func(to netip.AddrPort) bool { return to.Port() == s.port }
		if s.failed.Load() || !slices.ContainsFunc(destinations, wanted) {
			s.end()
			return true
		}
		s.groups = slices.DeleteFunc(s.groups, func(group netip.Addr) bool {
			if slices.Contains(destinations, netip.AddrPortFrom(group, s.port)) {
				return false
			}
			s.conn.leave(group) // fails only if the interface is gone, and so is the group
			return true
		})
		return false
	})
}

// want has a socket receive what is sent to the destination, as soon as the interface is
// there.
func (l *link) want(d *device, to netip.AddrPort) error {
	if l.index == 0 {
		return nil
	}
	err := l.place(d, to)
	if errors.Is(err, unix.ENODEV) { // it has gone just now: watch will notice, or try again
		d.unsettled = true
		return nil
	}
	return err
}

func (l *link) place(d *device, to netip.AddrPort) error {
	group, port := to.Addr(), to.Port()
	for _, s := range l.sockets {
		if s.port != port {
			continue
		}
		if !group.IsMulticast() || slices.Contains(s.groups, group) {
			return nil
		}
	}
	for _, s := range l.sockets {
		if s.port != port {
			continue
		}
		err := s.join(group)
		if err == nil || !errors.Is(err, unix.ENOBUFS) {
			return err
		}
	}
	c, err := d.open(l.name, l.index, port)
	if err != nil {
		return err
	}
	s := &socket{conn: c, port: port, done: make(chan struct{})}
	if group.IsMulticast() {
		if err := s.join(group); err != nil {
			c.close()
			return err
		}
	}
	l.sockets = append(l.sockets, s)
	go s.read(d)
	return nil
}

func (l *link) close() {
	for _, s := range l.sockets {
		s.end()
	}
	l.sockets = nil
}

func (s *socket) join(group netip.Addr) error {
	if err := s.conn.join(group); err != nil {
		return err
	}
	s.groups = append(s.groups, group)
	return nil
}

// end closes the socket and waits until it is not read any more.
func (s *socket) end() {
	s.interrupt()
	<-s.done
	s.close()
}

// read hands over packets until the socket ends. The thread stays its own, and so ends
// with it.
func (s *socket) read(d *device) {
	runtime.LockOSThread()
	defer close(s.done)
	if d.thread != nil {
		d.thread()
	}
	var turn realtime.Turn
	for idle := true; ; {
		if rest := turn.Next(idle); rest != 0 {
			realtime.Sleep(rest)
		}
		packets, err := s.receive()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				d.log.Warn("cannot receive, will try again", "port", s.port, "error", err)
				s.failed.Store(true) // watch makes another
			}
			return
		}
		d.deliver(s.port, packets)
		s.drops.note(packets)
		idle = len(packets) < batch
	}
}
