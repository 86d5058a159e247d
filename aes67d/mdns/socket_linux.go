package mdns

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"aes67os/aes67d/wire"

	"golang.org/x/net/ipv4"
)

// maxPacket is the longest packet, headers included (RFC 6762 §17).
const maxPacket = 9000

// Socket is the [Wire] of a host's real links: one UDP socket for all of them, which
// tells by which link a packet came and goes.
type Socket struct {
	conn *ipv4.PacketConn
}

// Open returns a socket on port 5353 that shares the port with other responders.
func Open(ctx context.Context) (*Socket, error) {
	_, conn, err := wire.Listen(ctx, Port)
	if err != nil {
		return nil, err
	}
	return &Socket{conn: conn}, nil
}

func group() *net.UDPAddr { return &net.UDPAddr{IP: Group.AsSlice(), Port: Port} }

// Join implements [Wire].
func (s *Socket) Join(link int) error {
	if err := s.conn.JoinGroup(&net.Interface{Index: link}, group()); err != nil {
		return fmt.Errorf("join %s: %w", Group, err)
	}
	return nil
}

// Leave implements [Wire].
func (s *Socket) Leave(link int) error {
	if err := s.conn.LeaveGroup(&net.Interface{Index: link}, group()); err != nil {
		return fmt.Errorf("leave %s: %w", Group, err)
	}
	return nil
}

// Send implements [Wire].
func (s *Socket) Send(p Packet) error {
	_, err := s.conn.WriteTo(p.Data, &ipv4.ControlMessage{IfIndex: p.Link}, net.UDPAddrFromAddrPort(p.Peer))
	return err
}

// Receive implements [Wire].
func (s *Socket) Receive() (Packet, error) {
	b := make([]byte, maxPacket)
	for {
		n, control, from, err := s.conn.ReadFrom(b)
		if err != nil {
			return Packet{}, err
		}
		peer, ok := from.(*net.UDPAddr)
		if !ok || control == nil {
			continue // without them nobody knows the link; Linux always tells
		}
		to, _ := netip.AddrFromSlice(control.Dst)
		address := peer.AddrPort()
		return Packet{
			Link:  control.IfIndex,
			Peer:  netip.AddrPortFrom(address.Addr().Unmap(), address.Port()),
			Group: to.Unmap() == Group,
			Data:  b[:n],
		}, nil
	}
}

// Close implements [Wire].
func (s *Socket) Close() error { return s.conn.Close() }
