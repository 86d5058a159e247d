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
	found := m.look(ctx, m.current.Load().settings, newSource(s))
	err := m.change(ctx, func(ctx context.Context, next *state) error {
		entry := newSource(s)
		if err := free(&next.sources, entry); err != nil {
			return err
		}
		entry.findDefault(next.settings)
		if old := next.sources[s.ID]; old != nil {
			entry.ssrc, entry.inDriver, entry.version, entry.text = old.ssrc, old.inDriver, old.version, old.text
		}
		want, err := m.wantSource(ctx, next, entry, found)
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

// findDefault leaves the address open if it is the default one, so that it follows the
// configured base.
func (s *Source) findDefault(settings Settings) {
	if s.Address == settings.multicast(0, s.ID).String() {
		s.Address = ""
	}
}

// findDefaults does the same with the sources of the status file, which has all addresses
// spelled out. It does so once: an address that somebody has chosen stays, even if the base
// comes to make it the default one.
func (st *state) findDefaults() {
	if !st.loaded {
		return
	}
	st.loaded = false
	for id, s := range st.sources {
		if s != nil {
			changed := *s
			changed.findDefault(st.settings)
			st.sources[id] = &changed
		}
	}
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
//
// A host that is not among those found, because it has become a destination only since, is
// looked for here.
func (m *Manager) wantSource(ctx context.Context, st *state, s *source, found map[host]*whereabouts) (*driver.Stream, error) {
	if !s.Enabled || !st.ready() {
		return nil, nil
	}
	stream := &driver.Stream{
		ID: s.ID, Source: true, Name: s.Name, Codec: s.Codec, SampleRate: st.rate,
		SamplesPerPacket: s.MaxSamplesPerPacket, PayloadType: s.PayloadType, DSCP: s.DSCP, TTL: s.TTL,
		SSRC: s.ssrc, Map: s.Map,
	}
	for port, in := range st.settings.Interfaces {
		rtp := st.settings.RTPPort[port]
		to := s.destination(st.settings, port)
		leg, ok := st.leg(port, netip.AddrPortFrom(to, rtp))
		if !ok {
			continue
		}
		leg.SourcePort = rtp
		if !to.IsMulticast() {
			h := host{in.Index, to}
			if found[h] == nil {
				found = m.look(ctx, st.settings, s)
			}
			if err := found[h].err; err != nil {
				return nil, fmt.Errorf("%w: %w", ErrMAC, err)
			}
			copy(leg.DestinationMAC[:], found[h].mac)
		}
		stream.Legs = append(stream.Legs, leg)
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
