package main

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/bpf"
)

func TestGaps(t *testing.T) {
	g := newGaps(time.Second)
	// Two streams; of the second one packet is late, and the next comes right after it.
	for i := range int64(100) {
		g.add(1, i*1e6)
		at := i * 1e6
		if i == 50 {
			at += 990e3
		}
		g.add(2, at)
	}
	g.end()
	if diff := cmp.Diff([]int{100, 100}, g.counts); diff != "" {
		t.Errorf("packets of each stream (-want +got):\n%s", diff)
	}
	for _, test := range []struct {
		share float64
		want  time.Duration
	}{
		{0, 10 * time.Microsecond}, {0.5, time.Millisecond}, {0.99, time.Millisecond}, {0.999, 1990 * time.Microsecond}, {1, 1990 * time.Microsecond},
	} {
		if got := g.quantile(test.share); got != test.want {
			t.Errorf("quantile(%v) = %v; want %v", test.share, got, test.want)
		}
	}
	if got, want := g.backToBack(), 1.0/198; got != want {
		t.Errorf("backToBack() = %v; want %v", got, want)
	}
}

func TestTicksOf(t *testing.T) {
	for _, test := range []struct {
		stat string
		want int64
		ok   bool
	}{
		{"7 (sh) S 1 7 7 0 -1 4194304 100 0 0 0 12 30 4 5 20 0 1 0 99", 42, true},
		{"7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 1 2 4 5 20 0 1 0 99", 3, true},
		{"7 (sh) S 1 7 7", 0, false},
		{"7 (sh) S 1 7 7 0 -1 4194304 100 0 0 0 x 30 4", 0, false},
		{"", 0, false},
	} {
		if got, err := ticksOf(test.stat); got != test.want || (err == nil) != test.ok {
			t.Errorf("ticksOf(%q) = %d, %v; want %d, %v", test.stat, got, err, test.want, test.ok)
		}
	}
}

func TestToGroups(t *testing.T) {
	vm, err := bpf.NewVM(toGroups)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[uint32]int{
		0xef010000: 20, 0xef010007: 20, 0xef0100ff: 20, 0xef010100: 0, 0xefffffff: 0, 0xc0000202: 0,
	} {
		packet := make([]byte, 1200)
		binary.BigEndian.PutUint32(packet[16:], address)
		if got, err := vm.Run(packet); got != want || err != nil {
			t.Errorf("of a packet to %#x %d bytes are taken, %v; want %d", address, got, err, want)
		}
	}
}

func TestLatency(t *testing.T) {
	l := latency{Begin: 5e9, Samples: 1010, Wrong: []int64{3, 0, 7}, Latency: make([]int64, 20_000)}
	l.Latency[2000], l.Latency[2500], l.Latency[9000] = 500, 499, 1
	type figures struct{ P1, P50, P999, Most float64 }
	got := figures{l.quantile(0.01), l.quantile(0.5), l.quantile(0.999), l.most()}
	if diff := cmp.Diff(figures{2, 2.5, 9, 9}, got); diff != "" {
		t.Errorf("quantiles (-want +got):\n%s", diff)
	}
	type losses struct {
		explained, lost int64
		calm            int
	}
	for name, test := range map[string]struct {
		looks []look
		want  losses
	}{
		"no stall":     {[]look{{5.5e9, 100e3}, {7.5e9, 499e3}}, losses{0, 10, 3}},
		"third second": {[]look{{5.5e9, 100e3}, {7.5e9, 500e3}}, losses{7, 3, 2}},
		// It may belong to either second.
		"between two": {[]look{{6.05e9, 1e6}}, losses{3, 7, 1}},
		"elsewhere":   {[]look{{4.9e9, 1e6}, {8.2e9, 1e6}}, losses{0, 10, 3}},
	} {
		var got losses
		got.explained, got.lost, got.calm = l.sort(test.looks)
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(losses{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestOffsets(t *testing.T) {
	got := offsetsOf([]int64{3000, -4000, 3000, -4000})
	got.rms *= got.rms
	if diff := cmp.Diff(offsets{rms: 12.5, p99: 4, most: 4, mean: -0.5}, got, cmp.AllowUnexported(offsets{}), cmp.Comparer(near)); diff != "" {
		t.Errorf("offsets (-want +got):\n%s", diff)
	}
}

func near(a, b float64) bool { return max(a-b, b-a) < 1e-9 }

func TestRun(t *testing.T) {
	for only, want := range map[string]string{
		"": "system audio/streams audio/clock ", "system": "system ", "audio": "audio/streams audio/clock ", "audio/clock": "audio/clock ", "aud": "", "audio/": "",
	} {
		got := ""
		var parts []part
		for _, name := range []string{"system", "audio/streams", "audio/clock"} {
			parts = append(parts, part{name, func(_ context.Context) error { got += name + " "; return nil }})
		}
		if err := run(t.Context(), parts, only); got != want || (err == nil) != (want != "") {
			t.Errorf("run(%q) = %v and measured %q; want %q", only, err, got, want)
		}
	}
}
