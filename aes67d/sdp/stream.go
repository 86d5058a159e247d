package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	pion "github.com/pion/sdp/v3"

	"aes67os/driver"
)

// streams reads an m= line with what belongs to it: one stream, or two when it says that
// the same travels twice. Attributes that the stream does not have are the session's.
func (r *reader) streams(session *pion.SessionDescription, m *pion.MediaDescription) ([]Stream, error) {
	get := func(name string) []string {
		if v := values(m.Attributes, name); len(v) > 0 {
			return v
		}
		return values(session.Attributes, name)
	}
	s, err := format(m.MediaName.Formats, get("rtpmap"))
	if err != nil {
		return nil, err
	}
	s.SamplesPerPacket = r.samplesPerPacket(s, get("framecount"), get("ptime"), get("maxptime"))
	s.TimestampOffset = r.timestampOffset(get("mediaclk"), get("sync-time"))
	s.Clock = r.clock(get("ts-refclk"), get("clock-domain"))
	if len(get("inactive")) > 0 {
		r.warn("a=inactive", "nothing is sent at present")
	}

	connections := values(m.Attributes, secondConnection)
	if c := m.ConnectionInformation; c != nil {
		connections = slices.Insert(connections, 0, c.String())
	} else if c := session.ConnectionInformation; c != nil {
		connections = append(connections, c.String())
	}
	if len(connections) == 0 {
		return nil, errors.New("there is no c= line, so nothing says where the stream goes")
	}
	var streams []Stream
	for _, c := range connections[:min(len(connections), 2)] {
		leg := s
		address, ttl, err := r.destination(c)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", cut("c="+c), err)
		}
		leg.Destination = netip.AddrPortFrom(address, uint16(m.MediaName.Port.Value))
		leg.TTL = ttl
		leg.Sources = r.sources(get("source-filter"), address)
		streams = append(streams, leg)
	}
	if len(streams) == 1 && len(streams[0].Sources) == 2 && duplicated(m) {
		second := streams[0]
		second.Sources = second.Sources[1:]
		streams[0].Sources = streams[0].Sources[:1]
		streams = append(streams, second)
	}
	return streams, nil
}

// duplicated tells whether the sources of a stream send the same (RFC 7104 §4.2).
func duplicated(m *pion.MediaDescription) bool {
	return slices.ContainsFunc(values(m.Attributes, "ssrc-group"), func(group string) bool {
		return strings.HasPrefix(group, "DUP ")
	})
}

// format finds the first payload type that we can play and what it stands for.
func format(payloads, rtpmaps []string) (Stream, error) {
	var reason error
	for _, payload := range payloads {
		s, err := payloadFormat(payload, rtpmaps)
		if err == nil {
			return s, nil
		}
		if reason == nil {
			reason = err
		}
	}
	return Stream{}, reason
}

// payloadFormat reads the rtpmap of a payload type: "97 L24/48000/2". Without channels
// it is one channel (RFC 8866 §6.6).
func payloadFormat(payload string, rtpmaps []string) (Stream, error) {
	number, err := strconv.ParseUint(payload, 10, 7)
	if err != nil {
		return Stream{}, fmt.Errorf("payload type %q is not a number from 0 to 127", cut(payload))
	}
	s := Stream{PayloadType: uint8(number)}
	for _, rtpmap := range rtpmaps {
		of, encoding, _ := strings.Cut(rtpmap, " ")
		if n, err := strconv.ParseUint(of, 10, 7); err != nil || n != number {
			continue
		}
		part := strings.Split(strings.TrimSpace(encoding), "/")
		s.Codec = strings.ToUpper(part[0]) // names of codecs have no case (RFC 8866 §6.6)
		if len(part) > 1 {
			rate, err := strconv.ParseUint(part[1], 10, 32)
			if err != nil {
				return Stream{}, fmt.Errorf("%q: sample rate %q is not a number", cut("a=rtpmap:"+rtpmap), cut(part[1]))
			}
			s.SampleRate = uint32(rate)
		}
		s.Channels = 1
		if len(part) > 2 && part[2] != "" {
			if s.Channels, err = strconv.Atoi(part[2]); err != nil {
				return Stream{}, fmt.Errorf("%q: number of channels %q is not a number", cut("a=rtpmap:"+rtpmap), cut(part[2]))
			}
		}
		if err := s.checkFormat(); err != nil {
			return Stream{}, fmt.Errorf("%q: %w", cut("a=rtpmap:"+rtpmap), err)
		}
		return s, nil
	}
	switch number { // RFC 3551 table 4
	case 10:
		s.Codec, s.SampleRate, s.Channels = string(driver.L16), 44100, 2
	case 11:
		s.Codec, s.SampleRate, s.Channels = string(driver.L16), 44100, 1
	default:
		return Stream{}, fmt.Errorf("no a=rtpmap line says what payload type %d is", number)
	}
	return s, nil
}

