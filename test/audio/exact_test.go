package audio

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aes67os/test/netns"
)

// Addresses of the two daemons' namespaces, on the first and the second network.
const (
	oneAddress, twoAddress   = "192.0.2.1/24", "192.0.2.2/24"
	oneAddress2, twoAddress2 = "198.51.100.1/24", "198.51.100.2/24"
)

// pair is a daemon that plays a sequence of 64 channels, and one that records 64 channels.
type pair struct {
	sequence
	sender, receiver daemon
	recording        *recording
}

// newPair starts a pair in two namespaces, and waits until one clock follows the other.
func newPair(t *testing.T, one, two *netns.Namespace, config map[string]any) *pair {
	t.Helper()
	p := &pair{sequence: newSequence(64)}
	members := map[string]any{"ptp_priority1": 100}
	for name, value := range config {
		members[name] = value
	}
	dir := inMemory(t)
	file := filepath.Join(dir, "recording.wav")
	p.sender = start(t, one, fmt.Sprintf("wav %s > 1-64", p.write(t, dir, 24)), members)
	p.receiver = start(t, two, fmt.Sprintf("record %s 24bit < 1-64", file), config)
	grandmaster := p.sender.lock()
	for p.receiver.lock() != grandmaster {
	}
	p.recording = record(t, file)
	return p
}

// stream has n streams carry all channels, and returns what is to be recorded of it, and what
// removes them.
func (p *pair) stream(t *testing.T, n int, f format) (want *played, remove func()) {
	t.Helper()
	each := p.channels / n
	for id := range n {
		list := channels(id*each, each)
		p.receiver.receive(id, p.sender.send(id, f, list), f, list)
	}
	remove = func() {
		for id := range n {
			p.receiver.Must("DELETE", fmt.Sprintf("/api/sink/%d", id), "")
			p.sender.Must("DELETE", fmt.Sprintf("/api/source/%d", id), "")
		}
	}
	p.recording.now()
	return p.recording.align(p.sequence, f.mask()), remove
}

// lost is the number of samples that sinks have missed, all channels together.
func (p *pair) lost(n int) (samples int) {
	for id := range n {
		samples += int(p.receiver.figures("sink", id).Sink.Lost) * (p.channels / n)
	}
	return samples
}

// figures tell what is known of all streams.
func (p *pair) figures(n int) string {
	var all strings.Builder
	for id := range n {
		sink, source := p.receiver.figures("sink", id).Sink, p.sender.figures("source", id).Source
		fmt.Fprintf(&all, "\nsink %d: %+v; source: %+v", id, *sink, *source)
	}
	return all.String()
}

// window is how many frames are compared at once.
const window = rate / 2

// TestBitExact has one daemon send 64 channels to another, cut into streams in several ways,
// over good cables and bad ones. PTP goes over the same cables.
func TestBitExact(t *testing.T) {
	one, two := netns.New(t), netns.New(t)
	cable := netns.NewRelay(
		netns.End{Namespace: one, Interface: "eth0", Addresses: []string{oneAddress}},
		netns.End{Namespace: two, Interface: "eth0", Addresses: []string{twoAddress}})
	p := newPair(t, one, two, nil)
	host := watchStalls(t)
	for _, test := range []struct {
		name    string
		streams int
		format
		cable netns.Impairment
	}{
		{"8 x 8", 8, format{"L24", 48, generous}, netns.Impairment{}},
		{"32 x 2", 32, format{"L24", 48, generous}, netns.Impairment{}},
		// As many samples as there are packets for with 64 channels, of 16 bits too.
		{"1 x 64", 1, format{"L24", 6, generous}, netns.Impairment{}},
		{"1 x 64 L16", 1, format{"L16", 6, generous}, netns.Impairment{}},
		// Packets follow each other by 125 µs, so that jitter changes their order.
		{"jitter", 1, format{"L24", 6, 4 * rate / 1000}, netns.Impairment{Delay: time.Millisecond / 2, Jitter: time.Millisecond / 2}},
		{"reordering", 8, format{"L24", 48, generous}, netns.Impairment{Delay: 5 * time.Millisecond, Jitter: 5 * time.Millisecond, Reorder: 0.1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want, remove := p.stream(t, test.streams, test.format)
			defer remove()
			cable.Set(test.cable)
			defer cable.Set(netns.Impairment{})
			windows := frames(3*time.Second) / window
			all := host.windows(t, windows, test.delay, func() error {
				return p.recording.compare(want, window).err()
			})
			if lost := p.lost(test.streams); t.Failed() || all && lost > 0 {
				t.Errorf("sinks have counted %d samples as lost; %s", lost, p.figures(test.streams))
			}
		})
	}
	t.Run("loss", func(t *testing.T) {
		const streams = 8
		f := format{"L24", 48, generous}
		const long = 3 * rate
		host.windows(t, frames(3*time.Second)/long, f.delay, func() error {
			want, remove := p.stream(t, streams, f)
			defer remove()
			before := cable.Lost(rtpPort)
			cable.Set(netns.Impairment{Loss: 0.01})
			v := p.recording.compare(want, long)
			cable.Set(netns.Impairment{})
			v.add(p.recording.compare(want, 2*generous+rate/10)) // what was sent before has arrived
			dropped := (cable.Lost(rtpPort) - before) * f.samples * (p.channels / streams)
			if lost := p.lost(streams); dropped == 0 || v.silent != dropped || lost != dropped || v.other > 0 {
				return fmt.Errorf("the cable has dropped %d samples, sinks have counted %d as lost; %v; %s", dropped, lost, v, p.figures(streams))
			}
			return nil
		})
	})
}
