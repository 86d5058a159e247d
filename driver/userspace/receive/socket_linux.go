package receive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"aes67os/driver/userspace/media"
)

const (
	// maxPacket is the longest packet taken, in bytes: more than an Ethernet frame, which
	// audio keeps to (AES67-2018 §6.3).
	maxPacket = 2048
	// batch is how many packets are taken at a time.
	batch = 64
	// receiveBuffer is what the kernel may hold of packets, in bytes. That of 64 streams at
	// 1 ms is some 150 kB a millisecond by the kernel's own way of counting.
	receiveBuffer = 8 << 20
	// controlSize is room for the three control messages of a packet.
	controlSize = 128
)

// mmsghdr is the kernel's struct of that name: a message, and the length it has received.
type mmsghdr struct {
	unix.Msghdr
	length uint32
}

// udpSocket is the [conn] of the real network. ReadBatch of golang.org/x/net, which would
// do the same, allocates a sender's address for every packet.
type udpSocket struct {
	fd, index   int
	name        string
	interrupted atomic.Bool

	headers  [batch]mmsghdr
	vectors  [batch]unix.Iovec
	data     [batch][maxPacket]byte
	controls [batch][controlSize]byte
	packets  [batch]packet
}

// openSocket is host.open.
func openSocket(name string, index int, port uint16) (conn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket to receive on: %w", os.NewSyscallError("socket", err))
	}
	s := &udpSocket{fd: fd, index: index, name: name}
	if err := s.setUp(port); err != nil {
		s.close()
		return nil, fmt.Errorf("receive on port %d of %s: %w", port, name, err)
	}
	for i := range batch {
		s.vectors[i].Base = &s.data[i][0]
		s.vectors[i].SetLen(maxPacket)
		s.headers[i].Iov = &s.vectors[i]
		s.headers[i].SetIovlen(1)
		s.headers[i].Control = &s.controls[i][0]
	}
	return s, nil
}

func (s *udpSocket) setUp(port uint16) error {
	for _, o := range []struct {
		name                 string
		level, option, value int
	}{
		// Other interfaces' sockets, and other programs, receive on the same port.
		{"SO_REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		// Without this the kernel also delivers what others have joined.
		{"IP_MULTICAST_ALL", unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0},
		{"IP_PKTINFO", unix.IPPROTO_IP, unix.IP_PKTINFO, 1},
		{"SO_TIMESTAMPNS", unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1},
		{"SO_RXQ_OVFL", unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1},
	} {
		if err := unix.SetsockoptInt(s.fd, o.level, o.option, o.value); err != nil {
			return fmt.Errorf("set %s: %w", o.name, err)
		}
	}
	// An ordinary user may not have as much, or bind to a device (before Linux 5.7). That
	// is no loss as long as packets do not come faster than they are taken; and packets
	// are sorted by interface anyhow.
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer); err != nil {
			return fmt.Errorf("set SO_RCVBUF: %w", err)
		}
	}
	if err := unix.BindToDevice(s.fd, s.name); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("bind to the interface: %w", err)
	}
	err := unix.Bind(s.fd, &unix.SockaddrInet4{Port: int(port)})
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%w: another program has the port for itself; stop it, or have the stream sent to another port", err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: ports below 1024 need the capability CAP_NET_BIND_SERVICE", err)
	}
	return os.NewSyscallError("bind", err)
}

func (s *udpSocket) join(group netip.Addr) error {
	err := s.membership(unix.IP_ADD_MEMBERSHIP, group)
	if errors.Is(err, unix.ENOBUFS) {
		// The caller makes another socket; who sees this error has had a fresh one.
		return fmt.Errorf("join %s on %s: %w; raise the sysctl net.ipv4.igmp_max_memberships or net.core.optmem_max", group, s.name, err)
	}
	if err != nil {
		return fmt.Errorf("join %s on %s: %w", group, s.name, err)
	}
	return nil
}

func (s *udpSocket) leave(group netip.Addr) error {
	return s.membership(unix.IP_DROP_MEMBERSHIP, group)
}

func (s *udpSocket) membership(option int, group netip.Addr) error {
	return unix.SetsockoptIPMreqn(s.fd, unix.IPPROTO_IP, option, &unix.IPMreqn{
		Multiaddr: group.As4(), Ifindex: int32(s.index),
	})
}

// receive waits in the kernel, not in Go's poller, which would hand what comes to one
// thread after another.
func (s *udpSocket) receive() ([]packet, error) {
	for {
		for i := range s.headers {
			s.headers[i].SetControllen(controlSize) // the kernel makes it what there was
		}
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd),
			uintptr(unsafe.Pointer(&s.headers[0])), batch, unix.MSG_WAITFORONE, 0, 0)
		if s.interrupted.Load() {
			return nil, net.ErrClosed
		}
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return nil, os.NewSyscallError("recvmmsg", errno)
		}
		wall, local := time.Now().UnixNano(), media.Now()
		for i := range n {
			h := &s.headers[i]
			p := packet{arrival: local, data: s.data[i][:h.length]}
			if h.Flags&unix.MSG_TRUNC != 0 {
				p.data = nil
			}
			p.control(s.controls[i][:h.Controllen], wall, local)
			s.packets[i] = p
		}
		return s.packets[:n], nil
	}
}

// control takes what the kernel says about the packet: where it was sent to, by which
// interface it came, how many were dropped before it if any were, and when it came. That is by the host's clock, which wall is the present time
// of; if it was set meanwhile, the packet has come only now.
func (p *packet) control(b []byte, wall, local int64) {
	for len(b) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			return
		}
		b = rest
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			info := (*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0]))
			p.link, p.to = int(info.Ifindex), info.Addr
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
			stamp := (*unix.Timespec)(unsafe.Pointer(&data[0]))
			if age := wall - stamp.Nano(); 0 <= age && age < int64(time.Second) {
				p.arrival = local - age
			}
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			p.dropped = binary.NativeEndian.Uint32(data)
		}
	}
}

// interrupt ends receive: a socket that is shut down wakes its readers, even this kind,
// which has no connection and so says it cannot be.
func (s *udpSocket) interrupt() {
	s.interrupted.Store(true)
	unix.Shutdown(s.fd, unix.SHUT_RDWR)
}

func (s *udpSocket) close() error { return os.NewSyscallError("close", unix.Close(s.fd)) }
