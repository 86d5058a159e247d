package ptp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/facebook/time/timestamp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	// checkInterval is how often we look whether the interface is still there.
	checkInterval = time.Second
	// maxMisses is after how many messages without a time of sending it is waited for only
	// once in retryMisses: it costs a tenth of a second.
	maxMisses   = 3
	retryMisses = 64
	// maxUncertain is how wrong a timestamp may be, in nanoseconds, before it is taken for that
	// of another message: one that we did not wait for any longer.
	maxUncertain = int64(time.Millisecond)
)

// udp is the wire of an interface: a socket for event messages with timestamps, and one
// for general messages.
type udp struct {
	ifi            *net.Interface
	host           *host
	event, general *net.UDPConn
	raw            syscall.RawConn
	stamps         stamps
	// address is the interface's when it was opened.
	address netip.Addr
	once    sync.Once

	// misses counts messages in succession without a time of sending. Who sends owns it, and
	// what follows.
	misses      int
	oob, newest [timestamp.ControlSizeBytes]byte
	// look looks at the interface's flags, and take takes the time of sending: made once, as
	// they are called for each message.
	look, take func(fd uintptr)
	flags      *unix.Ifreq
	left       time.Time
	err        error
}

// openUDP opens the sockets of an interface that is up and has an address.
func openUDP(ctx context.Context, name string, dscp uint8, h *host) (wire, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("find the network interface: %w", err)
	}
	u := &udp{ifi: ifi, host: h}
	if u.event, err = u.listen(ctx, eventPort, dscp); err != nil {
		return nil, err
	}
	if u.general, err = u.listen(ctx, generalPort, dscp); err != nil {
		u.event.Close()
		return nil, err
	}
	u.stamps = stamps{host: h, control: u.control}
	if err := u.begin(); err != nil {
		u.Close()
		return nil, err
	}
	return u, nil
}

// begin looks at the interface and has timestamps taken.
func (u *udp) begin() (err error) {
	if u.raw, err = u.event.SyscallConn(); err != nil {
		return err
	}
	if u.flags, err = unix.NewIfreq(u.ifi.Name); err != nil {
		return err
	}
	u.look = func(fd uintptr) { u.err = unix.IoctlIfreq(int(fd), unix.SIOCGIFFLAGS, u.flags) }
	u.take = func(fd uintptr) { u.left, _, u.err = timestamp.ReadTXtimestampBuf(int(fd), u.newest[:], u.oob[:]) }
	if err := u.check(); err != nil {
		return err
	}
	if err := u.locate(); err != nil {
		return err
	}
	return u.stamps.begin(u, openPHC)
}

// locate finds our address.
func (u *udp) locate() error {
	return u.control(func(fd int) error {
		r, err := u.ask(fd, unix.SIOCGIFADDR)
		if err != nil {
			return fmt.Errorf("the network interface has no IPv4 address: %w", err)
		}
		b, err := r.Inet4Addr()
		u.address, _ = netip.AddrFromSlice(b)
		return err
	})
}

// info implements card.
func (u *udp) info() (info *unix.EthtoolTsInfo, err error) {
	err = u.control(func(fd int) error {
		info, err = unix.IoctlGetEthtoolTsInfo(fd, u.ifi.Name)
		return err
	})
	return info, err
}

// config implements card.
func (u *udp) config() (c *unix.HwTstampConfig, err error) {
	err = u.control(func(fd int) error {
		c, err = unix.IoctlGetHwTstamp(fd, u.ifi.Name)
		return err
	})
	return c, err
}

// configure implements card.
func (u *udp) configure(c *unix.HwTstampConfig) error {
	return u.control(func(fd int) error { return unix.IoctlSetHwTstamp(fd, u.ifi.Name, c) })
}

// Stamping implements wire.
func (u *udp) Stamping() stamping { return u.stamps.stamping() }

// listen opens one of the sockets. It shares the port with other clocks on this host.
func (u *udp) listen(ctx context.Context, port int, dscp uint8) (*net.UDPConn, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = errors.Join(
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
				unix.BindToDevice(int(fd), u.ifi.Name),
			)
		})
		return errors.Join(err, failed)
	}}
	conn, err := config.ListenPacket(ctx, "udp4", fmt.Sprintf(":%d", port))
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return nil, fmt.Errorf("open UDP port %d: permission: needs CAP_NET_BIND_SERVICE: %w", port, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open UDP port %d: %w", port, err)
	}
	p := ipv4.NewPacketConn(conn)
	for _, set := range []func() error{
		func() error { return p.JoinGroup(u.ifi, &net.UDPAddr{IP: group.AsSlice()}) },
		func() error { return p.SetMulticastInterface(u.ifi) },
		func() error { return p.SetMulticastTTL(1) },         // annex D.3
		func() error { return p.SetMulticastLoopback(true) }, // other clocks on this host
		func() error { return p.SetTOS(int(dscp) << 2) },     // RFC 2474 §3
		func() error { return conn.(*net.UDPConn).SetReadBuffer(1 << 16) },
	} {
		if err := set(); err != nil {
			conn.Close()
			return nil, fmt.Errorf("set up UDP port %d: %w", port, err)
		}
	}
	return conn.(*net.UDPConn), nil
}

// control does something to the event socket.
func (u *udp) control(f func(fd int) error) error {
	var failed error
	err := u.raw.Control(func(fd uintptr) { failed = f(int(fd)) })
	return errors.Join(err, failed)
}

