package platform

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	compat := options{
		format: formats["S24_3LE"], rate: 48000, channels: 2, duration: 5 * time.Minute,
		packet: 48, driver: "auto", network: "lo",
	}
	latency := compat
	latency.latency, latency.duration, latency.frames = true, time.Minute, 96
	with := func(o options, change func(*options)) options {
		change(&o)
		return o
	}
	for line, want := range map[string]options{
		"compat":  compat,
		"latency": latency,
		"compat -format S32_LE -rate 384000 -channels 64 -duration 24h -packet 6 -delay 6": with(compat, func(o *options) {
			o.format, o.rate, o.channels, o.duration, o.packet, o.delay = formats["S32_LE"], 384000, 64, 24*time.Hour, 6, 6
		}),
		"latency -frames 12 -driver ravenna -interface eth0 -delay 24000": with(latency, func(o *options) {
			o.frames, o.driver, o.network, o.delay = 12, "ravenna", "eth0", 24000
		}),
	} {
		got, help, err := parse(strings.Fields(line))
		if err != nil || help != "" {
			t.Errorf("parse(%s) = %v, help %q", line, err, help)
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(options{}, format{})); d != "" {
			t.Errorf("parse(%s) (-want +got):\n%s", line, d)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for line, reason := range map[string]string{
		"":                             "only compat and latency",
		"speed":                        "no test \"speed\"",
		"-rate 48000":                  "only compat and latency",
		"compat 5":                     "\"5\" is no flag",
		"compat -frames 96":            "-frames",
		"compat -format MP3":           "S16_LE, S24_3LE, S24_LE, S32_LE",
		"compat -rate 22050":           "44100, 48000, 88200, 96000, 176400, 192000, 352800, 384000",
		"compat -rate 4295015296":      "-rate", // 2³² + 48000
		"compat -rate fast":            "-rate",
		"compat -channels 1":           "2 to 64",
		"compat -channels 65":          "2 to 64",
		"compat -duration 0s":          "1s to 24h",
		"compat -duration 25h":         "1s to 24h",
		"compat -packet 20":            "6, 12, 16, 48, 96, 192",
		"compat -delay 47":             "-delay can be 48",
		"compat -delay 24001":          "to 24000",
		"compat -delay -1":             "-delay",
		"latency -frames 97":           "even numbers from 12 to 8192",
		"latency -frames 10":           "even numbers",
		"latency -frames 8194":         "even numbers",
		"latency -driver fake":         "auto, userspace or ravenna",
		"latency -rate 48000 -unknown": "-unknown",
	} {
		if _, _, err := parse(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("parse(%s) = %v; want an error with %q", line, err, reason)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, line := range []string{"-h", "compat -h", "latency -rate 48000 -help"} {
		_, help, err := parse(strings.Fields(line))
		if err != nil || !strings.HasPrefix(help, "usage: aes67d test") || !strings.Contains(help, "-channels") {
			t.Errorf("parse(%s) = %v, help %q", line, err, help)
		}
		if strings.Contains(help, "-frames") != strings.HasPrefix(line, "latency") {
			t.Errorf("the help of %s: %s", line, help)
		}
	}
}

func TestPlayoutDelay(t *testing.T) {
	for line, want := range map[string]int{
		"compat":                          576,
		"compat -rate 384000":             4608,
		"compat -delay 100":               100,
		"latency":                         96,
		"latency -rate 44100":             93,
		"latency -rate 192000 -packet 12": 204,
		"latency -delay 60":               60,
	} {
		o, _, err := parse(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		if got := o.playoutDelay(userspaceName); got != want {
			t.Errorf("%s: a playout delay of %d samples; want %d", line, got, want)
		}
		if got := o.playoutDelay(ravennaName); o.delay == 0 && got != 576 {
			t.Errorf("%s: a playout delay of %d samples for the kernel module; want 576", line, got)
		}
	}
}
