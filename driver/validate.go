package driver

import (
	"cmp"
	"fmt"
	"strings"
)

// MaxPayload is the most an RTP packet of a source carries, in bytes: an Ethernet
// frame without the headers of IPv4, UDP and RTP.
const MaxPayload = 1500 - 20 - 8 - 12

// invalid makes an ErrInvalid with the reason.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Validate tells whether any driver can work with c. Its errors are ErrInvalid.
func (c Config) Validate() error {
	if n := len(c.Interfaces); n < 1 || n > 2 {
		return invalid("%d network interfaces are configured, there must be one or two", n)
	}
	for _, name := range c.Interfaces {
		// The kernel's IFNAMSIZ is 16 with the NUL; a comma separates names.
		if name == "" || len(name) > 15 || strings.ContainsAny(name, ",\x00") {
			return invalid("%q is no name of a network interface", name)
		}
	}
	if err := cmp.Or(ValidateSampleRate(c.SampleRate), ValidatePlayoutDelay(c.PlayoutDelay), c.PTP.Validate()); err != nil {
		return err
	}
	switch {
	case c.TICFrameSizeAt1FS < 1 || c.TICFrameSizeAt1FS > 192:
		return invalid("the TIC frame size at 1FS of %d samples is not 1 to 192", c.TICFrameSizeAt1FS)
	case c.MaxTICFrameSize == 0:
		return invalid("the maximum TIC frame size is 0 samples")
	}
	return nil
}

// ValidateSampleRate tells whether a device can run at hz. Its errors are ErrInvalid.
func ValidateSampleRate(hz uint32) error {
	if hz == 0 {
		return invalid("the sample rate is 0 Hz")
	}
	return nil
}

// ValidatePlayoutDelay tells whether a safety delay can be that long. Its errors are
// ErrInvalid.
func ValidatePlayoutDelay(samples uint32) error {
	if samples > MaxPlayoutDelay {
		return invalid("the playout delay of %d samples is above %d", samples, MaxPlayoutDelay)
	}
	return nil
}

// Validate tells whether there is such a domain and DSCP. Its errors are ErrInvalid.
func (c PTPConfig) Validate() error {
	switch {
	case c.Domain > 127:
		return invalid("PTP domain %d is not 0 to 127", c.Domain)
	case c.DSCP > 63:
		return invalid("DSCP %d is not 0 to 63", c.DSCP)
	}
	return nil
}

// Validate tells whether a driver with that many network interfaces can have the
// stream. Its errors are ErrInvalid.
func (s Stream) Validate(interfaces int) error {
	switch {
	case s.ID < 0 || s.ID >= MaxStreams:
		return invalid("stream id %d is not 0 to %d", s.ID, MaxStreams-1)
	case s.Name == "" || len(s.Name) > 63 || strings.ContainsRune(s.Name, 0):
		return invalid("a stream's name has 1 to 63 bytes, not %d, and no NUL", len(s.Name))
	case s.Codec.WordLength() == 0:
		return invalid("unknown codec %q", s.Codec)
	case s.SamplesPerPacket == 0:
		return invalid("there are no samples in a packet")
	case s.PayloadType > 127:
		return invalid("payload type %d is not 0 to 127", s.PayloadType)
	case s.DSCP > 63:
		return invalid("DSCP %d is not 0 to 63", s.DSCP)
	case len(s.Map) < 1 || len(s.Map) > MaxChannels:
		return invalid("a stream has 1 to %d channels, not %d", MaxChannels, len(s.Map))
	}
	if err := ValidateSampleRate(s.SampleRate); err != nil {
		return err
	}
	for _, channel := range s.Map {
		if channel != Unmapped && (channel < 0 || channel >= MaxChannels) {
			return invalid("the map has device channel %d, which is not 0 to %d", channel, MaxChannels-1)
		}
	}
	if s.Source {
		size := uint64(s.SamplesPerPacket) * uint64(len(s.Map)) * uint64(s.Codec.WordLength())
		if size > MaxPayload {
			return invalid("%d samples of %d channels of %s are %d bytes, a packet has room for %d",
				s.SamplesPerPacket, len(s.Map), s.Codec, size, MaxPayload)
		}
	} else if s.PlayoutDelay < s.SamplesPerPacket {
		return invalid("the playout delay of %d samples is below the %d of a packet", s.PlayoutDelay, s.SamplesPerPacket)
	}
	return s.validateLegs(interfaces)
}

func (s Stream) validateLegs(interfaces int) error {
	if n := len(s.Legs); n < 1 || n > 2 {
		return invalid("a stream has one or two legs, not %d", n)
	}
	if len(s.Legs) == 2 && s.Legs[0].Interface == s.Legs[1].Interface {
		return invalid("both legs of the stream are on network interface %d", s.Legs[0].Interface)
	}
	for _, leg := range s.Legs {
		switch {
		case leg.Interface < 0 || leg.Interface >= interfaces:
			return invalid("a leg of the stream is on network interface %d, there are %d", leg.Interface, interfaces)
		case !leg.Local.Is4() || leg.Local.IsUnspecified():
			return invalid("the IPv4 address of network interface %d is missing", leg.Interface)
		case !leg.Destination.Addr().Is4() || leg.Destination.Addr().IsUnspecified() || leg.Destination.Port() == 0:
			return invalid("%s is no destination for a stream", leg.Destination)
		}
	}
	return nil
}
