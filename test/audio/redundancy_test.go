package audio

import (
	"fmt"
	"testing"

	"aes67os/test/aes67d"
	"aes67os/test/netns"
)

// TestRedundancy sends 64 channels over two networks (SMPTE ST 2022-7) and pulls one cable
// after the other, with each of which PTP and half of the packets are gone.
func TestRedundancy(t *testing.T) {
	one, two := netns.New(t), netns.New(t)
	cables := []*netns.Relay{
		netns.NewRelay(netns.End{Namespace: one, Interface: "eth0", Addresses: []string{oneAddress}},
			netns.End{Namespace: two, Interface: "eth0", Addresses: []string{twoAddress}}),
		netns.NewRelay(netns.End{Namespace: one, Interface: "eth1", Addresses: []string{oneAddress2}},
			netns.End{Namespace: two, Interface: "eth1", Addresses: []string{twoAddress2}}),
	}
	p := newPair(t, one, two, map[string]any{"interface_name": "eth0,eth1"})
	host := watchStalls(t)
	const streams = 8
	f := format{"L24", 48, generous}
	both := func() bool {
		for id := range streams {
			if p.receiver.muted(id) {
				return false
			}
		}
		return true
	}
	want, remove := p.stream(t, streams, f)
	defer remove()
	pulled := 0
	host.windows(t, max(2, frames(0)/(2*rate)), f.delay, func() error {
		aes67d.Until(t, "packets over both networks", both)
		lost, cable := p.lost(streams), cables[pulled%2]
		cable.Pull()
		v := p.recording.compare(want, rate)
		cable.Plug()
		v.add(p.recording.compare(want, rate))
		if lost = p.lost(streams) - lost; v.wrong() || lost > 0 {
			return fmt.Errorf("cable %d pulled: %v; sinks have counted %d samples as lost; %s", pulled%2+1, v, lost, p.figures(streams))
		}
		pulled++
		return nil
	})
}

// muted tells whether there is a way by which a sink's stream does not come.
func (d daemon) muted(id int) bool {
	d.t.Helper()
	var status struct {
		Flags struct {
			Some bool `json:"some_muted"`
		} `json:"sink_flags"`
	}
	d.Get(fmt.Sprintf("/api/sink/status/%d", id), &status)
	return status.Flags.Some
}
