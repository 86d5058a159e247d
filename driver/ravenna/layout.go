package ravenna

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"aes67os/driver"
)

// abi is one of the two layouts the module's structures have. There is no command
// that tells which: the size of the answer to GetPTPStatus does.
type abi int

const (
	abi1 abi = 1 // 1.x, one network interface
	abi2 abi = 2 // 2.x, two network interfaces
)

// interfaces is the number of network interfaces a module of this ABI knows.
func (a abi) interfaces() int {
	if a == abi1 {
		return 1
	}
	return 2
}

// streamInfo is the structure for the leg of a stream. It is packed: its fields
// follow each other without alignment.
func (a abi) streamInfo(s driver.Stream, leg driver.Leg) []byte {
	const routing = 4 * driver.MaxChannels
	size := 146 + routing
	if a == abi2 {
		size++
	}
	local, destination := leg.Local.As4(), leg.Destination.Addr().As4()
	var w packed
	w.u32(uint32(size))
	w.zero(3) // no VLAN
	w.u32(uint32(leg.Interface))
	w.text(s.Name, 64)
	if s.Source {
		w.zero(8)
	} else {
		w.u32(s.PlayoutDelay)
		w.u32(s.SamplesPerPacket)
	}
	w.u32(s.SamplesPerPacket)
	w.Write(leg.DestinationMAC[:])
	w.WriteByte(s.DSCP)
	w.u32(binary.BigEndian.Uint32(local[:])) // RTCP is sent from there
	if s.Source {
		w.u32(binary.BigEndian.Uint32(local[:]))
	} else {
		w.zero(4)
	}
	w.u32(binary.BigEndian.Uint32(destination[:]))
	w.WriteByte(s.TTL)
	w.u16(leg.SourcePort)
	w.u16(leg.Destination.Port())
	w.zero(4) // ports for RTCP: none
	w.WriteByte(s.PayloadType)
	w.u32(s.SSRC)
	w.zero(1) // "SSRC is set" is the module's own note
	w.u32(s.TimestampOffset)
	w.u32(s.SampleRate)
	w.text(string(s.Codec), 10)
	w.WriteByte(byte(s.Codec.WordLength()))
	w.WriteByte(byte(len(s.Map)))
	if s.Source {
		w.WriteByte(1)
	} else {
		w.WriteByte(0)
	}
	w.u32(uint32(s.ID))
	if a == abi2 {
		w.zero(1) // the primary port's flag, which the known daemon leaves alone as well
	}
	for _, channel := range s.Map {
		w.u32(uint32(channel)) // driver.Unmapped is 0xffffffff for the module
	}
	w.zero(size - w.Len())
	return w.Bytes()
}

// packed writes fields one after the other in the host's byte order.
type packed struct{ bytes.Buffer }

func (w *packed) u16(v uint16) { w.Write(native.AppendUint16(nil, v)) }
func (w *packed) u32(v uint32) { w.Write(native.AppendUint32(nil, v)) }
func (w *packed) zero(n int)   { w.Write(make([]byte, n)) }

// text writes a string with NULs up to size.
func (w *packed) text(s string, size int) {
	w.WriteString(s)
	w.zero(size - len(s))
}

// interfaceNames is the data of SetInterfaceName. A module of ABI 1 takes a list for
// the name of one interface, which there is not, and says nothing.
func (a abi) interfaceNames(names []string) []byte {
	names = names[:min(len(names), a.interfaces())]
	return append([]byte(strings.Join(names, ",")), 0)
}

// ptpStatus reads the answer to GetPTPStatus. Its error is ErrProtocol.
func ptpStatus(data []byte) (abi, driver.PTPStatus, error) {
	var a abi
	var s driver.PTPStatus
	switch len(data) {
	case 16:
		// Lock, grandmaster, jitter.
		a = abi1
		s.Grandmaster = driver.ClockID(data[4:12])
		s.Jitter = int32(native.Uint32(data[12:]))
	case 36:
		// Lock, grandmaster of either port, state of either port, jitter of the
		// network, jitter of the clock.
		a = abi2
		s.Grandmaster = driver.ClockID(data[4:12])
		const locked = 1
		if first, second := native.Uint32(data[20:]), native.Uint32(data[24:]); first != locked && second == locked {
			s.Grandmaster = driver.ClockID(data[12:20])
		}
		s.Jitter = int32(native.Uint32(data[32:]))
	default:
		return 0, s, fmt.Errorf("%w: a PTP status of %d bytes is of no ABI known (1.x has 16, 2.x has 36); aes67d must be made for this kernel module",
			driver.ErrProtocol, len(data))
	}
	s.Lock = driver.Lock(native.Uint32(data))
	if s.Lock > driver.Locked {
		return 0, s, fmt.Errorf("%w: %s", driver.ErrProtocol, s.Lock)
	}
	return a, s, nil
}

// streamStatus reads the answer to GetRTPStreamStatus. Its error is ErrProtocol.
func streamStatus(data []byte) (driver.StreamStatus, error) {
	if len(data) != 8 {
		return driver.StreamStatus{}, sizeError(msgGetRTPStreamStatus, data)
	}
	flags := native.Uint32(data)
	return driver.StreamStatus{
		SequenceError:    flags&0x01 != 0,
		SSRCError:        flags&0x02 != 0,
		PayloadTypeError: flags&0x04 != 0,
		TimestampError:   flags&0x08 != 0,
		Receiving:        flags&0x10 != 0,
		Muted:            flags&0x20 != 0,
		SomeMuted:        flags&0x40 != 0,
		AllMuted:         flags&0x80 != 0,
		MinimumTime:      int32(native.Uint32(data[4:])),
	}, nil
}

// merge is the status of a stream of the status of its two legs. An error on either
// shows; but what has come by one leg need not come by the other.
func merge(a, b driver.StreamStatus) driver.StreamStatus {
	s := driver.StreamStatus{
		SequenceError:    a.SequenceError || b.SequenceError,
		SSRCError:        a.SSRCError || b.SSRCError,
		PayloadTypeError: a.PayloadTypeError || b.PayloadTypeError,
		TimestampError:   a.TimestampError || b.TimestampError,
		Receiving:        a.Receiving || b.Receiving,
		Muted:            a.Muted && b.Muted,
		SomeMuted:        a.SomeMuted && b.SomeMuted,
		AllMuted:         a.AllMuted && b.AllMuted,
		MinimumTime:      max(a.MinimumTime, b.MinimumTime),
	}
	switch {
	case a.Receiving && !b.Receiving:
		s.MinimumTime = a.MinimumTime
	case b.Receiving && !a.Receiving:
		s.MinimumTime = b.MinimumTime
	}
	return s
}
