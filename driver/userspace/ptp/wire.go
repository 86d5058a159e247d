package ptp

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// The multicast group and the ports of IEEE 1588-2008 annex D.
const (
	eventPort   = 319
	generalPort = 320
)

var group = netip.AddrFrom4([4]byte{224, 0, 1, 129})

// packet is a PTP message as it came.
type packet struct {
	data []byte
	from netip.Addr
	// stamp is when it came, in raw time, if stamped. Only event messages are.
	stamp   int64
	stamped bool
}

// stamping is where a wire's timestamps come from.
type stamping struct {
	// hardware tells that the network card takes them, else the kernel does. why is why
	// the card does not.
	hardware bool
	why      error
}

func (s stamping) String() string {
	if s.hardware {
		return "hardware"
	}
	return "software"
}

// errNoHardware is why most interfaces have no timestamps of their own.
var errNoHardware = errors.New("the network interface has no clock")

// wire is a port's end of a link. Whatever clock its timestamps are of, who uses it sees
// raw time only.
type wire interface {
	// MAC is the interface's hardware address.
	MAC() net.HardwareAddr
	// Stamping tells where timestamps come from at present. It may be called at any time.
	Stamping() stamping
	// SendEvent sends a message to port 319 and returns the raw time at which it left,
	// and whether that is known.
	SendEvent(b []byte, to netip.Addr) (stamp int64, stamped bool, err error)
	// SendGeneral sends a message to port 320.
	SendGeneral(b []byte, to netip.Addr) error
	// Receive has every packet delivered, by several goroutines, until the wire is closed or
	// the interface has gone, and tells why. A packet's data is good until deliver returns.
	Receive(deliver func(packet)) error
	// Close makes Receive return. It may be called more than once.
	Close()
}

// opener opens the wire of an interface, by its name.
type opener func(ctx context.Context, name string, dscp uint8, h *host) (wire, error)
