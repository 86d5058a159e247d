package audio

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"aes67os/driver"
	"aes67os/test/aes67d"
	"aes67os/test/netns"
)

// daemon is one with the userspace driver.
type daemon struct {
	*aes67d.Daemon
	t *testing.T
}

// start starts a daemon with the ports, on eth0 unless config tells otherwise.
func start(t *testing.T, in *netns.Namespace, ports string, config map[string]any) daemon {
	t.Helper()
	return startProgram(t, program, in, ports, config)
}

func startProgram(t *testing.T, program string, in *netns.Namespace, ports string, config map[string]any) daemon {
	t.Helper()
	members := map[string]any{"interface_name": "eth0", "audio_ports": ports, "log_severity": 2}
	for name, value := range config {
		members[name] = value
	}
	return daemon{aes67d.Start(t, program, in, members, "-driver", "userspace"), t}
}

// ptp is what /api/ptp/status answers.
type ptp struct {
	Status, GMID string
	Jitter       int
}

func (d daemon) ptp() (status ptp) {
	d.Get("/api/ptp/status", &status)
	return status
}

// lock waits until the daemon's clock is locked to a grandmaster, any but those it is not to
// be, and returns which.
func (d daemon) lock(except ...string) (grandmaster string) {
	d.t.Helper()
	aes67d.Until(d.t, "locked", func() bool {
		status := d.ptp()
		grandmaster = status.GMID
		for _, not := range except {
			if grandmaster == not {
				return false
			}
		}
		return status.Status == "locked"
	})
	return grandmaster
}

// format is that of streams.
type format struct {
	codec string
	// samples is the number in a packet.
	samples int
	// delay is the link offset in samples.
	delay int
}

// bits is the number that its codec carries of a sample.
func (f format) bits() int {
	if f.codec == "L16" {
		return 16
	}
	return 24
}

// mask has those bits.
func (f format) mask() int32 { return -1 << (32 - f.bits()) }

// generous is the link offset for what is not about being in time: 50 ms.
const generous = 50 * rate / 1000

// send has the daemon send a source of these channels, from 0, and returns its SDP.
func (d daemon) send(id int, f format, channels []int) (sdp string) {
	d.t.Helper()
	d.put("source", id, map[string]any{
		"enabled": true, "name": fmt.Sprintf("source %d", id), "io": "", "max_samples_per_packet": f.samples, "codec": f.codec,
		"address": "", "ttl": 15, "payload_type": 98, "dscp": 34, "refclk_ptp_traceable": false, "map": channels,
	})
	return d.Must("GET", "/api/source/sdp/"+strconv.Itoa(id), "")
}

// receive has the daemon receive what an SDP describes into these channels, from 0.
func (d daemon) receive(id int, sdp string, f format, channels []int) {
	d.t.Helper()
	d.put("sink", id, map[string]any{
		"name": fmt.Sprintf("sink %d", id), "io": "", "use_sdp": true, "source": "", "sdp": sdp, "delay": f.delay,
		"ignore_refclk_gmid": false, "map": channels,
	})
}

func (d daemon) put(kind string, id int, members map[string]any) {
	d.t.Helper()
	b, err := json.Marshal(members)
	if err != nil {
		d.t.Fatal(err)
	}
	d.Must("PUT", "/api/"+kind+"/"+strconv.Itoa(id), string(b))
}

// channels are n channels from first on.
func channels(first, n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = first + i
	}
	return list
}

// figures are those of a "source" or a "sink".
func (d daemon) figures(kind string, id int) (f driver.Figures) {
	d.t.Helper()
	d.Get("/api/"+kind+"/figures/"+strconv.Itoa(id), &f)
	if f.Sink == nil && f.Source == nil {
		d.t.Fatalf("%s %d has no figures", kind, id)
	}
	return f
}
