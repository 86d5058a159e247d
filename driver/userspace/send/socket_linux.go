package send

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"aes67os/driver"
	"aes67os/driver/userspace/nic"

	"golang.org/x/sys/unix"
)

// nowhere is where sockets are bound: a group that will never be one (RFC 1112 §4), so
// nothing arrives there. A socket bound to an address of ours would get, in the
// receiver's place, all that comes for a sink at that port.
var nowhere = [4]byte{224, 0, 0, 0}

// sendBuffer is room for all sources' packets, and then some, in bytes of kernel memory.
const sendBuffer = 4 << 20

// udp is a socket for any interface, DSCP and TTL: each message says its own. It is an
// [os.File] for its safe closing while it is used, and one that the runtime does not poll: each
// packet that has left would be an event for it, to wake up for. Package net would bind it
// elsewhere, and ipv4.PacketConn.WriteBatch takes a net.Addr apart for each packet, and its
// buffers from a pool that the garbage collector empties.
type udp struct {
	*os.File
	raw   syscall.RawConn
	write func(fd uintptr) bool // a method value made once, as it is an allocation
	// What write works on.
	batch []message
	sent  int
	errno syscall.Errno
}

// openSocket opens a socket that sends from a port, or if another program has that
// for itself, from any.
func openSocket(port uint16, log *slog.Logger) (socket, error) {
	// Not SOCK_NONBLOCK, which os.NewFile takes for a wish to have it polled.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open a socket: %w", err)
	}
	u := &udp{File: os.NewFile(uintptr(fd), "sources")}
	u.write = u.sendmmsg
	err = setOptions(fd)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(port), Addr: nowhere})
	}
	if errors.Is(err, unix.EADDRINUSE) {
		log.Warn("another program has the UDP port for itself: sources are sent from any other", "port", port)
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: nowhere})
	}
	if err == nil {
		u.raw, err = u.SyscallConn()
	}
	if err != nil {
		u.Close()
		return nil, fmt.Errorf("cannot send from UDP port %d: %w", port, err)
	}
	return u, nil
}

func setOptions(fd int) error {
	// Sinks receive at the same port.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	// Not what came for groups that other sockets have joined.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0); err != nil {
		return err
	}
	// Without the right to have it so large, there is as much as the host allows.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer) == nil {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
}

// Send implements socket.
func (u *udp) Send(batch []message) (int, syscall.Errno) {
	u.batch = batch
	if err := u.raw.Write(u.write); err != nil {
		return 0, unix.EBADF // closed meanwhile
	}
	return u.sent, u.errno
}

// sendmmsg is a raw system call: it does not wait, and should not lend its place
// to run Go code, which it might not get back in time.
func (u *udp) sendmmsg(fd uintptr) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd,
		uintptr(unsafe.Pointer(unsafe.SliceData(u.batch))), uintptr(len(u.batch)), unix.MSG_DONTWAIT, 0, 0)
	u.sent, u.errno = int(n), errno
	if errno != 0 {
		u.sent = 0
	}
	return true // never wait for room: what cannot be sent now is late
}

// message is the kernel's struct mmsghdr, for one packet.
type message struct {
	header unix.Msghdr
	length uint32
}

// absent is the index of an interface that is not there. The kernel refuses it.
const absent = -1

func findInterface(name string) (index int32) {
	if i, _ := nic.Find(name); i > 0 {
		return int32(i)
	}
	return absent
}

// newMessage makes the message that sends a packet over a leg. All it points to is its own,
// but for the packet. The interface is still to be set.
func newMessage(packet []byte, leg driver.Leg, dscp, ttl uint8) message {
	port := leg.Destination.Port()
	// The port is in the order of the wire.
	to := &unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: leg.Destination.Addr().As4()}
	*(*[2]byte)(unsafe.Pointer(&to.Port)) = [2]byte{byte(port >> 8), byte(port)}

	control := appendControl(nil, unix.IP_PKTINFO, unix.Inet4Pktinfo{Ifindex: absent, Spec_dst: leg.Local.As4()})
	control = appendControl(control, unix.IP_TOS, int32(dscp)<<2)
	// The kernel sends none with TTL 0; 1 is as good, as both do not leave the network.
	control = appendControl(control, unix.IP_TTL, int32(max(ttl, 1)))

	iov := &unix.Iovec{Base: unsafe.SliceData(packet)}
	iov.SetLen(len(packet))
	var m message
	m.header.Name, m.header.Namelen = (*byte)(unsafe.Pointer(to)), unix.SizeofSockaddrInet4
	m.header.Iov = iov
	m.header.SetIovlen(1)
	m.header.Control = unsafe.SliceData(control)
	m.header.SetControllen(len(control))
	return m
}

// setLink makes an interface that which the message is sent by. It may be called while
// it is sent.
func (m *message) setLink(index int32) {
	// The first control message's data begins with it.
	atomic.StoreInt32((*int32)(unsafe.Add(unsafe.Pointer(m.header.Control), unix.CmsgLen(0))), index)
}

// appendControl appends a control message for IP (cmsg(3)).
func appendControl[T unix.Inet4Pktinfo | int32](b []byte, kind int32, value T) []byte {
	size := int(unsafe.Sizeof(value))
	at := len(b)
	b = append(b, make([]byte, unix.CmsgSpace(size))...)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[at]))
	h.Level, h.Type = unix.IPPROTO_IP, kind
	h.SetLen(unix.CmsgLen(size))
	*(*T)(unsafe.Pointer(&b[at+unix.CmsgLen(0)])) = value
	return b
}
