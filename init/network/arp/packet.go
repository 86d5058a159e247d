// Package arp reads and writes the ARP packets (RFC 826) with which IPv4 hosts
// on Ethernet notice that two of them use one address. It knows only the one
// form in use: Ethernet hardware addresses and IPv4 protocol addresses.
//
// The kernel resolves addresses by itself. This package exists for what the
// kernel leaves to user space: probes, announcements and the watch for conflicts
// (RFC 5227), which package acd builds from it.
package arp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Size is the length of a packet in bytes, without the Ethernet header.
const Size = 28

const (
	hardwareEthernet = 1
	protocolIPv4     = 0x0800
)

// ErrNotARP is wrapped by Parse's errors.
var ErrNotARP = errors.New("not an ARP packet for IPv4 on Ethernet")

// MAC is an Ethernet hardware address.
type MAC [6]byte

// MACFrom converts a hardware address; it is the zero MAC unless hw has 6 bytes.
func MACFrom(hw net.HardwareAddr) MAC {
	var m MAC
	if len(hw) == len(m) {
		copy(m[:], hw)
	}
	return m
}

// String is the usual form, such as "02:00:5e:10:00:01".
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// Operation tells a request from a reply.
type Operation uint16

// The operations of RFC 826.
const (
	Request Operation = 1
	Reply   Operation = 2
)

// Packet is one ARP packet. Addresses are IPv4.
type Packet struct {
	Operation Operation
	SenderMAC MAC
	SenderIP  netip.Addr
	TargetMAC MAC
	TargetIP  netip.Addr
}

// Probe asks whether somebody uses addr without claiming it: the sender address
// is all zero, so that no cache learns from it (RFC 5227 §1.1, §2.1.1).
func Probe(mac MAC, addr netip.Addr) Packet {
	return Packet{Operation: Request, SenderMAC: mac, SenderIP: netip.IPv4Unspecified(), TargetIP: addr}
}

// Announcement tells everybody that mac uses addr from now on (RFC 5227 §1.1, §2.3).
func Announcement(mac MAC, addr netip.Addr) Packet {
	return Packet{Operation: Request, SenderMAC: mac, SenderIP: addr, TargetIP: addr}
}

// Marshal returns the packet's Size bytes. An address which is not IPv4 becomes 0.0.0.0.
func (p Packet) Marshal() []byte {
	b := make([]byte, 0, Size)
	b = binary.BigEndian.AppendUint16(b, hardwareEthernet)
	b = binary.BigEndian.AppendUint16(b, protocolIPv4)
	b = append(b, 6, 4)
	b = binary.BigEndian.AppendUint16(b, uint16(p.Operation))
	b = append(b, p.SenderMAC[:]...)
	b = appendIPv4(b, p.SenderIP)
	b = append(b, p.TargetMAC[:]...)
	return appendIPv4(b, p.TargetIP)
}

func appendIPv4(b []byte, a netip.Addr) []byte {
	if !a.Is4() {
		a = netip.IPv4Unspecified()
	}
	v := a.As4()
	return append(b, v[:]...)
}

// Parse reads a packet. Bytes after it are Ethernet's padding and are ignored. An
// unknown operation is not an error: RFC 5227 looks at the addresses alone.
func Parse(b []byte) (Packet, error) {
	if len(b) < Size {
		return Packet{}, fmt.Errorf("%w: %d bytes, want %d", ErrNotARP, len(b), Size)
	}
	if hw, proto := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]); hw != hardwareEthernet || proto != protocolIPv4 {
		return Packet{}, fmt.Errorf("%w: hardware type %d, protocol %#04x", ErrNotARP, hw, proto)
	}
	if b[4] != 6 || b[5] != 4 {
		return Packet{}, fmt.Errorf("%w: address lengths %d and %d", ErrNotARP, b[4], b[5])
	}
	return Packet{
		Operation: Operation(binary.BigEndian.Uint16(b[6:])),
		SenderMAC: MAC(b[8:14]),
		SenderIP:  netip.AddrFrom4([4]byte(b[14:18])),
		TargetMAC: MAC(b[18:24]),
		TargetIP:  netip.AddrFrom4([4]byte(b[24:28])),
	}, nil
}
