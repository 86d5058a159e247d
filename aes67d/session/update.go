package session

import (
	"context"
	"strings"

	"aes67os/aes67d/sdp"
)

// UpdateSinks makes sinks follow what others announce, if the user wants that: a sink
// whose session (RFC 8866 §5.2) is among the offered descriptions with a higher version
// takes the highest.
func (m *Manager) UpdateSinks(ctx context.Context, offered []string) {
	st := m.current.Load()
	if !st.settings.AutoSinksUpdate {
		return
	}
	for _, old := range st.sinks {
		if old == nil {
			continue
		}
		newest := old.description
		text := ""
		for _, o := range offered {
			// Most have nothing to do with the sink; spare reading them.
			if !strings.Contains(o, old.description.Origin.SessionID) {
				continue
			}
			d, _, err := sdp.Parse([]byte(o))
			if err == nil && d.Origin.SameSession(newest.Origin) && d.Origin.Version > newest.Origin.Version {
				newest, text = d, o
			}
		}
		if text == "" || text == old.SDP {
			continue
		}
		s := old.Sink
		s.SDP = text
		if packet := newest.Streams[0].SamplesPerPacket; s.Delay < packet {
			m.Log.Warn("a stream's packets have become longer than the sink's delay, which is made as long", "sink", s.ID, "name", s.Name, "delay", packet)
			s.Delay = packet
		}
		m.Log.Info("a sink follows its source to a newer description", "sink", s.ID, "name", s.Name,
			"from", old.description.Origin.Version, "to", newest.Origin.Version)
		if err := m.follows(ctx, s, newest); err != nil {
			m.Log.Error("a sink cannot follow its source", "sink", s.ID, "name", s.Name, "error", err)
		}
	}
}

// follows puts the sink, unless the user has changed it meanwhile.
func (m *Manager) follows(ctx context.Context, s Sink, d sdp.Description) error {
	if _, err := m.parse(s); err != nil {
		return err
	}
	return m.putSink(ctx, s, d)
}
