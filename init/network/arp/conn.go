package arp

import (
	"fmt"
	"net"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// Conn sends and receives ARP packets on one interface. Receive and Send may be
// called concurrently.
type Conn struct {
	conn *packet.Conn
}

// Listen opens a packet socket on the interface called name; that needs CAP_NET_RAW.
func Listen(name string) (*Conn, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("arp on %s: %w", name, err)
	}
	conn, err := packet.Listen(ifi, packet.Datagram, unix.ETH_P_ARP, nil)
	if err != nil {
		return nil, fmt.Errorf("arp on %s: %w", name, err)
	}
	return &Conn{conn: conn}, nil
}

// Send broadcasts p.
func (c *Conn) Send(p Packet) error {
	broadcast := &packet.Addr{HardwareAddr: net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	if _, err := c.conn.WriteTo(p.Marshal(), broadcast); err != nil {
		return fmt.Errorf("send arp: %w", err)
	}
	return nil
}

// Receive waits for the next packet that somebody else sent, and skips what Parse
// refuses. It returns an error once c is closed or the interface goes down.
func (c *Conn) Receive() (Packet, error) {
	// Ethernet pads short frames to 46 bytes of payload; the rest is cut off.
	var buf [64]byte
	for {
		n, _, err := c.conn.ReadFrom(buf[:])
		if err != nil {
			return Packet{}, fmt.Errorf("receive arp: %w", err)
		}
		if p, err := Parse(buf[:n]); err == nil {
			return p, nil
		}
	}
}

// Close ends a pending Receive.
func (c *Conn) Close() error { return c.conn.Close() }
