package interop

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"aes67os/test/aes67d"
	"aes67os/test/netns"

	"golang.org/x/net/ipv4"
)

// TestPlayers gives the SDP of sources of all kinds to ffprobe and to GStreamer, with
// packets as the SDP describes them, and asks what they have understood.
func TestPlayers(t *testing.T) {
	t.Parallel()
	one, two := pair(t)
	for _, n := range []*netns.Namespace{one, two} {
		n.Run("ip", "route", "add", "224.0.0.0/4", "dev", "eth0")
	}
	// The second network, for SMPTE ST 2022-7. Players join where the route leads.
	netns.Cable(netns.End{Namespace: one, Interface: "eth1", Addresses: []string{"198.51.100.1/24"}},
		netns.End{Namespace: two, Interface: "eth1", Addresses: []string{"198.51.100.2/24"}})
	for _, n := range []*netns.Namespace{one, two} {
		n.Run("ip", "route", "add", "239.2.0.0/16", "dev", "eth1")
	}
	// Another port there, because GStreamer cannot tell two streams on one apart.
	d := aes67d.Start(t, program, one, map[string]any{"rtp_mcast_base_sec": "239.2.0.1", "rtp_port_sec": 5006}, "-driver", "fake")
	for id, test := range []struct {
		rate, channels, samples int
		codec, interfaces       string
		ffprobe                 string // what it is to say of each stream
	}{
		{48000, 2, 48, "L24", "eth0", "pcm_s24be,48000,2"},
		{48000, 1, 6, "L24", "eth0", "pcm_s24be,48000,1"},
		{48000, 64, 6, "L24", "eth0", "pcm_s24be,48000,64"},
		{44100, 8, 48, "L16", "eth0", "pcm_s16be,44100,8"},
		{96000, 2, 192, "L16", "eth0", "pcm_s16be,96000,2"},
		{192000, 2, 12, "L24", "eth0", "pcm_s24be,192000,2"},
		{48000, 2, 48, "AM824", "eth0", ""}, // neither can decode it
		{48000, 2, 48, "L24", "eth0,eth1", "pcm_s24be,48000,2"},
	} {
		name := fmt.Sprintf("%d Hz, %d channels, %d samples, %s, %s", test.rate, test.channels, test.samples, test.codec, test.interfaces)
		t.Log(name)
		d.Must("POST", "/api/config", fmt.Sprintf(`{"sample_rate": %d, "interface_name": %q}`, test.rate, test.interfaces))
		mapping := make([]int, test.channels)
		for i := range mapping {
			mapping[i] = i
		}
		path := "/api/source/" + strconv.Itoa(id)
		d.Must("PUT", path, source(name, map[string]any{"codec": test.codec, "max_samples_per_packet": test.samples, "map": mapping}))
		sdp := d.Must("GET", "/api/source/sdp/"+strconv.Itoa(id), "")
		streams := strings.Count(sdp, "m=audio")
		if want := strings.Count(test.interfaces, "eth"); streams != want {
			t.Errorf("%s: %d streams described; want %d:\n%s", name, streams, want, sdp)
		}
		file := filepath.Join(t.TempDir(), "source.sdp")
		if err := os.WriteFile(file, []byte(sdp), 0o644); err != nil {
			t.Fatal(err)
		}
		words := map[string]int{"L16": 2, "L24": 3, "AM824": 4}
		stop := send(t, one, sdp, test.channels*words[test.codec]*test.samples, test.samples)

		if test.ffprobe != "" {
			out := two.Run("timeout", "30", "ffprobe", "-v", "error", "-protocol_whitelist", "file,rtp,udp", "-show_entries",
				"stream=codec_name,sample_rate,channels", "-of", "csv=p=0", file)
			if want := strings.Repeat(test.ffprobe+"\n", streams); out != want {
				t.Errorf("%s: ffprobe says %q; want %q, of\n%s", name, out, want, sdp)
			}
		}
		pipeline := []string{"30", "gst-launch-1.0", "-q", "filesrc", "location=" + file, "!", "sdpdemux", "!"}
		if test.codec != "AM824" {
			pipeline = append(pipeline, "rtp"+test.codec+"depay", "!",
				fmt.Sprintf("audio/x-raw,rate=%d,channels=%d", test.rate, test.channels), "!")
		}
		two.Run("timeout", append(pipeline, "fakesink", "num-buffers=3")...)
		stop()
		d.Must("DELETE", path, "")
	}
}

// send sends silence in packets of this size to all groups of the SDP, until stop is
// called.
func send(t *testing.T, from *netns.Namespace, sdp string, size, samples int) (stop func()) {
	t.Helper()
	var conns []*net.UDPConn
	var port int
	for l := range strings.Lines(sdp) {
		l = strings.TrimSpace(l)
		if _, err := fmt.Sscanf(l, "m=audio %d", &port); err == nil {
			continue
		}
		group, ok := strings.CutPrefix(l, "c=IN IP4 ")
		if !ok || port == 0 { // at the session's level it is there once more
			continue
		}
		group, _, _ = strings.Cut(group, "/")
		from.Do(func() error {
			c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(group), uint16(port))))
			if err != nil {
				return err
			}
			conns = append(conns, c)
			return ipv4.NewConn(c).SetTTL(15)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		packet := make([]byte, 12+size)
		packet[0], packet[1] = 0x80, 98
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			stamp := n * samples
			packet[2], packet[3] = byte(n>>8), byte(n)
			packet[4], packet[5], packet[6], packet[7] = byte(stamp>>24), byte(stamp>>16), byte(stamp>>8), byte(stamp)
			for _, c := range conns {
				c.Write(packet) // one lost does not matter
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		cancel()
		<-done
		for _, c := range conns {
			c.Close()
		}
	}
}
