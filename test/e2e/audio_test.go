package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"aes67os/board"
	"aes67os/driver"
	"aes67os/firmware/qemu"
	"aes67os/test/vm"
)

const (
	// fast is by how many millionths the grandmaster's clock is faster than the guest's.
	fast = 80
	// master is its identity.
	master = "02-00-5E-FF-FE-00-00-01"
	// latency is the smallest that is safe with snd-aloop, which moves in steps of 4 ms: what
	// it captures is seen up to 1.5 ms after that.
	latency = "6ms"
)

// TestAudio has the appliance bridge sound cards to streams. What a program plays on
// snd-aloop goes through it: from the card to a source, over the network of its loopback
// interface to a sink, and back to the card. The media clock is another's and faster than
// the card's, which therefore has to be steered; and every sample is compared.
func TestAudio(t *testing.T) {
	t.Parallel()
	length := time.Minute
	if soak := os.Getenv("AES67OS_SOAK"); soak != "" {
		var err error
		if length, err = time.ParseDuration(soak); err != nil {
			t.Fatalf("AES67OS_SOAK: %v", err)
		}
	}
	keys, typed := keyboard(t)
	drive, err := vm.Drive(t.Context(), x86(t), "./guest", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := start(t, qemu.Config{Image: image(t, "-debug"), Input: keys, Args: slices.Concat(vm.OwnTime, drive, []string{
		"-audiodev", "none,id=none", "-device", "qemu-xhci", "-device", "usb-audio,id=usb,audiodev=none",
		"-device", "intel-hda", "-device", "hda-duplex,audiodev=none",
	})})
	m.waitReady()
	typed(vm.Install + "; modprobe snd_aloop")
	// What is started in the background of a line ends with the line; that of a script does not.
	typed(fmt.Sprintf("sh -c '%s grandmaster -ppm %d & sleep 1'", vm.Program, fast))
	write := func(file string, content any) {
		b, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		typed(fmt.Sprintf("echo '%s' > %s", b, filepath.Join(board.DataDir, file)))
	}
	// use has aes67d join a card; one at a time, as a guest has not the time to resample much.
	use := func(port string) {
		write(filepath.Join(board.AudioConfigDir, "daemon.conf"), map[string]any{"interface_name": "lo", "audio_ports": port})
		typed("kill -9 " + strconv.Itoa(m.service("aes67d").PID))
		m.see(`aes67d was killed`)
	}

	t.Run("bit-exact", func(t *testing.T) {
		write(filepath.Join(board.AudioStateDir, "status.json"), streams())
		use("card hw:CARD=Loopback,DEV=0 " + latency + " > 1-2 < 1-2")
		for range 2 {
			m.see(`sound card .* resampled=false steered=true`)
		}
		m.seeWithin(bootTimeout, `state=locked grandmaster=`+master)
		begun := len(m.serial.Text())
		typed(vm.Program + " recital -for " + length.String())
		// Emulation takes several times as long, depending on what else the host does.
		verdict := m.seeWithin(bootTimeout+20*length, `recital: (good|bad): ([^\r]*)\r`)
		t.Log(verdict[2])
		if verdict[1] != "good" {
			t.Fatalf("what came back is not what was played: %s\n%s\n%s", verdict[2], m.get("/api/source/figures/0"), m.get("/api/sink/figures/0"))
		}
		if log := m.serial.Text()[begun:]; strings.Contains(log, "came apart") {
			t.Error("the card was not kept where it should be, or had an xrun")
		}
		// The control counts in hundred-thousandths, and a higher value is a slower clock.
		shifts := m.see(`recital: rate shift (\d+) (\d+)\r`)
		for i, direction := range []string{"capture", "playback"} {
			shift, err := strconv.ParseFloat(shifts[i+1], 64)
			if want := 1e5 / (1 + fast*1e-6); err != nil || math.Abs(shift-want) > 4 {
				t.Errorf("%s: the rate shift is %v; want about %.0f", direction, shift, want)
			}
		}
		f := fetch[driver.Figures](m, "/api/sink/figures/0")
		if f.Sink == nil || f.Sink.Lost != 0 || f.Sink.Interruptions != 0 {
			t.Errorf("figures of the sink: %+v; want nothing lost", f.Sink)
		}
	})

	const opened = `sound card .*resampled=true`
	t.Run("onboard", func(t *testing.T) {
		use("card hw:CARD=Intel > 3-4")
		m.see(opened)
	})
	t.Run("USB, unplugged and plugged in again", func(t *testing.T) {
		use("card hw:CARD=Audio < 1-2")
		m.see(opened)
		m.command("device_del", map[string]any{"id": "usb"})
		m.see(`port does not work, will try again .*hw:CARD=Audio`)
		m.command("device_add", map[string]any{"driver": "usb-audio", "id": "usb", "audiodev": "none"})
		m.see(opened)
	})
}

// streams is the state of an aes67d with a source and a sink that receives it.
func streams() any {
	const group = "239.69.1.2"
	sdp := []string{
		"v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=loop", "c=IN IP4 " + group + "/15", "t=0 0",
		"m=audio 5004 RTP/AVP 98", "a=rtpmap:98 L24/48000/2", "a=ptime:1",
		"a=ts-refclk:ptp=IEEE1588-2008:" + master + ":0", "a=mediaclk:direct=0", "",
	}
	return map[string]any{
		"sources": []any{map[string]any{
			"id": 0, "enabled": true, "name": "out", "io": "", "max_samples_per_packet": 48, "codec": "L24", "address": group,
			"ttl": 15, "payload_type": 98, "dscp": 34, "refclk_ptp_traceable": false, "map": []int{0, 1},
		}},
		"sinks": []any{map[string]any{
			"id": 0, "name": "in", "io": "", "use_sdp": true, "source": "", "sdp": strings.Join(sdp, "\r\n"), "delay": 192,
			"ignore_refclk_gmid": true, "map": []int{0, 1},
		}},
	}
}
