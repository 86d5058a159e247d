package sdp

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	pion "github.com/pion/sdp/v3"

	"aes67os/driver"
)

// Marshal returns the description with lines that end in LF alone, as those of the
// known daemon do. Receivers take it either way (RFC 8866 §5); people compare it.
//
// Some lines are there for RAVENNA receivers: clock-domain, sync-time (an older form of
// mediaclk) and framecount. A source filter is written only for a stream that has
// Sources, because Dante Controller does not show a source with one.
//
// A description that could not be understood the same way again is an error.
func (d Description) Marshal() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	id, err := strconv.ParseUint(d.Origin.SessionID, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("session id %q of the origin is not a 64-bit number", d.Origin.SessionID)
	}
	s := pion.SessionDescription{
		Origin: pion.Origin{
			Username:       cmp.Or(d.Origin.Username, "-"),
			SessionID:      id,
			SessionVersion: d.Origin.Version,
			NetworkType:    "IN",
			AddressType:    "IP4",
			UnicastAddress: d.Origin.Address.String(),
		},
		SessionName:      pion.SessionName(cmp.Or(d.Name, "-")), // RFC 8866 §5.3
		TimeDescriptions: []pion.TimeDescription{{}},
	}
	if d.Origin.Address.Is6() {
		s.Origin.AddressType = "IP6"
	}
	if len(d.Streams) == 1 {
		only := d.Streams[0]
		s.ConnectionInformation = only.connection()
		s.Attributes = only.Clock.domain()
		s.MediaDescriptions = []*pion.MediaDescription{only.media(d.Info, nil)}
	} else {
		s.Attributes = []pion.Attribute{pion.NewAttribute("group", "DUP 1 2")}
		for i, leg := range d.Streams {
			m := leg.media(d.Info, leg.Clock.domain())
			m.WithValueAttribute("mid", strconv.Itoa(i+1))
			s.MediaDescriptions = append(s.MediaDescriptions, m)
		}
	}
	b, err := s.Marshal()
	if err != nil {
		return nil, fmt.Errorf("write the description: %w", err)
	}
	return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), nil
}

// media is the stream's m= line and what follows it.
func (s Stream) media(info string, domain []pion.Attribute) *pion.MediaDescription {
	payload := strconv.Itoa(int(s.PayloadType))
	m := &pion.MediaDescription{
		MediaName: pion.MediaName{
			Media:   "audio",
			Port:    pion.RangedPort{Value: int(s.Destination.Port())},
			Protos:  []string{"RTP", "AVP"},
			Formats: []string{payload},
		},
		ConnectionInformation: s.connection(),
	}
	if info != "" {
		title := pion.Information(info)
		m.MediaTitle = &title
	}
	if len(s.Sources) > 0 {
		filter := " incl IN IP4 " + s.Destination.Addr().String()
		for _, source := range s.Sources {
			filter += " " + source.String()
		}
		m.WithValueAttribute("source-filter", filter)
	}
	m.WithValueAttribute("rtpmap", fmt.Sprintf("%s %s/%d/%d", payload, s.Codec, s.SampleRate, s.Channels))
	offset := strconv.FormatUint(uint64(s.TimestampOffset), 10)
	m.WithValueAttribute("sync-time", offset)
	if s.SamplesPerPacket > 0 {
		m.WithValueAttribute("framecount", strconv.FormatUint(uint64(s.SamplesPerPacket), 10))
		m.WithValueAttribute("ptime", packetTime(s.SamplesPerPacket, s.SampleRate))
	}
	m.WithValueAttribute("mediaclk", "direct="+offset)
	m.Attributes = append(m.Attributes, domain...)
	m.Attributes = append(m.Attributes, s.Clock.reference()...)
	// The direction is the reader's, who is to receive.
	return m.WithPropertyAttribute("recvonly")
}

// connection is the c= line. Only multicast has a time to live (RFC 8866 §5.7).
func (s Stream) connection() *pion.ConnectionInformation {
	a := &pion.Address{Address: s.Destination.Addr().String()}
	if s.Destination.Addr().IsMulticast() {
		ttl := int(s.TTL)
		a.TTL = &ttl
	}
	return &pion.ConnectionInformation{NetworkType: "IN", AddressType: "IP4", Address: a}
}

// check tells what cannot be written.
func (d Description) check() error {
	switch {
	case len(d.Streams) == 0:
		return errors.New("no stream to describe")
	case len(d.Streams) > 2:
		return fmt.Errorf("%d streams to describe: at most two can carry the same", len(d.Streams))
	case !d.Origin.Address.IsValid():
		return errors.New("the origin has no address")
	case d.Origin.Address.Zone() != "":
		return fmt.Errorf("address %s of the origin has a zone, which means nothing to others", d.Origin.Address)
	case strings.ContainsAny(d.Origin.Username, " \t"):
		return fmt.Errorf("user name %q of the origin has spaces", d.Origin.Username)
	}
	for _, text := range []string{d.Origin.Username, d.Name, d.Info} {
		if !printable(text) {
			return fmt.Errorf("%q has characters that cannot be printed", text)
		}
	}
	for _, s := range d.Streams {
		if err := s.check(); err != nil {
			return err
		}
	}
	if len(d.Streams) == 2 && !d.Streams[0].sameFormat(d.Streams[1]) {
		return errors.New("two streams with different codecs, rates or channels cannot carry the same")
	}
	return nil
}

func (s Stream) check() error {
	to := s.Destination
	switch {
	case !to.IsValid() || !to.Addr().Is4() || to.Addr().IsUnspecified():
		return fmt.Errorf("destination %s is not an IPv4 address", to)
	case to.Port() == 0:
		return fmt.Errorf("destination %s has no port", to)
	case to.Addr().IsMulticast() && s.TTL == 0:
		return fmt.Errorf("multicast to %s needs a TTL", to)
	case s.PayloadType > 127:
		return fmt.Errorf("payload type %d is not 0 to 127", s.PayloadType)
	}
	for _, source := range s.Sources {
		if !source.Is4() {
			return fmt.Errorf("source %s of the stream to %s is not an IPv4 address", source, to)
		}
	}
	if err := s.checkFormat(); err != nil {
		return err
	}
	if s.SamplesPerPacket > s.mostSamples() {
		return fmt.Errorf("%d samples of %d channels do not fit into a packet: at most %d",
			s.SamplesPerPacket, s.Channels, s.mostSamples())
	}
	return nil
}

// checkFormat tells what is wrong with what packets contain.
func (s Stream) checkFormat() error {
	switch {
	case s.wordLength() == 0:
		return fmt.Errorf("codec %q is not L16, L24 or AM824", s.Codec)
	case s.SampleRate < minSampleRate || s.SampleRate > maxSampleRate:
		return fmt.Errorf("sample rate %d is not %d to %d Hz", s.SampleRate, minSampleRate, maxSampleRate)
	case s.Channels < 1 || s.Channels > driver.MaxChannels:
		return fmt.Errorf("%d channels are not 1 to %d", s.Channels, driver.MaxChannels)
	}
	return nil
}

// mostSamples is how many samples per channel a packet has room for.
func (s Stream) mostSamples() uint32 {
	return uint32(maxPayload / (s.wordLength() * s.Channels))
}
