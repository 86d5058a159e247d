package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"aes67os/test/netns"
)

// TestMain has all tests in a network of their own: a loopback interface.
func TestMain(m *testing.M) { netns.Main(m) }

var quiet = slog.New(slog.DiscardHandler)

// open has a stage with the userspace driver, until the test ends. Playout delays are half a
// second, and periods long, because a machine that runs tests is a busy one.
func open(t *testing.T, line string) *stage {
	t.Helper()
	o, _, err := parse(strings.Fields(line + " -driver userspace"))
	if err != nil {
		t.Fatal(err)
	}
	o.delay, o.duration = int(o.rate)/2, time.Second
	s, err := o.open(t.Context(), newPrinter(t.Output()), quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// attempts is how often a test is run that failed because this machine was too slow.
const attempts = 3

// right runs a test, of which no sample may be wrong. A machine that is overloaded may lose
// some, and has to say so.
func right(t *testing.T, s *stage) *result {
	t.Helper()
	for range attempts {
		r := trial(t, s)
		if !r.failed(s.options) {
			return r
		}
		slow := r.underruns + r.overruns + int(r.traffic.unsent+r.traffic.late)
		if slow == 0 || r.altered > 0 {
			t.Fatal(r.text(s.options))
		}
	}
	t.Fatalf("%d attempts failed because this machine is too slow", attempts)
	return nil
}

// trial runs a test, once all has passed that another left on its way.
func trial(t *testing.T, s *stage) *result {
	t.Helper()
	period, buffer := s.card.shape()
	if err := s.card.start(); err != nil {
		t.Fatal(err)
	}
	p := planes(s.options.channels, period)
	for passed := 0; passed < buffer+s.delay; passed += period {
		if err := s.card.read(t.Context(), p); err != nil && !errors.Is(err, errOverrun) {
			t.Fatal(err)
		}
	}
	r, err := s.run(t.Context(), newPrinter(t.Output()))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r.text(s.options))
	return r
}

func TestCompat(t *testing.T) {
	for _, line := range []string{
		fmt.Sprintf("compat -format S16_LE -rate %d -channels %d -packet 96", fast, most/4+1),
		"compat -format S32_LE -rate 44100 -channels 2",
	} {
		t.Run(line, func(t *testing.T) {
			s := open(t, line)
			r := right(t, s)
			if r.compared < r.frames || r.frames != int64(s.options.rate) {
				t.Errorf("%d of %d frames are compared, %d Hz", r.compared, r.frames, s.options.rate)
			}
		})
	}
}

func TestLatency(t *testing.T) {
	s := open(t, "latency -format S24_LE -channels 2 -frames 8192")
	r := right(t, s)
	if r.latency.frames != r.compared {
		t.Errorf("the latency of %d frames was measured, of %d compared", r.latency.frames, r.compared)
	}
	// It cannot be less than that of buffer and sink, whatever the machine.
	if least := int64(8192-4096+s.delay) * 1e9 / 48000; r.latency.min < least {
		t.Errorf("latency of %d ns; it cannot be below %d", r.latency.min, least)
	}
}

// TestFaults has what a test is for: samples that are changed, and packets that are lost.
func TestFaults(t *testing.T) {
	s := open(t, fmt.Sprintf("compat -format S24_3LE -rate 48000 -channels %d", most))
	right(t, s)

	// A bit of one sample, half a second after the beginning.
	honest := s.card
	const liesAt, lieChannel = 24_000, most - 1
	s.card = &liar{card: honest, frame: liesAt, channel: lieChannel}
	for range attempts {
		r := trial(t, s)
		if r.silent+r.missing > 0 && r.underruns+r.overruns+int(r.traffic.unsent+r.traffic.late) > 0 {
			continue // this machine was too slow
		}
		want := sequence{s.options.format}.sample(liesAt, lieChannel)
		if lie := (fault{liesAt, lieChannel, want ^ 0x100, want}); r.altered != 1 || r.first != lie {
			t.Errorf("%d frames with other samples, the first %+v; want 1, %+v", r.altered, r.first, lie)
		}
		if text := r.text(s.options); !strings.HasPrefix(text, fmt.Sprintf("failed at 0.500000 s (frame 24000, channel %d): 0x", most)) {
			t.Errorf("the answer is %q", text)
		}
		break
	}
	s.card = honest

	// A network that takes less than the 1.2 Mbit/s of a channel, and headers.
	shape(t, "add", "tbf", "rate", fmt.Sprintf("%dkbit", 1000*most), "burst", "5kb", "limit", "5kb")
	r := trial(t, s)
	shape(t, "del")
	if !r.failed(s.options) || r.silent == 0 || r.altered > 0 || r.shifts > 0 || r.first.got != 0 {
		t.Errorf("packets were lost:\n%s", r.text(s.options))
	}
	if !r.traffic.counted || r.traffic.lost == 0 {
		t.Errorf("packets were lost, the driver tells of %d", r.traffic.lost)
	}

	ctx, cancel := context.WithCancel(t.Context())
	s.card = &liar{card: honest, frame: liesAt, channel: lieChannel, lies: cancel}
	r, err := s.run(ctx, newPrinter(t.Output()))
	if err != nil || !r.interrupted || r.finished() {
		t.Errorf("run() = %+v, %v; want one that was interrupted", r, err)
	}
	s.card = honest
}

// shape changes what the loopback interface does with packets.
func shape(t *testing.T, what string, how ...string) {
	t.Helper()
	arguments := append([]string{"qdisc", what, "dev", "lo", "root"}, how...)
	if out, err := exec.Command("tc", arguments...).CombinedOutput(); err != nil {
		t.Fatalf("tc: %v: %s", err, out)
	}
}

// liar changes a bit of one frame of what it records, by the number in the sequence.
type liar struct {
	card
	frame   int64
	channel int
	// lies, unless nil, is called then.
	lies func()
}

func (l *liar) read(ctx context.Context, planes [][]int32) error {
	err := l.card.read(ctx, planes)
	if err != nil {
		return err
	}
	honest := sequence{formats["S24_3LE"]}.sample(l.frame, l.channel)
	for i, s := range planes[l.channel] {
		if s == honest {
			planes[l.channel][i] ^= 0x100
			if l.lies != nil {
				l.lies()
			}
		}
	}
	return nil
}

func TestMainRefuses(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		ctx    context.Context
		line   string
		is     error
		reason string
	}{
		{t.Context(), "compat -channels 65", ErrUsage, "-channels can be 2 to 64, not 65"},
		{t.Context(), "compat -interface none0", nil, "network interface none0"},
		{t.Context(), "compat -driver ravenna", nil, "RAVENNA kernel module is not loaded"},
		{ended, "compat -driver userspace", context.Canceled, ""},
	} {
		var out strings.Builder
		err := Main(tc.ctx, strings.Fields(tc.line), &out, quiet)
		if err == nil || tc.is != nil && !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.reason) {
			t.Errorf("Main(%s) = %v; want %v, %q", tc.line, err, tc.is, tc.reason)
		}
	}
	var out strings.Builder
	if err := Main(t.Context(), []string{"-h"}, &out, quiet); err != nil || !strings.HasPrefix(out.String(), "usage:") {
		t.Errorf("Main(-h) = %v, %q", err, out.String())
	}
}

func TestAddress(t *testing.T) {
	if a, err := address("lo"); err != nil || a.String() != "127.0.0.1" {
		t.Errorf("address(lo) = %v, %v; want 127.0.0.1", a, err)
	}
	netns.Cable(
		netns.End{Namespace: netns.Here(t), Interface: "bare0"},
		netns.End{Namespace: netns.New(t), Interface: "bare1"},
	)
	if _, err := address("bare0"); err == nil || !strings.Contains(err.Error(), "no IPv4 address") {
		t.Errorf("address of an interface without one: %v", err)
	}
}
