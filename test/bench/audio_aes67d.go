package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"aes67os/driver"
	"aes67os/test/aes67d"
)

// daemons are two of aes67d, of which one sends to the other.
type daemons struct {
	*cable
	sender, receiver *aes67d.Daemon
}

// newDaemons starts them. The sender is the grandmaster. All 64 channels have sound.
func newDaemons(c *cable, program string) *daemons {
	config := map[string]any{"interface_name": "eth0", "ip_addr": senderAddress, "log_severity": 3, "custom_node_id": "studio", "ptp_priority1": 100,
		"audio_ports": fmt.Sprintf("tone 997Hz -20dB > 1-%d", driver.MaxChannels)}
	d := &daemons{cable: c}
	d.sender = aes67d.Start(c.t, program, c.sender, config, "-driver", "userspace")
	config["custom_node_id"], config["ip_addr"], config["ptp_priority1"], config["audio_ports"] = "stage", receiverAddress, 128, ""
	d.receiver = aes67d.Start(c.t, program, c.receiver, config, "-driver", "userspace")
	progress("aes67d: wait for PTP")
	var grandmaster [2]string
	aes67d.Until(c.t, "both locked to one grandmaster", func() bool {
		for i, one := range []*aes67d.Daemon{d.sender, d.receiver} {
			var status struct{ Status, GMID string }
			one.Get("/api/ptp/status", &status)
			if status.Status != "locked" {
				return false
			}
			grandmaster[i] = status.GMID
		}
		return grandmaster[0] == grandmaster[1]
	})
	return d
}

func (d *daemons) send() int {
	for i := range streams {
		d.addSource(i)
	}
	return d.sender.PID()
}

func (d *daemons) receive() int {
	for i := range streams {
		d.addSink(i)
	}
	return d.receiver.PID()
}

// mapping is the JSON of the channels of a stream: all 64 in 8 streams.
func mapping(id int) string {
	var list []string
	for i := range channels {
		list = append(list, fmt.Sprint((id*channels+i)%driver.MaxChannels))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func (d *daemons) addSource(id int) {
	d.sender.Must(http.MethodPut, fmt.Sprintf("/api/source/%d", id), fmt.Sprintf(`{
		"enabled": true, "name": "s%d", "io": "bench", "max_samples_per_packet": %d, "codec": "L24", "address": "%s", "ttl": 15,
		"payload_type": 98, "dscp": 34, "refclk_ptp_traceable": false, "map": %s}`, id, samplesPerPacket, group(id), mapping(id)))
}

// linkOffset of the sinks, in samples: 4 ms.
const linkOffset = 192

func (d *daemons) addSink(id int) {
	sdp := d.sender.Must(http.MethodGet, fmt.Sprintf("/api/source/sdp/%d", id), "")
	d.receiver.Must(http.MethodPut, fmt.Sprintf("/api/sink/%d", id), fmt.Sprintf(`{
		"name": "s%d", "io": "bench", "use_sdp": true, "source": "", "sdp": %q, "delay": %d, "ignore_refclk_gmid": false, "map": %s}`,
		id, sdp, linkOffset, mapping(id)))
}

// harry keeps the sending daemon, and its engine, busy with answers until stop is called.
func (d *daemons) harry() (stop func()) {
	c := dial(d.t, d.cable.sender, strings.TrimPrefix(d.sender.URL(""), "http://"))
	var ended atomic.Bool
	var group sync.WaitGroup
	for _, one := range c.all {
		group.Go(func() {
			for !ended.Load() {
				for _, path := range []string{"/api/streams", "/api/figures"} {
					if err := one.ask(path, http.MethodGet, path, ""); err != nil {
						d.t.Errorf("harry the daemon: %v", err)
						return
					}
				}
			}
		})
	}
	return func() {
		ended.Store(true)
		group.Wait()
	}
}

// crowd is how all streams that there can be do at once.
type crowd struct {
	length time.Duration
	// rate is how many packets the sinks received in a second.
	rate float64
	// packets that the sinks received, and those that the sources left out.
	packets, missed uint64
	// lost samples, of each channel.
	lost uint64
	// sends and receives are what that took of one processor.
	sends, receives float64
	// stall is the host's longest meanwhile. The link offset is 12 ms.
	stall time.Duration
}

// crowd measures as many streams as there can be.
func (d *daemons) crowd() crowd {
	progress("aes67d: as many streams as there can be")
	for i := streams; i < driver.MaxStreams; i++ {
		d.addSource(i)
		d.addSink(i)
	}
	time.Sleep(2 * time.Second)
	c := crowd{length: 10 * time.Second}
	looks := watch(d.t)
	before, began := d.figures(), time.Now()
	share := processorShare(d.t, c.length, d.sender.PID(), d.receiver.PID())
	after := d.figures()
	c.rate = float64(after.packets-before.packets) / time.Since(began).Seconds()
	c.missed, c.lost = after.missed-before.missed, after.lost-before.lost
	c.sends, c.receives = share[0], share[1]
	c.stall = longest(looks())
	return c
}

// figures are the sums over all streams until now.
func (d *daemons) figures() (sum crowd) {
	var answer struct {
		Sources, Sinks map[string]driver.Figures
	}
	d.sender.Get("/api/figures", &answer)
	for _, one := range answer.Sources {
		sum.missed += one.Source.Missed
	}
	d.receiver.Get("/api/figures", &answer)
	for _, one := range answer.Sinks {
		sum.lost += one.Sink.Lost
		for _, leg := range one.Sink.Legs {
			sum.packets += leg.Packets
		}
	}
	return sum
}

func (c crowd) print() {
	fmt.Printf("\n%d streams of %d channels from one aes67d to another, %v\n", driver.MaxStreams, channels, c.length)
	fmt.Printf("  %-38s %8.0f of %d\n", "packets a second", c.rate, driver.MaxStreams*packetsPerSecond)
	fmt.Printf("  %-38s %8d limit 0\n", "samples lost, of each channel", c.lost)
	fmt.Printf("  %-38s %8d limit 0\n", "packets not sent in time", c.missed)
	fmt.Printf("  %-38s %8.1f %8.1f\n", "processor time, % of one: sends, receives", 100*c.sends, 100*c.receives)
	printStall(c.stall)
}
