package audio

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"aes67os/test/aes67d"
	"aes67os/test/netns"
)

// tone is what the port "tone 997Hz -20dB" plays on all channels.
type tone struct{ channels int }

func (t tone) width() int { return t.channels }
func (tone) period() int  { return rate } // a prime number of Hz

func (tone) at(frame, _ int) int32 {
	return int32(math.Round(math.Pow(10, -20.0/20) * math.MaxInt32 * math.Sin(2*math.Pi*float64(997*frame%rate)/rate)))
}

// TestWithoutRights has a user without any rights try the daemon on a host without a network
// and without a sound card.
func TestWithoutRights(t *testing.T) {
	host := netns.New(t)
	dir := inMemory(t)
	// This is how test/aes67d can be made to start it as somebody else.
	nobody := filepath.Join(dir, "aes67d")
	script := fmt.Sprintf("#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all %s \"$@\"\n", program)
	if err := os.WriteFile(nobody, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(t.TempDir()), 0o755); err != nil {
		t.Fatal(err)
	}
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	file := filepath.Join(dir, "recording.wav")
	d := startProgram(t, nobody, host, fmt.Sprintf("tone 997Hz -20dB > 1-2; record %s 24bit < 1-2", file),
		map[string]any{"interface_name": "lo", "status_file": filepath.Join(dir, "status.json")})
	d.lock()
	// Half a second: nobody has promised such a process any processor.
	f := format{"L24", 48, rate / 2}
	d.receive(0, d.send(0, f, channels(0, 2)), f, channels(0, 2))
	r := record(t, file)
	want := r.align(tone{2}, f.mask())
	if v := r.compare(want, frames(3*time.Second)); v.other > 0 || v.silent > v.frames { // a half of both channels
		t.Error(v)
	} else if v.wrong() {
		t.Log("as may be without rights: ", v)
	}
	for _, told := range []string{"CAP_SYS_NICE", "CAP_NET_BIND_SERVICE"} {
		aes67d.Until(t, "the log tells: "+told, func() bool { return strings.Contains(d.Log(), told) })
	}
}
