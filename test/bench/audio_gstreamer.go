package main

import (
	"fmt"
	"os/exec"
	"strings"
)

// gstreamer is a peer. Its settings are the best that were found: one buffer of the test
// source is one packet, the live source alone tells when to send, and all threads have a
// real-time priority.
type gstreamer struct{ *cable }

func newGStreamer(c *cable) talker { return gstreamer{c} }

func (g gstreamer) send() int {
	var pipeline []string
	for i := range streams {
		pipeline = append(pipeline, fmt.Sprintf(`audiotestsrc is-live=true wave=silence samplesperbuffer=%d !
			audio/x-raw,format=S24BE,rate=48000,channels=%d !
			rtpL24pay min-ptime=1000000 max-ptime=1000000 mtu=1400 !
			udpsink host=%s port=5004 multicast-iface=eth0 auto-multicast=false ttl-mc=15 sync=false async=false qos=false`,
			samplesPerPacket, channels, group(i)))
	}
	return launch(g.t, g.sender, gstLaunch(pipeline)).Process.Pid
}

func (g gstreamer) receive() int {
	var pipeline []string
	for i := range streams {
		pipeline = append(pipeline, fmt.Sprintf(`udpsrc address=%s port=5004 multicast-iface=eth0
			caps=application/x-rtp,media=audio,clock-rate=48000,encoding-name=L24,channels=%d !
			rtpjitterbuffer latency=5 ! rtpL24depay ! fakesink sync=true`, group(i), channels))
	}
	return launch(g.t, g.receiver, gstLaunch(pipeline)).Process.Pid
}

func gstLaunch(pipelines []string) *exec.Cmd {
	return exec.Command("chrt", append([]string{"-f", "70", "gst-launch-1.0"}, strings.Fields(strings.Join(pipelines, " "))...)...)
}
