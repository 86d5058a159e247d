package platform

import (
	"fmt"
	"net"
	"net/netip"

	"aes67os/driver"
)

// The streams' group of the first, those of others following, is one that no default
// configuration has.
const (
	firstGroup  = "239.255.67.1"
	udpPort     = 5004
	payloadType = 98
	dscp        = 34 // AF41, AES67-2018 §6.3
	firstSSRC   = 0x61657301
)

// streams are a source for all channels, and the sink for each source, as few as packets
// allow and with as equal numbers of channels. They do not leave the network that they are
// sent on.
func streams(o *options, delay int, local netip.Addr) (sources, sinks []driver.Stream) {
	most := driver.MaxPayload / (o.packet * o.format.codec.WordLength())
	n := (o.channels + most - 1) / most
	group := netip.MustParseAddr(firstGroup)
	for i := range n {
		mac := group.As4()
		s := driver.Stream{
			ID: i, Name: fmt.Sprintf("platform test %d", i+1), Codec: o.format.codec, SampleRate: o.rate,
			SamplesPerPacket: uint32(o.packet), PayloadType: payloadType, DSCP: dscp, TTL: 1,
			Legs: []driver.Leg{{
				Local: local, Destination: netip.AddrPortFrom(group, udpPort), SourcePort: udpPort,
				DestinationMAC: [6]byte{0x01, 0x00, 0x5e, mac[1] & 0x7f, mac[2], mac[3]}, // RFC 1112 §6.4
			}},
		}
		for channel := i * o.channels / n; channel < (i+1)*o.channels/n; channel++ {
			s.Map = append(s.Map, channel)
		}
		sink := s
		sink.PlayoutDelay = uint32(delay)
		s.Source, s.SSRC = true, firstSSRC+uint32(i)
		sources, sinks = append(sources, s), append(sinks, sink)
		group = group.Next()
	}
	return sources, sinks
}

// address is the first IPv4 address of a network interface.
func address(name string) (netip.Addr, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("network interface %s: %w", name, err)
	}
	all, err := i.Addrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("network interface %s: %w", name, err)
	}
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Is4() {
			return prefix.Addr(), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("network interface %s has no IPv4 address: give it one, or choose another by -interface", name)
}
