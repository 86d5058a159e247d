package session

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"aes67os/driver"
)

// maxPayload is the most bytes of audio in a packet (AES67-2018 §6.4): more would not
// fit an Ethernet frame.
const maxPayload = 1440

// maxName is the longest name of a stream in bytes, the driver's limit.
const maxName = 63

// packetSizes are the samples per packet that a source can have.
var packetSizes = []uint32{6, 12, 16, 48, 96, 192}

// invalid returns an error for a value that cannot be.
func invalid(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, a...))
}

func checkID(id int) error {
	if id < 0 || id >= driver.MaxStreams {
		return fmt.Errorf("%w: ids are 0 to %d", ErrInvalidID, driver.MaxStreams-1)
	}
	return nil
}

// checkLabels tells what is wrong with the members that sources and sinks have in common.
func checkLabels(id int, name, io string) error {
	if err := checkID(id); err != nil {
		return err
	}
	if err := checkText("name", name, 1, maxName); err != nil {
		return err
	}
	return checkText("io", io, 0, 255)
}

// check tells what is wrong with the source's members, each by itself.
func (s *Source) check() error {
	if err := checkLabels(s.ID, s.Name, s.IO); err != nil {
		return err
	}
	if s.Codec.WordLength() == 0 {
		return invalid("codec cannot be %q, only L16, L24 or AM824", s.Codec)
	}
	if !slices.Contains(packetSizes, s.MaxSamplesPerPacket) {
		return invalid("max_samples_per_packet cannot be %d, only one of %d", s.MaxSamplesPerPacket, packetSizes)
	}
	if s.Address != "" {
		a, err := netip.ParseAddr(s.Address)
		if err != nil || !a.Is4() || a.IsUnspecified() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			return invalid("address cannot be %q, only an IPv4 address of a multicast group or of one host, or empty for the default", s.Address)
		}
	}
	if s.TTL == 0 {
		return invalid("ttl cannot be 0, only 1 to 255")
	}
	if s.PayloadType < 77 || s.PayloadType > 127 {
		return invalid("payload_type cannot be %d, only 77 to 127", s.PayloadType)
	}
	if s.DSCP > 63 {
		return invalid("dscp cannot be %d, only 0 to 63", s.DSCP)
	}
	if err := checkMap(s.Map, false); err != nil {
		return err
	}
	if size := len(s.Map) * s.Codec.WordLength(); size*int(s.MaxSamplesPerPacket) > maxPayload {
		return invalid("%d channels of %s with %d samples are %d bytes in a packet, and %d fit: at most %d samples, or fewer channels",
			len(s.Map), s.Codec, s.MaxSamplesPerPacket, size*int(s.MaxSamplesPerPacket), maxPayload, maxPayload/size)
	}
	return nil
}

// check tells what is wrong with the sink's members, each by itself.
func (s *Sink) check() error {
	if err := checkLabels(s.ID, s.Name, s.IO); err != nil {
		return err
	}
	if err := checkText("source", s.Source, 0, 2048); err != nil {
		return err
	}
	if s.Delay > maxDelay {
		return invalid("delay cannot be %d samples, at most %d", s.Delay, maxDelay)
	}
	return checkMap(s.Map, true)
}

// maxDelay is the longest link offset in samples, about what drivers can buffer.
const maxDelay = 65536

// checkText tells whether the member's value is text of between low and high bytes
// that fits a line, as SDP and logs have them.
func checkText(member, value string, low, high int) error {
	switch {
	case len(value) < low:
		return invalid("%s is empty", member)
	case len(value) > high:
		return invalid("%s has %d bytes, at most %d are possible", member, len(value), high)
	case !utf8.ValidString(value):
		return invalid("%s is not UTF-8 text", member)
	case strings.ContainsFunc(value, unicode.IsControl):
		return invalid("%s has control characters in it", member)
	}
	return nil
}

// checkMap tells whether the map has channels of the device, or none for a channel of the
// stream; exclusive tells that no channel may be there twice, as two streams' channels
// cannot fill one of the device's.
func checkMap(m []int, exclusive bool) error {
	if len(m) == 0 || len(m) > driver.MaxChannels {
		return invalid("map has %d channels, only 1 to %d are possible", len(m), driver.MaxChannels)
	}
	for i, channel := range m {
		if channel == driver.Unmapped {
			continue
		}
		if channel < 0 || channel >= driver.MaxChannels {
			return invalid("map cannot have channel %d, only 0 to %d, or %d for none", channel, driver.MaxChannels-1, driver.Unmapped)
		}
		if exclusive && slices.Contains(m[:i], channel) {
			return invalid("map has channel %d twice", channel)
		}
	}
	return nil
}
