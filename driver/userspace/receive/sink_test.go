package receive

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"aes67os/driver"
)

const ms = time.Millisecond

// all are packet numbers up to and without n, but some.
func all(n int, but ...int) []int {
	var numbers []int
	for i := range n {
		if !slices.Contains(but, i) {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// Changes of packets on the way.
func wrongType(w *wire)   { w.PayloadType = 97 }
func foreign(w *wire)     { w.SSRC++; w.position += 1000 } // which would be heard
func noRTP(w *wire)       { w.raw = []byte("SIP/2.0 200 OK") }
func tooLong(w *wire)     { w.samples++ }
func empty(w *wire)       { w.samples = 0 }
func mono(w *wire)        { w.channels, w.samples = 1, spp-1 }
func restarted(w *wire)   { w.SSRC, w.Sequence = 0x9999, w.Sequence+30000 }
func tomorrow(w *wire)    { w.Timestamp += rate }
func yesterday(w *wire)   { w.Timestamp -= rate }
func renumbered(w *wire)  { w.Sequence += 20000 }
func otherClock(w *wire)  { w.Timestamp += 1 << 31 }
func tooFar(w *wire)      { w.Timestamp += size/2 - delay + 2 }
func inPieces(w *wire)    { w.samples = spp / 2 }
func secondHalf(w *wire)  { w.samples = spp / 2; w.Timestamp += spp / 2; w.position += spp / 2 }
func padded(w *wire)      { c := *w; w.raw = append(c.bytes(), 0, 0, 3); w.raw[0] |= 0x20 }
func differently(w *wire) { w.position += 1000 }

// TestStreams has packets of a stream arrive in all the ways they do.
func TestStreams(t *testing.T) {
	for _, test := range []struct {
		name   string
		legs   int
		steps  []step
		heard  []int
		want   driver.SinkFigures
		status driver.StreamStatus // Receiving is added; MinimumTime 0 is any
	}{
		{
			name: "in order", steps: run(0, 40, step{}), heard: all(40),
			want: driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 40}}},
		},
		{
			name: "padded", steps: run(0, 5, step{change: padded}), heard: all(5),
			want: driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 5}}},
		},
		{
			name:  "one lost",
			steps: without(run(0, 40, step{}), 7), heard: all(40, 7),
			want:   driver.SinkFigures{Lost: spp, Legs: []driver.LegFigures{{Packets: 39, Lost: 1}}},
			status: driver.StreamStatus{SequenceError: true},
		},
		{
			name:  "many lost",
			steps: without(run(0, 40, step{}), 1, 2, 3, 4, 5, 19, 20, 22, 38), heard: all(40, 1, 2, 3, 4, 5, 19, 20, 22, 38),
			want:   driver.SinkFigures{Lost: 9 * spp, Legs: []driver.LegFigures{{Packets: 31, Lost: 9}}},
			status: driver.StreamStatus{SequenceError: true},
		},
		{
			name:  "reordered",
			steps: slices.Concat(without(run(0, 40, step{}), 8, 20), []step{{n: 8, transit: 3 * ms / 2}, {n: 20, transit: 1001 * time.Microsecond}}),
			heard: all(40), want: driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 40}}},
			status: driver.StreamStatus{SequenceError: true, MinimumTime: 24},
		},
		{
			name:  "first ones reordered",
			steps: slices.Concat(run(2, 40, step{}), []step{{n: 1, transit: 3 * ms / 2}}),
			heard: all(40, 0), want: driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 39}}},
			status: driver.StreamStatus{MinimumTime: 24},
		},
		{
			name:  "twice",
			steps: slices.Concat(run(0, 40, step{}), run(10, 13, step{transit: ms / 2})), heard: all(40),
			want:   driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 43, Duplicate: 3}}},
			status: driver.StreamStatus{MinimumTime: 72},
		},
		{
			name:  "twice and not the same",
			steps: slices.Concat(run(0, 40, step{}), run(10, 13, step{transit: ms / 2, change: differently})), heard: all(40),
			want:   driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 43, Duplicate: 3}}},
			status: driver.StreamStatus{MinimumTime: 72},
		},
		{
			name:  "in time by a hair",
			steps: slices.Concat(without(run(0, 40, step{}), 8), []step{{n: 8, transit: 2*ms - 1}}), heard: all(40),
			want:   driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 40}}},
			status: driver.StreamStatus{SequenceError: true},
		},
		{
			name:  "late by a hair",
			steps: slices.Concat(without(run(0, 40, step{}), 8), []step{{n: 8, transit: 2 * ms}}), heard: all(40, 8),
			want:   driver.SinkFigures{Lost: spp, Legs: []driver.LegFigures{{Packets: 40, Late: 1}}},
			status: driver.StreamStatus{SequenceError: true, TimestampError: true},
		},
		{
			name:  "late by far",
			steps: slices.Concat(run(0, 40, step{}), []step{{n: 20, transit: 10 * ms}, {n: 39, change: yesterday}}), heard: all(40),
			want:   driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 42, Late: 2}}},
			status: driver.StreamStatus{TimestampError: true, MinimumTime: 96 - 480},
		},
		{
			name:  "early",
			steps: slices.Concat(run(0, 40, step{}), []step{{n: 20, change: tomorrow}, {n: 21, change: otherClock}, {n: 22, change: tooFar}}), heard: all(40),
			want:   driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 43, Early: 3}}},
			status: driver.StreamStatus{TimestampError: true},
		},
		{
			name:  "two packets for one",
			steps: slices.Concat(run(0, 20, step{change: inPieces}), run(0, 20, step{change: secondHalf})), heard: all(20),
			want: driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 40}}},
		},
		{
			name:  "payload type",
			steps: slices.Concat(run(0, 40, step{}), run(4, 9, step{change: wrongType})), heard: all(40),
			want:   driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 45, WrongPayloadType: 5}}},
			status: driver.StreamStatus{PayloadTypeError: true},
		},
		{
			name: "sizes",
			steps: slices.Concat(run(0, 40, step{}),
				[]step{{n: 4, change: tooLong}, {n: 5, change: empty}, {n: 6, change: mono}}), heard: all(40),
			want:   driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 43, Malformed: 3}}},
			status: driver.StreamStatus{PayloadTypeError: true},
		},
		{
			name:  "no RTP",
			steps: slices.Concat(run(0, 40, step{}), []step{{n: 4, change: noRTP}}), heard: all(40),
			want: driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 41, Malformed: 1}}},
		},
		{
			name:   "foreign", // which persists, but the other is there too
			steps:  slices.Concat(run(0, 400, step{}), run(1, 400, step{transit: -ms / 10, change: foreign})),
			want:   driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 799, ForeignSSRC: 399}}},
			status: driver.StreamStatus{SSRCError: true},
		},
		{
			name:  "talker started again after 100 ms",
			steps: slices.Concat(run(0, 40, step{}), run(140, 600, step{change: restarted})),
			// It is followed when the other has been silent for 250 ms.
			want:   driver.SinkFigures{Interruptions: 1, Legs: []driver.LegFigures{{Packets: 40 + 460, ForeignSSRC: 149}}},
			status: driver.StreamStatus{SSRCError: true},
		},
		{
			name:  "talker started again after a second",
			steps: slices.Concat(run(0, 40, step{}), run(1040, 1100, step{change: restarted})),
			want:  driver.SinkFigures{Interruptions: 1, Legs: []driver.LegFigures{{Packets: 100}}}, status: driver.StreamStatus{SSRCError: true},
		},
		{
			name:  "talker counts anew",
			steps: slices.Concat(run(0, 20, step{}), run(20, 40, step{change: renumbered})), heard: all(40),
			want: driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 40}}}, status: driver.StreamStatus{SequenceError: true},
		},
		{
			name:  "away for 80 ms",
			steps: slices.Concat(run(0, 20, step{}), run(100, 110, step{})),
			want:  driver.SinkFigures{Lost: 80 * spp, Legs: []driver.LegFigures{{Packets: 30, Lost: 80}}}, status: driver.StreamStatus{SequenceError: true},
		},
		{
			name:  "away for 200 ms",
			steps: slices.Concat(run(0, 20, step{}), run(220, 240, step{})),
			want:  driver.SinkFigures{Interruptions: 1, Legs: []driver.LegFigures{{Packets: 40, Lost: 200}}}, status: driver.StreamStatus{SequenceError: true},
		},
		{
			name: "two legs", legs: 2,
			steps: slices.Concat(run(0, 40, step{}), run(0, 40, step{leg: 1, transit: ms})), heard: all(40),
			want: driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 40}, {Packets: 40, Duplicate: 40}}},
		},
		{
			name: "two legs, loss on both", legs: 2,
			steps: slices.Concat(without(run(0, 40, step{}), 3, 4, 20), without(run(0, 40, step{leg: 1, transit: ms}), 5, 6, 20)), heard: all(40, 20),
			want:   driver.SinkFigures{Lost: spp, Legs: []driver.LegFigures{{Packets: 37, Lost: 3}, {Packets: 37, Lost: 3, Duplicate: 35}}},
			status: driver.StreamStatus{SequenceError: true},
		},
		{
			name: "two legs, first pulled and put back", legs: 2,
			steps: slices.Concat(run(0, 40, step{leg: 1, transit: ms}), run(0, 10, step{}), run(30, 40, step{})), heard: all(40),
			want:   driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 20, Lost: 20}, {Packets: 40, Duplicate: 20}}},
			status: driver.StreamStatus{SequenceError: true},
		},
		{
			name: "two legs, second pulled and put back", legs: 2,
			steps: slices.Concat(run(0, 40, step{}), run(0, 10, step{leg: 1, transit: ms}), run(30, 40, step{leg: 1, transit: ms})), heard: all(40),
			want:   driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 40}, {Packets: 20, Lost: 20, Duplicate: 20}}},
			status: driver.StreamStatus{SequenceError: true},
		},
		{
			name: "two legs, second too slow", legs: 2,
			steps: slices.Concat(run(0, 40, step{}), run(0, 40, step{leg: 1, transit: 3 * ms})), heard: all(40),
			want:   driver.SinkFigures{Legs: []driver.LegFigures{{Packets: 40}, {Packets: 40, Late: 40}}},
			status: driver.StreamStatus{TimestampError: true},
		},
		{
			name: "two legs, one never there", legs: 2,
			steps: run(0, 40, step{leg: 1}), heard: all(40),
			want: driver.SinkFigures{Legs: []driver.LegFigures{{}, {Packets: 40}}}, status: driver.StreamStatus{SomeMuted: true},
		},
	} {
		// The timestamp wraps at 2³² less the stream's offset, the position of its low 32
		// bits at 2³².
		for _, begin := range []int64{rate, 1<<32 - 10*spp + 1, 3<<32 + 0x1000 - 6*spp, 81_600_000_000_017} {
			t.Run(test.name, func(t *testing.T) {
				f := newFixture(t, begin)
				st := stream(max(test.legs, 1))
				sink := f.add(st)
				f.play(st, test.steps)
				last := slices.MaxFunc(test.steps, func(a, b step) int { return a.n - b.n }).n
				if test.heard != nil {
					if diff := cmp.Diff(test.heard, f.heard(st, last+1)); diff != "" {
						t.Errorf("packets heard (-want +got):\n%s", diff)
					}
				} else {
					f.heard(st, last+1) // each the right one or silent
				}
				if diff := cmp.Diff(test.want, sink.Figures(), ignoreTimes); diff != "" {
					t.Errorf("statistics (-want +got):\n%s", diff)
				}
				status := sink.Status()
				test.status.Receiving = true
				if diff := cmp.Diff(test.status, status, cmpopts.IgnoreFields(driver.StreamStatus{}, "MinimumTime")); diff != "" {
					t.Errorf("status (-want +got):\n%s", diff)
				}
				if want := test.status.MinimumTime; want != 0 && status.MinimumTime != want {
					t.Errorf("minimum time %d; want %d", status.MinimumTime, want)
				}
			})
		}
	}
}

var ignoreTimes = cmpopts.IgnoreFields(driver.LegFigures{}, "Minimum", "Average", "Maximum")
