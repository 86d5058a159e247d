package platform

import (
	"net/netip"
	"testing"

	"aes67os/driver"
)

// TestStreams has all formats, packets and numbers of channels.
func TestStreams(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.1")
	for _, f := range formats {
		for _, packet := range packets {
			for channels := minChannels; channels <= maxChannels; channels++ {
				o := &options{format: f, rate: 48000, channels: channels, packet: packet}
				sources, sinks := streams(o, 576, local)
				next := 0
				groups := make(map[netip.AddrPort]bool)
				for i := range sources {
					source, sink := sources[i], sinks[i]
					for _, s := range []driver.Stream{source, sink} {
						if err := s.Validate(1); err != nil {
							t.Fatalf("%s, %d channels, %d samples in a packet: %v", f.name, channels, packet, err)
						}
					}
					if !source.Source || sink.Source || source.Legs[0] != sink.Legs[0] {
						t.Fatalf("source %+v and sink %+v do not belong together", source, sink)
					}
					for j, channel := range source.Map {
						if channel != next || sink.Map[j] != next {
							t.Fatalf("%s, %d channels: channel %d of stream %d is %d and %d; want %d", f.name, channels, j, i, channel, sink.Map[j], next)
						}
						next++
					}
					if n := len(source.Map); n < len(sources[0].Map) || n > len(sources[0].Map)+1 {
						t.Errorf("%s, %d channels: stream %d has %d, the first has %d", f.name, channels, i, n, len(sources[0].Map))
					}
					groups[source.Legs[0].Destination] = true
				}
				if next != channels || len(groups) != len(sources) {
					t.Errorf("%s: %d streams to %d groups have %d channels; want %d", f.name, len(sources), len(groups), next, channels)
				}
			}
		}
	}
}

func TestStreamsAsFewAsPossible(t *testing.T) {
	for _, tc := range []struct {
		format           string
		channels, packet int
		want             int
	}{
		{"S16_LE", 15, 48, 1},
		{"S24_3LE", 10, 48, 1},
		{"S24_3LE", 11, 48, 2},
		{"S24_3LE", 64, 48, 7},
		{"S32_LE", 64, 48, 10},
		{"S32_LE", 64, 192, 64},
		{"S24_LE", 64, 6, 1},
	} {
		o := &options{format: formats[tc.format], rate: 48000, channels: tc.channels, packet: tc.packet}
		if got, _ := streams(o, 576, netip.MustParseAddr("127.0.0.1")); len(got) != tc.want {
			t.Errorf("%s, %d channels, %d samples in a packet: %d streams; want %d", tc.format, tc.channels, tc.packet, len(got), tc.want)
		}
	}
}
