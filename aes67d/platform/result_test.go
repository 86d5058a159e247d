package platform

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aes67os/driver"
)

func TestResult(t *testing.T) {
	counted := traffic{counted: true, received: true, lateness: 123456, margin: 10_500_400}
	right := findings{begun: true, compared: 48000}
	for name, tc := range map[string]struct {
		latency bool
		result  result
		failed  bool
		want    string
	}{
		"right": {
			result: result{findings: right, traffic: counted},
			want: `OK
compared: 48000 frames of 2 channels, 1.000 s; 24 bits of each sample of S24_3LE
buffer: 96 frames in periods of 48: 0 underruns, 0 overruns
media clock: jumped 0 times, lost its lock 0 times
packets: 0 not sent, 0 lost, 0 too late or early, 0 foreign; sent at most 123µs late, received at least 10.5ms before they were needed`,
		},
		"latency": {
			latency: true,
			result:  result{findings: right, latency: latency{min: 3_901_000, max: 4_091_000, sum: 8_000_000, frames: 2}, traffic: counted},
			want: `OK
compared: 48000 frames of 2 channels, 1.000 s; 24 bits of each sample of S24_3LE
end-to-end latency: min 3.901 ms, avg 4.000 ms, max 4.091 ms (187, 192, 196 samples)
buffer: 96 frames in periods of 48: 0 underruns, 0 overruns
media clock: jumped 0 times, lost its lock 0 times
packets: 0 not sent, 0 lost, 0 too late or early, 0 foreign; sent at most 123µs late, received at least 10.5ms before they were needed`,
		},
		"interrupted": {
			result: result{findings: findings{begun: true, compared: 24000}, interrupted: true},
			want: `interrupted after 0.500 s of 1.000 s, OK so far
compared: 24000 frames of 2 channels, 0.500 s; 24 bits of each sample of S24_3LE
buffer: 96 frames in periods of 48: 0 underruns, 0 overruns
media clock: jumped 0 times, lost its lock 0 times
packets: none missing or out of order, none too late or early`,
		},
		"packet lost": {
			result: result{
				findings: findings{begun: true, compared: 48000, silent: 48, first: fault{24000, 1, 0, 0x12345600}},
				traffic:  traffic{counted: true, lost: 1},
			},
			failed: true,
			want: `failed at 0.500000 s (frame 24000, channel 2): silence where 0x123456 was played
compared: 48000 frames of 2 channels, 1.000 s; 24 bits of each sample of S24_3LE
wrong frames: 48 silent, 0 with other samples; 0 missing at the beginning; 0 shifts, by +0 frames in all
buffer: 96 frames in periods of 48: 0 underruns, 0 overruns
media clock: jumped 0 times, lost its lock 0 times
packets: 0 not sent, 1 lost, 0 too late or early, 0 foreign; sent at most 0s late, received at least 0s before they were needed
packets were lost on the way: the host is overloaded, or the network is`,
		},
		"sample altered": {
			result: result{findings: findings{begun: true, compared: 48000, altered: 1, first: fault{1, 0, -0x100, 0x100}}},
			failed: true,
			want: `failed at 0.000021 s (frame 1, channel 1): 0xffffff where 0x000001 was played
compared: 48000 frames of 2 channels, 1.000 s; 24 bits of each sample of S24_3LE
wrong frames: 0 silent, 1 with other samples; 0 missing at the beginning; 0 shifts, by +0 frames in all
buffer: 96 frames in periods of 48: 0 underruns, 0 overruns
media clock: jumped 0 times, lost its lock 0 times
packets: none missing or out of order, none too late or early
samples were changed on the way: does another talker, or another driver, use the same streams or channels?`,
		},
		"silence": {
			failed: true,
			want: `failed at 0.000 s: nothing but silence was recorded
buffer: 96 frames in periods of 48: 0 underruns, 0 overruns
media clock: jumped 0 times, lost its lock 0 times
packets: none missing or out of order, none too late or early
no packets arrive: is there a firewall for UDP, or is aes67d running?`,
		},
		"underrun without harm": {
			latency: true,
			result:  result{findings: right, trouble: trouble{underruns: 1}, traffic: counted},
			failed:  true,
			want: `failed at no sample, but the buffer is too small
compared: 48000 frames of 2 channels, 1.000 s; 24 bits of each sample of S24_3LE
buffer: 96 frames in periods of 48: 1 underruns, 0 overruns
media clock: jumped 0 times, lost its lock 0 times
packets: 0 not sent, 0 lost, 0 too late or early, 0 foreign; sent at most 123µs late, received at least 10.5ms before they were needed
this program was run too late: end what else runs, give it the right to real-time priority, or use more -frames`,
		},
	} {
		o := testOptions()
		o.latency = tc.latency
		r := tc.result
		r.frames, r.period, r.buffer = 48000, 48, 96
		if got := r.failed(o); got != tc.failed {
			t.Errorf("%s: failed %t; want %t", name, got, tc.failed)
		}
		if d := cmp.Diff(tc.want, r.text(o)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// TestCause has what is told of packets, and what that means.
func TestCause(t *testing.T) {
	silent := findings{begun: true, compared: 48000, silent: 48}
	for name, tc := range map[string]struct {
		result result
		want   string
	}{
		"clock":              {result{findings: silent, trouble: trouble{steps: 1, underruns: 1}}, "the media clock was not steady"},
		"lock":               {result{findings: silent, unlocks: 1}, "the media clock was not steady"},
		"underruns":          {result{findings: silent, trouble: trouble{underruns: 1}, traffic: traffic{counted: true, late: 1}}, "this program was run too late"},
		"not sent":           {result{findings: silent, traffic: traffic{counted: true, unsent: 1, lost: 1}}, "packets were not sent"},
		"not sent, overruns": {result{findings: silent, trouble: trouble{overruns: 1}, traffic: traffic{counted: true, unsent: 1}}, "packets were not sent"},
		"late":               {result{findings: silent, traffic: traffic{counted: true, late: 1, lost: 1}}, "packets arrived too late"},
		"late, by flag":      {result{findings: silent, traffic: traffic{timestamp: true}}, "packets arrived too late"},
		"lost, by flag":      {result{findings: silent, traffic: traffic{sequence: true}}, "packets were lost"},
		"missing":            {result{findings: findings{begun: true, compared: 48000, missing: 1}}, "the cause is not known"},
		"something else":     {result{findings: findings{foreign: true}}, "samples were changed"},
		"too many troubles":  {result{findings: findings{begun: true, compared: 1}}, "the cause is not known"},
		"silence is no flag": {result{findings: silent, traffic: traffic{counted: true, timestamp: true}}, "the cause is not known"},
	} {
		o := testOptions()
		tc.result.frames = 48000
		got := tc.result.cause(o)
		if !tc.result.failed(o) || len(got) < len(tc.want) || got[:len(tc.want)] != tc.want {
			t.Errorf("%s: %q; want %q", name, got, tc.want)
		}
	}
}

func TestTraffic(t *testing.T) {
	sink := func(legs ...driver.LegFigures) driver.Figures {
		return driver.Figures{Sink: &driver.SinkFigures{Legs: legs}}
	}
	got := traffic{counted: true}
	for _, f := range []driver.Figures{
		{Source: &driver.SourceFigures{Missed: 1, Errors: 2, MaxLateness: time.Millisecond}},
		{Source: &driver.SourceFigures{Missed: 10, MaxLateness: time.Microsecond}},
		sink(driver.LegFigures{}),
		sink(driver.LegFigures{Packets: 5, Lost: 1, Late: 2, Early: 4, Minimum: 3 * time.Millisecond}),
		sink(driver.LegFigures{Packets: 5, WrongPayloadType: 1, ForeignSSRC: 2, Malformed: 4, Minimum: -time.Millisecond}),
		sink(driver.LegFigures{Packets: 5, Lost: 10, Minimum: time.Millisecond}),
	} {
		got.add(f)
	}
	want := traffic{
		counted: true, received: true, unsent: 13, lost: 11, late: 6, foreign: 7,
		lateness: time.Millisecond, margin: -time.Millisecond,
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(traffic{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	before := traffic{unsent: 3, lost: 1, late: 6, foreign: 5, lateness: time.Microsecond, margin: time.Second}
	want.unsent, want.lost, want.late, want.foreign = 10, 10, 0, 2
	if d := cmp.Diff(want, got.since(before), cmp.AllowUnexported(traffic{})); d != "" {
		t.Errorf("since before (-want +got):\n%s", d)
	}
}
