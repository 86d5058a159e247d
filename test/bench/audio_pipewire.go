package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"aes67os/test/aes67d"
	"aes67os/test/netns"
)

// pipewire is a peer: PipeWire with its RTP modules as in Debian 12. A sound card that is
// none keeps time, and takes the place of a session manager's choice: all streams are
// joined to it. Its quantum is the number of samples that are handled at once. With those of a
// packet it sends one each millisecond; with more it does less work, and sends bursts.
//
// Real-time priorities are given to all of it: its own module gives one only to the
// thread that mixes, but it is another that sends.
type pipewire struct {
	*cable
	quantum int
}

func newPipeWire(quantum int) func(*cable) talker {
	return func(c *cable) talker { return pipewire{c, quantum} }
}

func (p pipewire) send() int {
	var modules strings.Builder
	for i := range streams {
		fmt.Fprintf(&modules, `{ name = libpipewire-module-rtp-sink args = {
			local.ifname = eth0 source.ip = %s destination.ip = %s net.mtu = 1280 net.ttl = 15
			sess.name = "s%d" sess.min-ptime = 1 sess.max-ptime = 1
			audio.format = S24BE audio.rate = 48000 audio.channels = %d audio.position = [ %s ]
			stream.props = { node.name = "rtp%[3]d" adapter.auto-port-config = { mode = dsp } } } }
		`, origin(i), group(i), i, channels, positions())
	}
	one := p.launch(p.sender, modules.String())
	for i := range streams {
		for c := range channels {
			one.link(fmt.Sprintf("device:monitor_AUX%d", c), fmt.Sprintf("rtp%d:input_AUX%d", i, c))
		}
	}
	return one.pid
}

// receive finds the streams by their announcements, and gives them names by these.
func (p pipewire) receive() int {
	one := p.launch(p.receiver, `{ name = libpipewire-module-rtp-source args = {
		local.ifname = eth0 sess.latency.msec = 5
		stream.props = { adapter.auto-port-config = { mode = dsp } }
		stream.rules = [ { matches = [ { rtp.session = "~.*" } ] actions = { create-stream = { } } } ] } }`)
	for i := range streams {
		for c := range channels {
			one.link(fmt.Sprintf("s%d:output_%d", i, c+1), fmt.Sprintf("device:playback_AUX%d", c))
		}
	}
	return one.pid
}

// positions are the names of a stream's channels.
func positions() string {
	var names []string
	for c := range channels {
		names = append(names, fmt.Sprintf("AUX%d", c))
	}
	return strings.Join(names, " ")
}

// instance is a PipeWire that runs.
type instance struct {
	t   *runner
	dir string
	pid int
}

// launch starts PipeWire with modules besides the usual ones.
func (p pipewire) launch(in *netns.Namespace, modules string) instance {
	one := instance{t: p.t, dir: p.t.TempDir()}
	config := filepath.Join(one.dir, "pipewire.conf")
	err := os.WriteFile(config, fmt.Appendf(nil, `
		context.properties = {
			core.daemon = true core.name = pipewire-0 mem.mlock-all = true
			default.clock.rate = 48000 clock.power-of-two-quantum = false
			default.clock.quantum = %[1]d default.clock.min-quantum = %[1]d default.clock.max-quantum = %[1]d
		}
		context.spa-libs = { audio.convert.* = audioconvert/libspa-audioconvert support.* = support/libspa-support }
		context.modules = [
			{ name = libpipewire-module-rt args = { nice.level = -11 rt.prio = 88 } }
			{ name = libpipewire-module-protocol-native }
			{ name = libpipewire-module-metadata }
			{ name = libpipewire-module-spa-node-factory }
			{ name = libpipewire-module-client-node }
			{ name = libpipewire-module-access args = {} }
			{ name = libpipewire-module-adapter }
			{ name = libpipewire-module-link-factory }
			%[2]s
		]
		context.objects = [ { factory = adapter args = {
			factory.name = support.null-audio-sink node.name = device media.class = Audio/Sink object.linger = true
			audio.rate = 48000 audio.channels = %[3]d audio.position = [ %[4]s ] priority.driver = 20000
			adapter.auto-port-config = { mode = dsp monitor = true position = preserve } } } ]
		`, p.quantum, modules, channels, positions()), 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	c := exec.Command("chrt", "-f", "70", "pipewire", "-c", config)
	c.Env = one.environment()
	one.pid = launch(p.t, in, c).Process.Pid
	return one
}

func (i instance) environment() []string {
	return append(os.Environ(), "XDG_RUNTIME_DIR="+i.dir, "DBUS_SESSION_BUS_ADDRESS=disabled:")
}

// link joins two ports as soon as they are there.
func (i instance) link(from, to string) {
	aes67d.Until(i.t, from+" joined to "+to, func() bool {
		c := exec.CommandContext(i.t.Context(), "pw-link", from, to)
		c.Env = i.environment()
		return c.Run() == nil
	})
}
