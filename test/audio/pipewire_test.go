package audio

import (
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"aes67os/test/aes67d"
	"aes67os/test/netns"
)

// pipewire is a PipeWire server with nothing in it but what these tests need: no session
// manager, whose work of linking nodes is done here, and no sound card, but a timer.
type pipewire struct {
	t  *testing.T
	in *netns.Namespace
	// dir has its socket and configuration.
	dir string
}

// pipewireConfig is the server's; the module that sends or receives is to be filled in.
const pipewireConfig = `
context.properties = {
    core.daemon = true
    core.name = pipewire-0
    support.dbus = false
    default.clock.rate = 48000
    default.clock.quantum = 2048
    default.clock.min-quantum = 2048
    default.clock.max-quantum = 2048
}
context.spa-libs = {
    audio.convert.* = audioconvert/libspa-audioconvert
    support.* = support/libspa-support
}
context.modules = [
    { name = libpipewire-module-rt args = { rt.prio = 60 } flags = [ nofail ] }
    { name = libpipewire-module-protocol-native }
    { name = libpipewire-module-spa-node-factory }
    { name = libpipewire-module-client-node }
    { name = libpipewire-module-access }
    { name = libpipewire-module-adapter }
    { name = libpipewire-module-link-factory }
    { name = libpipewire-module-metadata }
    %s
]
context.objects = [
    { factory = spa-node-factory
        args = { factory.name = support.node.driver node.name = timer node.group = timer priority.driver = 20000 } }
]
`

// pipewireClient is the configuration of pw-cat.
const pipewireClient = `
context.spa-libs = {
    audio.convert.* = audioconvert/libspa-audioconvert
    support.* = support/libspa-support
}
context.modules = [
    { name = libpipewire-module-rt args = { rt.prio = 60 } flags = [ nofail ] }
    { name = libpipewire-module-protocol-native }
    { name = libpipewire-module-client-node }
    { name = libpipewire-module-adapter }
    { name = libpipewire-module-metadata }
]
`

// node are properties of a stream that has its ports without a session manager, and is
// driven by the timer.
const node = `node.autoconnect = false node.group = timer node.always-process = true
	adapter.auto-port-config = { mode = dsp monitor = false control = false position = preserve } `

// asItIs are those of one that is neither resampled nor mixed.
const asItIs = ` resample.disable = true channelmix.disable = true `

// startPipeWire starts a server with a module.
func startPipeWire(t *testing.T, in *netns.Namespace, module string) *pipewire {
	t.Helper()
	p := &pipewire{t, in, t.TempDir()}
	for name, text := range map[string]string{"server.conf": fmt.Sprintf(pipewireConfig, module), "client.conf": pipewireClient, "client-rt.conf": pipewireClient} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.start("pipewire", "-c", "server.conf")
	aes67d.Until(t, "PipeWire answers", func() bool { return p.command("pw-cli", "info", "0").Run() == nil })
	return p
}

func (p *pipewire) command(name string, arguments ...string) *exec.Cmd {
	c := exec.Command(name, arguments...)
	c.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+p.dir, "PIPEWIRE_CONFIG_DIR="+p.dir, "PIPEWIRE_DEBUG=2")
	return c
}

func (p *pipewire) start(name string, arguments ...string) {
	p.t.Helper()
	p.in.Background(p.command(name, arguments...))
}

// link joins the two ports of a node to those of another, as soon as all are there.
func (p *pipewire) link(from, to [2]string) {
	p.t.Helper()
	for i := range from {
		aes67d.Until(p.t, "link from "+from[i]+" to "+to[i], func() bool {
			out, err := p.command("pw-link", from[i], to[i]).CombinedOutput()
			return err == nil || strings.Contains(string(out), "File exists")
		})
	}
}

