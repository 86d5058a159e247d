package session

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"aes67os/aes67d/sdp"
	"aes67os/driver"
)

// source is a source with what follows of it. It is not changed once it is in a state.
type source struct {
	Source
	// ssrc stays the same as long as the source is there, so that receivers go on
	// after a change.
	ssrc     uint32
	inDriver placement
	// version and text are those of the SDP last made; text is empty if none could be.
	version uint64
	text    string
}

func newSource(s Source) *source { return &source{Source: s, ssrc: rand.Uint32()} }

// PutSource adds the source, or replaces the one with its id.
func (m *Manager) PutSource(ctx context.Context, s Source) error {
	if err := s.check(); err != nil {
		return err
	}
	s.Map = slices.Clone(s.Map)
	// A host that has to be looked for is looked for before others must wait.
	if _, err := m.wantSource(ctx, m.current.Load(), newSource(s)); err != nil {
		return err
	}
	err := m.change(ctx, func(ctx context.Context, next *state) error {
		entry := newSource(s)
		if err := free(&next.sources, entry); err != nil {
			return err
		}
		// The default address is not kept, so that it follows the configured base.
		if s.Address == next.settings.multicast(0, s.ID).String() {
			entry.Address = ""
		}
		if old := next.sources[s.ID]; old != nil {
			entry.ssrc, entry.inDriver, entry.version, entry.text = old.ssrc, old.inDriver, old.version, old.text
		}
		want, err := m.wantSource(ctx, next, entry)
		if err != nil {
			return err
		}
		next.describe(entry)
		return put(ctx, m, next, &next.sources, entry, want)
	})
	if err != nil {
		return err
	}
	return m.save()
}

// RemoveSource removes a source.
func (m *Manager) RemoveSource(ctx context.Context, id int) error {
	return remove(ctx, m, func(st *state) *slots[source] { return &st.sources }, id)
}

// SourceSDP is the description of a source.
func (m *Manager) SourceSDP(id int) (string, error) {
	st := m.current.Load()
	if id < 0 || id >= len(st.sources) || st.sources[id] == nil {
		return "", fmt.Errorf("%w: there is no source %d", ErrNotInUse, id)
	}
	if text := st.sources[id].text; text != "" {
		return text, nil
	}
	return "", cmp.Or(st.waiting(), errNoAddress)
}

// destination is where a source's packets go on an interface, 0 or 1.
func (s *Source) destination(settings Settings, port int) netip.Addr {
	if a, err := netip.ParseAddr(s.Address); err == nil {
		return a
	}
	return settings.multicast(port, s.ID)
}

// multicast is the default address of the source with this id on an interface.
func (s Settings) multicast(port, id int) netip.Addr {
	base := s.MulticastBase[port]
	if !base.Is4() {
		return netip.Addr{}
	}
	b := base.As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(id))
	return netip.AddrFrom4(b)
}

// wantSource is what the driver should have of a source; nil for nothing, because the
// source is disabled or because something it needs is not there yet.
func (m *Manager) wantSource(ctx context.Context, st *state, s *source) (*driver.Stream, error) {
	if !s.Enabled || !st.ready() {
		return nil, nil
	}
	stream := &driver.Stream{
		ID: s.ID, Source: true, Name: s.Name, Codec: s.Codec, SampleRate: st.rate,
		SamplesPerPacket: s.MaxSamplesPerPacket, PayloadType: s.PayloadType, DSCP: s.DSCP, TTL: s.TTL,
		SSRC: s.ssrc, Map: s.Map,
	}
	for port := range st.settings.Interfaces {
		leg, ok, err := m.leg(ctx, st, port, s.destination(st.settings, port), true)
		if err != nil {
			return nil, err
		}
		if ok {
			rtp := st.settings.RTPPort[port]
			leg.Destination, leg.SourcePort = netip.AddrPortFrom(leg.Destination.Addr(), rtp), rtp
			stream.Legs = append(stream.Legs, leg)
		}
	}
	return stream, nil
}

// describe makes the SDP of s anew. Its version rises if, and only if, something else
// in it has changed (RFC 8866 §5.2).
func (st *state) describe(s *source) {
	s.text = st.marshal(s)
	if old := st.sources[s.ID]; s.text == "" || old != nil && old.text == s.text {
		return
	}
	st.version = max(st.version+1, uint64(time.Now().Unix()))
	s.version = st.version
	s.text = st.marshal(s)
}

// marshal is the SDP of s, empty while there is no address to send from.
func (st *state) marshal(s *source) string {
	if len(st.settings.Addresses) == 0 || !st.settings.Addresses[0].IsValid() {
		return ""
	}
	d := sdp.Description{
		Origin: sdp.Origin{
			Username:  "-",
			SessionID: strconv.FormatUint(uint64(sessionID(st.settings.Addresses[0], s.ID)), 10),
			Version:   s.version,
			Address:   st.settings.Addresses[0],
		},
		Name: st.settings.NodeID + " " + s.Name,
	}
	for port, address := range st.settings.Addresses {
		if !address.IsValid() {
			continue
		}
		stream := sdp.Stream{
			Destination: netip.AddrPortFrom(s.destination(st.settings, port), st.settings.RTPPort[port]),
			PayloadType: s.PayloadType, Codec: string(s.Codec), SampleRate: st.rate, Channels: len(s.Map),
			SamplesPerPacket: s.MaxSamplesPerPacket,
			Clock: sdp.Clock{
				Grandmaster: st.ptp.Grandmaster, Domain: st.settings.Driver.PTP.Domain, HasDomain: true,
				Traceable: s.RefClockTraceable,
			},
		}
		if stream.Destination.Addr().IsMulticast() {
			stream.TTL = s.TTL
		}
		if st.settings.SourceFilter || st.settings.paths() > 1 {
			stream.Sources = []netip.Addr{address}
		}
		d.Streams = append(d.Streams, stream)
	}
	b, err := d.Marshal()
	if err != nil {
		// All members were checked when the source was put, and all that comes from
		// elsewhere is addresses and numbers.
		return ""
	}
	return string(b)
}

// paths is the number of interfaces that have an address.
func (s Settings) paths() (n int) {
	for _, a := range s.Addresses {
		if a.IsValid() {
			n++
		}
	}
	return n
}

// sessionID makes the o= line's number as the known daemon does: of the address and
// the source's id, so that it is another one on every host and for every source.
func sessionID(a netip.Addr, id int) uint32 {
	octets := a.As4()
	n := binary.LittleEndian.Uint32(octets[:])
	return n<<16 + n>>16 + uint32(id)
}

func (st *state) listSources() []Source {
	list := []Source{}
	for _, s := range st.sources {
		if s != nil {
			shown := st.shown(s)
			shown.Map = slices.Clone(s.Map)
			list = append(list, shown)
		}
	}
	return list
}

// shown is the source as users see it, with the address that it has by default.
func (st *state) shown(s *source) Source {
	shown := s.Source
	shown.Address = s.destination(st.settings, 0).String()
	return shown
}

// announcements are the sources that are being sent.
func (st *state) announcements() []Announcement {
	list := make([]Announcement, 0, len(st.sources))
	for _, s := range st.sources {
		if s != nil && s.inDriver.placed.in(st) && s.text != "" {
			list = append(list, Announcement{
				ID: s.ID, Name: st.settings.NodeID + " " + s.Name, Origin: st.settings.Addresses[0], SDP: s.text,
			})
		}
	}
	return list
}