// destination reads the value of a repaired c= line (RFC 8866 §5.7): "IN IP4
// 239.1.2.3/32".
func (r *reader) destination(c string) (netip.Addr, uint8, error) {
	f := strings.Fields(c)
	if f[1] != "IP4" {
		return netip.Addr{}, 0, errors.New("IPv6 is not supported, only IPv4")
	}
	host, rest, _ := strings.Cut(f[2], "/")
	address, err := netip.ParseAddr(host)
	if err != nil || !address.Is4() {
		return netip.Addr{}, 0, fmt.Errorf("%q is not an IPv4 address", cut(host))
	}
	if address.IsUnspecified() || address == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}, 0, fmt.Errorf("%s is not an address to send to", address)
	}
	if !address.IsMulticast() {
		return address, 0, nil
	}
	number, count, _ := strings.Cut(rest, "/")
	ttl, err := strconv.ParseUint(number, 10, 8)
	if err != nil {
		ttl = 0
		r.warn("c="+c, "a multicast address without a TTL of 0 to 255")
	}
	if count != "" && count != "1" {
		r.warn("c="+c, "several addresses, of which only the first is used")
	}
	return address, uint8(ttl), nil
}

// sources reads the source-filter attributes (RFC 4570 §3) that are about a destination:
// "incl IN IP4 239.1.2.3 192.168.1.2 192.168.1.3".
func (r *reader) sources(filters []string, destination netip.Addr) []netip.Addr {
	var sources []netip.Addr
	for _, filter := range filters {
		f := strings.Fields(filter)
		if len(f) < 5 || f[0] != "incl" {
			r.warn("a=source-filter:"+filter, "passed over: only filters that include sources are supported")
			continue
		}
		if f[3] != "*" && f[3] != destination.String() {
			continue // of another stream of the session, or another leg
		}
		for _, host := range f[4:] {
			source, err := netip.ParseAddr(host)
			if err != nil || !source.Is4() {
				r.warn("a=source-filter:"+filter, "source %q is not an IPv4 address", cut(host))
				continue
			}
			if !slices.Contains(sources, source) && len(sources) < maxSources {
				sources = append(sources, source)
			}
		}
	}
	return sources
}

// timestampOffset reads mediaclk, and without it sync-time, which says the same in
// RAVENNA's older way.
func (r *reader) timestampOffset(mediaclks, syncTimes []string) uint32 {
	for _, value := range mediaclks {
		clock, _, _ := strings.Cut(value, " ") // " rate=48000/1" may follow
		kind, offset, _ := strings.Cut(clock, "=")
		if kind != "direct" {
			r.warn("a=mediaclk:"+value, "timestamps have no known relation to the clock")
			continue
		}
		if offset == "" {
			return 0
		}
		n, err := strconv.ParseUint(offset, 10, 32)
		if err != nil {
			r.warn("a=mediaclk:"+value, "offset %q is not a 32-bit number", cut(offset))
			continue
		}
		return uint32(n)
	}
	for _, value := range syncTimes {
		if n, err := strconv.ParseUint(value, 10, 32); err == nil {
			return uint32(n)
		}
		r.warn("a=sync-time:"+value, "not a 32-bit number")
	}
	return 0
}
