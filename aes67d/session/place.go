package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"

	"aes67os/driver"
)

// placed is what the driver has of a source or sink.
type placed struct {
	// epoch is that of the driver when the stream was added; 0 if there is none.
	epoch  uint64
	handle driver.Handle
	stream driver.Stream
}

// in tells whether the driver still has the stream.
func (p placed) in(st *state) bool { return p.epoch != 0 && p.epoch == st.epoch && st.available }

// ready tells whether streams can be placed: the driver works and the primary
// interface has an address.
func (st *state) ready() bool {
	return st.available && len(st.settings.Addresses) > 0 && st.settings.Addresses[0].IsValid()
}

// errNoAddress is why streams wait when it is not the driver.
var errNoAddress = fmt.Errorf("%w: its network interface has no IPv4 address yet", driver.ErrUnavailable)

// waiting is why streams are not in the driver, nil if they can be.
func (st *state) waiting() error {
	switch {
	case !st.available && st.problem != nil:
		return st.problem
	case !st.available:
		return driver.ErrUnavailable
	case !st.ready():
		return errNoAddress
	}
	return nil
}

// waiting is why a stream is not in the driver.
func (p placement) waiting(st *state) error {
	if err := st.waiting(); err != nil {
		return err
	}
	return fmt.Errorf("%w: the stream could not be added, trying again: %s", driver.ErrUnavailable, p.trouble)
}

// place brings the driver from what it has to what it should have, nil for nothing,
// and returns what it has then: on an error what it had before, as far as possible. A
// driver that is not available is no error; the stream waits for it.
func (m *Manager) place(ctx context.Context, st *state, has placed, want *driver.Stream) (placed, error) {
	if has.in(st) && want != nil && reflect.DeepEqual(has.stream, *want) {
		return has, nil
	}
	if has.in(st) {
		if err := m.Driver.Remove(ctx, has.handle); err != nil && !gone(err) {
			// The known daemon goes on as well: a stream too many is better than
			// none of the new kind.
			m.Log.Warn("the driver did not remove a stream that is to be replaced", "name", has.stream.Name, "error", err)
		}
	}
	if want == nil {
		return placed{}, nil
	}
	handle, err := m.Driver.Add(ctx, *want)
	if err == nil {
		return placed{epoch: st.epoch, handle: handle, stream: *want}, nil
	}
	if errors.Is(err, driver.ErrUnavailable) {
		return placed{}, nil
	}
	if has.in(st) {
		if handle, again := m.Driver.Add(ctx, has.stream); again == nil {
			has.handle = handle
			return has, err
		}
	}
	return placed{}, err
}

// unplace takes a stream from the driver for good.
func (m *Manager) unplace(ctx context.Context, st *state, has placed) error {
	if !has.in(st) {
		return nil
	}
	if err := m.Driver.Remove(ctx, has.handle); err != nil && !gone(err) {
		return err
	}
	return nil
}

// gone tells of a driver's error that the stream is not there any more.
func gone(err error) bool {
	return errors.Is(err, driver.ErrNoStream) || errors.Is(err, driver.ErrUnavailable)
}

// leg is a stream's way over the interface of a port, to a group or to us; ok is false if
// the interface has no address.
func (st *state) leg(port int, destination netip.AddrPort) (leg driver.Leg, ok bool) {
	local := st.settings.Addresses[port]
	if !local.IsValid() {
		return driver.Leg{}, false
	}
	leg = driver.Leg{Interface: port, Local: local, Destination: destination}
	mac := st.settings.Interfaces[port].MAC
	if destination.Addr().IsMulticast() {
		mac = groupMAC(destination.Addr())
	}
	copy(leg.DestinationMAC[:], mac)
	return leg, true
}

// groupMAC is the Ethernet address of a multicast group (RFC 1112 §6.4).
func groupMAC(group netip.Addr) net.HardwareAddr {
	b := group.As4()
	return net.HardwareAddr{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]}
}

// placeAll derives everything anew and brings the driver there. What cannot be done is
// left for another time, and the state is troubled.
func (m *Manager) placeAll(ctx context.Context, next *state, found map[host]*whereabouts) {
	placeEach(ctx, m, next, &next.sources, func(s *source) (*driver.Stream, error) {
		next.describe(s)
		return m.wantSource(ctx, next, s, found)
	})
	placeEach(ctx, m, next, &next.sinks, func(s *sink) (*driver.Stream, error) { return next.wantSink(s), nil })
}

// troubled tells whether there is something that could not be placed although all was
// there, which may come by itself.
func (st *state) troubled() bool { return troubled(&st.sources) || troubled(&st.sinks) }