// check tells whether the interface is still the one it was, up, and has an address. It
// asks by the socket, and so in its network namespace.
func (u *udp) check() error {
	return u.control(func(fd int) error {
		if r, err := u.ask(fd, unix.SIOCGIFINDEX); err != nil {
			return fmt.Errorf("the network interface has gone: %w", err)
		} else if int(r.Uint32()) != u.ifi.Index {
			return errors.New("the network interface is another one now")
		}
		if r, err := u.ask(fd, unix.SIOCGIFFLAGS); err != nil {
			return fmt.Errorf("the network interface has gone: %w", err)
		} else if r.Uint16()&unix.IFF_UP == 0 {
			return errors.New("the network interface is down")
		}
		if _, err := u.ask(fd, unix.SIOCGIFADDR); err != nil {
			return fmt.Errorf("the network interface has no IPv4 address: %w", err)
		}
		return nil
	})
}

// ask asks the kernel for a property of the interface.
func (u *udp) ask(fd int, what uint) (*unix.Ifreq, error) {
	r, err := unix.NewIfreq(u.ifi.Name)
	if err != nil {
		return nil, err
	}
	return r, unix.IoctlIfreq(fd, what, r)
}

// MAC implements wire.
func (u *udp) MAC() net.HardwareAddr { return u.ifi.HardwareAddr }

// errNoCarrier is why nothing is sent, and errOther why a time of sending is of no use.
var (
	errNoCarrier = errors.New("the cable is out")
	errOther     = errors.New("the timestamp is another message's")
)

// carrier tells whether something can be sent now.
func (u *udp) carrier() error {
	if err := u.do(u.look); err != nil || u.flags.Uint16()&unix.IFF_RUNNING == 0 {
		return errors.Join(errNoCarrier, err)
	}
	return nil
}

// do does one of the things that are made once.
func (u *udp) do(f func(fd uintptr)) error {
	if err := u.raw.Control(f); err != nil {
		return err
	}
	return u.err
}

// SendEvent implements wire. Where nothing tells the time of sending, it is that after
// the system call. Without a carrier nothing is sent, which would leave at some other time.
func (u *udp) SendEvent(b []byte, to netip.Addr) (stamp int64, stamped bool, err error) {
	if err := u.carrier(); err != nil {
		return 0, false, err
	}
	before := u.host.now().raw
	if _, err := u.event.WriteToUDPAddrPort(b, netip.AddrPortFrom(to, eventPort)); err != nil {
		return 0, false, err
	}
	after := u.host.now().raw
	stamp, err = u.sent(before)
	if err == nil {
		u.misses = 0
		return stamp, true, nil
	}
	hardware := u.stamps.stamping().hardware
	if !hardware && errors.Is(err, errDoubt) {
		return 0, false, err // the next one will do
	}
	if u.misses++; hardware && u.misses >= maxMisses {
		u.stamps.fail(fmt.Errorf("the network card does not tell when messages leave: %w", err))
		u.misses = 0
	}
	return after, false, nil
}

// sent waits for the time at which the last event message left, after before.
func (u *udp) sent(before int64) (left int64, err error) {
	if u.misses >= maxMisses && u.misses%retryMisses != 0 {
		return 0, timestamp.ErrNoTimestamp
	}
	if err := u.do(u.take); err != nil {
		return 0, err
	}
	left, ok := u.stamps.raw(u.left.UnixNano())
	if !ok {
		return 0, errDoubt
	}
	if left < before-maxUncertain {
		return 0, errOther
	}
	return left, nil
}

// SendGeneral implements wire.
func (u *udp) SendGeneral(b []byte, to netip.Addr) error {
	_, err := u.general.WriteToUDPAddrPort(b, netip.AddrPortFrom(to, generalPort))
	return err
}

// Receive implements wire.
func (u *udp) Receive(deliver func(packet)) error {
	errs := make(chan error, 2)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer u.Close()
	for _, next := range []func() (packet, error){u.eventReader(), u.generalReader()} {
		readers.Go(func() {
			for {
				p, err := next()
				if err != nil {
					errs <- fmt.Errorf("receive: %w", err)
					return
				}
				deliver(p)
			}
		})
	}
	check := time.NewTicker(checkInterval)
	defer check.Stop()
	for {
		select {
		case err := <-errs:
			return err
		case <-check.C:
			if err := u.check(); err != nil {
				return err
			}
		}
	}
}

// eventReader makes the function that waits for an event message and its timestamp.
func (u *udp) eventReader() func() (packet, error) {
	b, oob := make([]byte, maxMessage), make([]byte, timestamp.ControlSizeBytes)
	return func() (packet, error) {
		n, control, _, from, err := u.event.ReadMsgUDPAddrPort(b, oob)
		if err != nil {
			return packet{}, err
		}
		p := packet{data: b[:n], from: from.Addr().Unmap()}
		p.stamp, p.stamped = u.stamps.arrived(p.data, oob[:control], p.from == u.address)
		return p, nil
	}
}

// generalReader makes the function that waits for a general message.
func (u *udp) generalReader() func() (packet, error) {
	b := make([]byte, maxMessage)
	return func() (packet, error) {
		n, from, err := u.general.ReadFromUDPAddrPort(b)
		return packet{data: b[:n], from: from.Addr().Unmap()}, err
	}
}

// Close implements wire.
func (u *udp) Close() {
	u.once.Do(func() {
		u.stamps.close() // as long as there is a socket
		u.event.Close()
		u.general.Close()
	})
}
