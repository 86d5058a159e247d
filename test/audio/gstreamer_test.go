package audio

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"aes67os/test/netns"
)

// gstreamer runs a pipeline until the test ends. Then it ends its files properly.
func gstreamer(t *testing.T, in *netns.Namespace, pipeline string, arguments ...any) {
	t.Helper()
	in.Background(exec.Command("gst-launch-1.0", append([]string{"-q", "-e"}, strings.Fields(fmt.Sprintf(pipeline, arguments...))...)...))
}

// TestToGStreamer has GStreamer record what the daemon plays.
func TestToGStreamer(t *testing.T) {
	t.Parallel()
	f := format{"L24", 48, generous}
	h := newHost(t, 2, f)
	file := filepath.Join(inMemory(t), "gstreamer.wav")
	gstreamer(t, h.peer, `udpsrc address=%v port=%d multicast-iface=eth0
		caps=application/x-rtp,media=audio,clock-rate=%d,encoding-name=L24,channels=2,payload=98 !
		rtpjitterbuffer latency=500 ! rtpL24depay ! audioconvert ! wavenc ! filesink location=%s`,
		sourceGroup, rtpPort, rate, file)
	r := record(t, file)
	r.attempts(h.sequence, f.mask())
}

// TestFromGStreamer has the daemon record what GStreamer plays.
func TestFromGStreamer(t *testing.T) {
	t.Parallel()
	for _, f := range []format{{"L24", 48, unhurried}, {"L16", 48, unhurried}} {
		h := newHost(t, 2, f)
		group := netip.MustParseAddr("239.9.9.9")
		gstreamer(t, h.peer, `filesrc location=%s ! wavparse ! audioconvert dithering=none !
			rtp%spay pt=98 min-ptime=1000000 max-ptime=1000000 ! udpsink host=%v port=%d multicast-iface=eth0 ttl-mc=15`,
			h.file, f.codec, group, rtpPort)
		h.receive(0, h.describe(t, group, f.codec, 2, 98), f, channels(0, 2))
		h.receives(t, f.mask())
	}
}