// TestFromPipeWire has the daemon record what PipeWire plays.
func TestFromPipeWire(t *testing.T) {
	t.Parallel()
	for _, f := range []format{{"L24", 48, unhurried}, {"L16", 48, unhurried}} {
		h := newHost(t, 2, f)
		group := netip.MustParseAddr("239.9.9.9")
		p := startPipeWire(t, h.peer, fmt.Sprintf(`{ name = libpipewire-module-rtp-sink args = {
			local.ifname = eth0 source.ip = 192.0.2.2 destination.ip = %v destination.port = %d net.ttl = 15
			sess.min-ptime = 1 sess.max-ptime = 1
			audio.format = S%dBE audio.rate = %d audio.channels = 2 audio.position = [ FL FR ]
			stream.props = { node.name = rtp-sink %s } } }`, group, rtpPort, f.bits(), rate, node+asItIs))
		p.start("pw-cat", "--playback", "--target", "0", "--properties", "{ node.name = player "+node+asItIs+" }", h.file)
		p.link([2]string{"player:output_FL", "player:output_FR"}, [2]string{"rtp-sink:input_FL", "rtp-sink:input_FR"})
		h.receive(0, h.describe(t, group, f.codec, 2, 127), f, channels(0, 2))
		h.receives(t, f.mask())
	}
}

// TestToPipeWire has PipeWire record a tone that the daemon plays, and which it finds by SAP.
// PipeWire follows no media clock: it resamples what it receives to its own, more or less
// all the time, so that its samples are other ones. But the tone has to be as it was.
func TestToPipeWire(t *testing.T) {
	t.Parallel()
	for _, f := range []format{{"L24", 48, unhurried}, {"L16", 48, unhurried}} {
		one, two := netns.Pair(t, oneAddress, twoAddress)
		d := start(t, one, "tone 997Hz -20dB > 1-2", map[string]any{"sap_interval": 1})
		d.lock()
		d.send(0, f, channels(0, 2))
		p := startPipeWire(t, two, fmt.Sprintf(`{ name = libpipewire-module-rtp-source args = {
			local.ifname = eth0 sap.ip = 239.255.255.255 sess.latency.msec = 200
			stream.props = { %s }
			stream.rules = [ { matches = [ { rtp.session = "~.*" } ] actions = { create-stream = { node.name = rtp-source } } } ] } }`, node))
		file := filepath.Join(inMemory(t), "pipewire.wav")
		p.start("pw-cat", "--record", "--target", "0", "--format", "s32", "--properties", "{ node.name = recorder "+node+asItIs+" }", file)
		p.link([2]string{"rtp-source:output_FL", "rtp-source:output_FR"}, [2]string{"recorder:input_FL", "recorder:input_FR"})
		r := record(t, file)
		var wrong error
		for good, all := 0, 0; good < peerFrames(); all += stretch {
			if all > peerFrames()+60*rate {
				t.Fatalf("%s: no tone that lasts for half a second: %v", f.codec, wrong)
			}
			if err := tone997(r.read(stretch), r.channels); err != nil {
				good, wrong = good-good%window, err // it leaves out something now and then
				continue
			}
			good += stretch
		}
	}
}

// tone997 tells whether the samples are the port's tone, in all channels: its level within a
// tenth of a decibel, its frequency within a quarter of a percent, and nothing else above
// -80 dBFS.
func tone997(samples []int32, channels int) error {
	for c := range channels {
		var x []float64
		for i := c; i < len(samples); i += channels {
			x = append(x, float64(samples[i])/math.MaxInt32)
		}
		// A sine is what keeps x[n+1] + x[n-1] = 2 cos(ω) x[n].
		var power, product float64
		for n := 1; n < len(x)-1; n++ {
			power += x[n] * x[n]
			product += x[n] * (x[n+1] + x[n-1])
		}
		factor := product / power
		hz := math.Acos(factor/2) * rate / (2 * math.Pi)
		level := 10 * math.Log10(2*power/float64(len(x)-2))
		worst := 0.0
		for n := 1; n < len(x)-1; n++ {
			worst = max(worst, math.Abs(x[n+1]+x[n-1]-factor*x[n]))
		}
		if !(math.Abs(hz-997) < 997*0.0025) || math.Abs(level+20) > 0.1 || worst > 1e-4 {
			return fmt.Errorf("channel %d: %.2f Hz, %.2f dBFS, and beside it %.2g of full scale", c+1, hz, level, worst)
		}
	}
	return nil
}
