// Package wire is what the announcing protocols have in common below their messages: a
// UDP port that several programs of a host share, multicast over all interfaces, and
// reading in a goroutine of its own.
package wire

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// ttl of what is sent, to groups and to hosts (RFC 2974 §3, RFC 6762 §11).
const ttl = 255

// Listen returns a socket on the port, which other programs may have open as well. It
// receives what is sent to groups that it has joined, and no other, tells by which
// interface a packet came, and what it sends to a group comes to this host's programs,
// too. It belongs to the network namespace of the calling thread.
func Listen(ctx context.Context, port uint16) (*net.UDPConn, *ipv4.PacketConn, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			for _, o := range []struct{ level, option, value int }{
				{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
				{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1}, // some programs set only this one
				// Without this the kernel also delivers what arrives on interfaces
				// that some other program has joined a group on.
				{unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0},
			} {
				if failed == nil {
					failed = unix.SetsockoptInt(int(fd), o.level, o.option, o.value)
				}
			}
		})
		if err != nil {
			return err
		}
		return failed
	}}
	listener, err := config.ListenPacket(ctx, "udp4", fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, nil, fmt.Errorf("open UDP port %d: %w", port, err)
	}
	udp := listener.(*net.UDPConn) // which it is, of "udp4"
	conn := ipv4.NewPacketConn(udp)
	for _, set := range []func() error{
		func() error { return conn.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true) },
		func() error { return conn.SetMulticastTTL(ttl) },
		func() error { return conn.SetTTL(ttl) },
		func() error { return conn.SetMulticastLoopback(true) },
	} {
		if err := set(); err != nil {
			udp.Close()
			return nil, nil, fmt.Errorf("set up UDP port %d: %w", port, err)
		}
	}
	return udp, conn, nil
}
