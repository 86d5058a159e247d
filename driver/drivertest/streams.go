package drivertest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"aes67os/driver"
)

// stream is one that every driver with configuration c can have: stereo in AES67's
// packets of 1 ms, with a leg on each interface.
func stream(c driver.Config, id int, source bool) driver.Stream {
	s := driver.Stream{
		ID: id, Source: source, Name: fmt.Sprintf("sink %d", id), Codec: driver.L24,
		SampleRate: 48000, SamplesPerPacket: 48, PayloadType: 98, DSCP: 34, TTL: 15,
		Map: []int{2 * id % driver.MaxChannels, 2*id%driver.MaxChannels + 1},
	}
	if source {
		s.Name, s.SSRC = fmt.Sprintf("source %d", id), 0x1000+uint32(id)
	} else {
		s.PlayoutDelay = 576
	}
	for i := range c.Interfaces {
		leg := driver.Leg{
			Interface:      i,
			Local:          netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i)}),
			Destination:    netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 1, byte(i), byte(1 + id)}), 5004),
			DestinationMAC: [6]byte{0x01, 0x00, 0x5e, 0x01, byte(i), byte(1 + id)},
		}
		if source {
			leg.SourcePort = 5004
		}
		s.Legs = append(s.Legs, leg)
	}
	return s
}

// invalidStreams adds streams that cannot be. Nothing of them may stay.
func invalidStreams(t *testing.T, s Subject) {
	r := available(t, s)
	for what, spoil := range map[string]func(*driver.Stream){
		"id 64":            func(s *driver.Stream) { s.ID = driver.MaxStreams },
		"id -1":            func(s *driver.Stream) { s.ID = -1 },
		"nameless":         func(s *driver.Stream) { s.Name = "" },
		"long name":        func(s *driver.Stream) { s.Name = strings.Repeat("n", 64) },
		"NUL in the name":  func(s *driver.Stream) { s.Name = "a\x00b" },
		"unknown codec":    func(s *driver.Stream) { s.Codec = "MP3" },
		"no rate":          func(s *driver.Stream) { s.SampleRate = 0 },
		"empty packets":    func(s *driver.Stream) { s.SamplesPerPacket = 0 },
		"payload type 128": func(s *driver.Stream) { s.PayloadType = 128 },
		"DSCP 64":          func(s *driver.Stream) { s.DSCP = 64 },
		"no channels":      func(s *driver.Stream) { s.Map = nil },
		"65 channels":      func(s *driver.Stream) { s.Map, s.SamplesPerPacket = make([]int, driver.MaxChannels+1), 1 },
		"channel 64":       func(s *driver.Stream) { s.Map = []int{0, driver.MaxChannels} },
		"channel -2":       func(s *driver.Stream) { s.Map = []int{-2, 0} },
		"no legs":          func(s *driver.Stream) { s.Legs = nil },
		"three legs":       func(s *driver.Stream) { s.Legs = slices.Repeat(s.Legs[:1], 3) },
		"one way twice":    func(s *driver.Stream) { s.Legs = slices.Repeat(s.Legs[:1], 2) },
		"interface 2":      func(s *driver.Stream) { s.Legs[0].Interface = 2 },
		"interface -1":     func(s *driver.Stream) { s.Legs[0].Interface = -1 },
		"no local address": func(s *driver.Stream) { s.Legs[0].Local = netip.Addr{} },
		"no destination":   func(s *driver.Stream) { s.Legs[0].Destination = netip.AddrPort{} },
		"destination by IPv6": func(s *driver.Stream) {
			s.Legs[0].Destination = netip.MustParseAddrPort("[ff3e::1]:5004")
		},
		"last leg": func(s *driver.Stream) { s.Legs[len(s.Legs)-1].Local = netip.IPv4Unspecified() },
		"more than a packet holds": func(s *driver.Stream) {
			s.Source, s.SamplesPerPacket = true, driver.MaxPayload/3/2+1
		},
		"played before it is whole": func(s *driver.Stream) { s.Source, s.PlayoutDelay = false, s.SamplesPerPacket-1 },
	} {
		for _, source := range []bool{true, false} {
			bad := stream(s.Config, 0, source)
			spoil(&bad)
			_, err := s.Driver.Add(t.Context(), bad)
			isErr(t, fmt.Sprintf("Add(%s, source %v)", what, source), err, driver.ErrInvalid)
			r.legs(0)
		}
	}
	full := stream(s.Config, driver.MaxStreams-1, true)
	full.Name, full.Codec = strings.Repeat("n", 63), driver.L16
	full.Map, full.SamplesPerPacket = make([]int, driver.MaxChannels), 6
	r.add(full)
	part := stream(s.Config, 0, false)
	part.Map[0] = driver.Unmapped
	r.add(part)
	r.legs(2 * len(s.Config.Interfaces))
	r.finish()
}
