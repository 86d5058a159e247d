package interop

import (
	"strings"
	"testing"

	"aes67os/test/aes67d"
)

// TestUserspaceRate has the driver that moves audio by itself change its sample rate and
// change it back: sources go on at the new rate, while a sink, whose talker has not changed,
// is silent until the rate is its own again. Some of their channels have none of the device.
func TestUserspaceRate(t *testing.T) {
	t.Parallel()
	one, _ := pair(t)
	d := aes67d.Start(t, program, one, map[string]any{"interface_name": "eth0"}, "-driver", "userspace")
	aes67d.Until(t, "the clock is its own master", func() bool {
		var clock struct{ Status string }
		d.Get("/api/ptp/status", &clock)
		return clock.Status == "locked"
	})
	d.Must("PUT", "/api/source/0", source("Stage", map[string]any{"map": []int{0, -1, 1}}))
	slow := d.Must("GET", "/api/source/sdp/0", "")
	d.Must("PUT", "/api/sink/0", sink("Desk", slow, map[string]any{"map": []int{-1, 5, -1}, "delay": 9600}))
	hears := func(something bool) bool {
		var status struct {
			Flags struct {
				Receiving bool `json:"receiving_rtp_packet"`
				Muted     bool `json:"muted"`
			} `json:"sink_flags"`
		}
		d.Get("/api/sink/status/0", &status)
		return status.Flags.Receiving == something && status.Flags.Muted == !something
	}
	aes67d.Until(t, "the sink hears the source", func() bool { return hears(true) })
	for _, step := range []struct {
		rate, sdp string
		hears     bool
	}{
		{"96000", "L24/96000/3", false},
		{"48000", "L24/48000/3", true},
	} {
		d.Must("POST", "/api/config", `{"sample_rate": `+step.rate+`}`)
		if sdp := d.Must("GET", "/api/source/sdp/0", ""); !strings.Contains(sdp, step.sdp) {
			t.Errorf("at %s Hz the SDP has no %s:\n%s", step.rate, step.sdp, sdp)
		}
		sending := func() uint64 {
			var figures struct{ Source struct{ Packets uint64 } }
			d.Get("/api/source/figures/0", &figures)
			return figures.Source.Packets
		}
		before := sending()
		aes67d.Until(t, "the source is sent at "+step.rate+" Hz", func() bool { return sending() > before })
		aes67d.Until(t, "the sink follows at "+step.rate+" Hz", func() bool { return hears(step.hears) })
	}
}
