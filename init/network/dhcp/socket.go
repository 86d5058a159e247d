package dhcp

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Sockets opens the two kinds of socket a client needs. Addresses written to and
// read from them are *net.UDPAddr.
type Sockets interface {
	// Packet works while the interface has no address; all it sends is broadcast.
	Packet() (net.PacketConn, error)
	// UDP is for renewals, when the kernel has the address and can route.
	UDP() (net.PacketConn, error)
}

// Interface opens Sockets on the interface of that name. It needs CAP_NET_RAW and
// the right to bind port 68.
type Interface string

// Packet implements Sockets.
func (i Interface) Packet() (net.PacketConn, error) {
	ifi, err := net.InterfaceByName(string(i))
	if err != nil {
		return nil, fmt.Errorf("dhcp on %s: %w", i, err)
	}
	filter, err := bpf.Assemble(toClient())
	if err != nil {
		return nil, fmt.Errorf("dhcp on %s: packet filter: %w", i, err)
	}
	conn, err := packet.Listen(ifi, packet.Datagram, unix.ETH_P_IP, &packet.Config{Filter: filter})
	if err != nil {
		return nil, fmt.Errorf("dhcp on %s: %w", i, err)
	}
	return nclient4.NewBroadcastUDPConn(conn, &net.UDPAddr{Port: dhcpv4.ClientPort}), nil
}

// UDP implements Sockets.
func (i Interface) UDP() (net.PacketConn, error) {
	bind := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		ctlErr := raw.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), string(i)) })
		if ctlErr != nil {
			return ctlErr
		}
		return err
	}}
	conn, err := bind.ListenPacket(context.Background(), "udp4", ":"+strconv.Itoa(dhcpv4.ClientPort))
	if err != nil {
		return nil, fmt.Errorf("dhcp on %s: %w", i, err)
	}
	return conn, nil
}

// toClient is the packet filter for IPv4 UDP to the client's port. Without it every
// audio packet the box receives would wake the client while it waits.
func toClient() []bpf.Instruction {
	const ipProtocol, ipFragment, udpDestination = 9, 6, 2
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: ipProtocol, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 6},
		bpf.LoadAbsolute{Off: ipFragment, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 4},
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: udpDestination, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: dhcpv4.ClientPort, SkipTrue: 1},
		bpf.RetConstant{Val: 1 << 16},
		bpf.RetConstant{Val: 0},
	}
}
