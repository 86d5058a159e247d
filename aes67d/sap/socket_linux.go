package sap

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"aes67os/aes67d/wire"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// receiveBuffer is room for the bursts of many devices, in bytes. The kernel gives what
// net.core.rmem_max allows.
const receiveBuffer = 1 << 20

// Socket is the [Wire] of a host's real interfaces: one UDP socket for all of them,
// which tells by which interface a packet came and goes.
type Socket struct {
	conn *ipv4.PacketConn
	raw  syscall.RawConn
	// buffer has one byte more than is allowed, to see what is too long.
	buffer [maxPacket + 1]byte
}

// Open returns a socket on port 9875 that shares the port with other programs. It
// belongs to the network namespace of the calling thread.
func Open(ctx context.Context) (*Socket, error) {
	udp, conn, err := wire.Listen(ctx, Port)
	if err != nil {
		return nil, err
	}
	if err := udp.SetReadBuffer(receiveBuffer); err != nil {
		udp.Close()
		return nil, fmt.Errorf("set up the SAP socket: %w", err)
	}
	raw, err := udp.SyscallConn()
	if err != nil {
		udp.Close()
		return nil, fmt.Errorf("set up the SAP socket: %w", err)
	}
	return &Socket{conn: conn, raw: raw}, nil
}

// Join implements [Wire].
func (s *Socket) Join(iface int, group netip.Addr) error {
	if err := s.conn.JoinGroup(&net.Interface{Index: iface}, &net.UDPAddr{IP: group.AsSlice()}); err != nil {
		return fmt.Errorf("join %s: %w", group, err)
	}
	return nil
}

// Leave implements [Wire].
func (s *Socket) Leave(iface int, group netip.Addr) error {
	if err := s.conn.LeaveGroup(&net.Interface{Index: iface}, &net.UDPAddr{IP: group.AsSlice()}); err != nil {
		return fmt.Errorf("leave %s: %w", group, err)
	}
	return nil
}

// Send implements [Wire]. What an interface cannot take at once is lost: it must not
// hold up the others.
func (s *Socket) Send(d Datagram) error {
	how := (&ipv4.ControlMessage{IfIndex: d.Interface, Src: d.From.AsSlice()}).Marshal()
	to := &unix.SockaddrInet4{Port: Port, Addr: d.Group.As4()}
	var failed error
	err := s.raw.Write(func(fd uintptr) (done bool) {
		_, failed = unix.SendmsgN(int(fd), d.Data, how, to, unix.MSG_DONTWAIT)
		return true
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("sendmsg", failed)
}

// Receive implements [Wire]. It must be called by one goroutine at a time.
func (s *Socket) Receive() (Datagram, error) {
	for {
		n, control, from, err := s.conn.ReadFrom(s.buffer[:])
		if err != nil {
			return Datagram{}, err
		}
		peer, ok := from.(*net.UDPAddr)
		if !ok || control == nil || n > maxPacket {
			continue // without them nobody knows the interface; Linux always tells
		}
		group, _ := netip.AddrFromSlice(control.Dst)
		if !group.Unmap().IsMulticast() {
			continue // it may be from anywhere
		}
		return Datagram{
			Interface: control.IfIndex,
			Group:     group.Unmap(),
			From:      peer.AddrPort().Addr().Unmap(),
			Data:      bytes.Clone(s.buffer[:n]),
		}, nil
	}
}

// Close implements [Wire].
func (s *Socket) Close() error { return s.conn.Close() }
