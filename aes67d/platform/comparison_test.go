package platform

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// period is the tests' number of frames in a period.
const period = 100

// stretch is part of a recording: n frames of the sequence from a number on, or silence.
type stretch struct {
	from   int64
	n      int
	silent bool
}

// recording makes planes of stretches, and what is changed in them.
func recording(s sequence, channels int, parts []stretch, change func(planes [][]int32)) [][]int32 {
	all := make([][]int32, channels)
	for c := range all {
		for _, p := range parts {
			plane := make([]int32, p.n)
			if !p.silent {
				s.fill(plane, p.from, c)
			}
			all[c] = append(all[c], plane...)
		}
	}
	if change != nil {
		change(all)
	}
	return all
}

// compare has a recording of whole periods compared. Of the sequence, 10,000 frames were
// written.
func compare(c *comparison, all [][]int32) {
	for at := 0; at < len(all[0]); at += period {
		part := make([][]int32, len(all))
		for channel := range all {
			part[channel] = all[channel][at : at+period]
		}
		c.take(part, 10_000)
	}
}

func TestComparison(t *testing.T) {
	s := sequence{formats["S24_3LE"]}
	sample := s.sample
	for name, tc := range map[string]struct {
		parts  []stretch
		change func(planes [][]int32)
		want   findings
		// matched are stretches that are right, put together where one follows another.
		matched []stretch
	}{
		"all is right": {
			parts:   []stretch{{0, 1000, false}},
			want:    findings{begun: true, compared: 1000},
			matched: []stretch{{0, 1000, false}},
		},
		"silence first": {
			parts:   []stretch{{0, 250, true}, {0, 750, false}},
			want:    findings{begun: true, compared: 750},
			matched: []stretch{{0, 750, false}},
		},
		"nothing": {
			parts: []stretch{{0, 1000, true}},
		},
		"something else": {
			parts: []stretch{{20_000, 1000, false}},
			want:  findings{foreign: true},
		},
		"beginning missing": {
			parts:   []stretch{{0, 100, true}, {48, 900, false}},
			want:    findings{begun: true, missing: 48, compared: 900},
			matched: []stretch{{48, 900, false}},
		},
		"sample altered": {
			parts:  []stretch{{0, 1000, false}},
			change: func(p [][]int32) { p[1][123] ^= 0x100 },
			want: findings{begun: true, compared: 1000, altered: 1,
				first: fault{123, 1, sample(123, 1) ^ 0x100, sample(123, 1)}},
			matched: []stretch{{0, 123, false}, {124, 876, false}},
		},
		"last sample of a period altered": {
			parts:  []stretch{{0, 1000, false}},
			change: func(p [][]int32) { p[0][199] = 1 },
			want: findings{begun: true, compared: 1000, altered: 1,
				first: fault{199, 0, 1, sample(199, 0)}},
			matched: []stretch{{0, 199, false}, {200, 800, false}},
		},
		"packet lost": {
			parts:   []stretch{{0, 480, false}, {0, 48, true}, {528, 472, false}},
			want:    findings{begun: true, compared: 1000, silent: 48, first: fault{480, 0, 0, sample(480, 0)}},
			matched: []stretch{{0, 480, false}, {528, 472, false}},
		},
		"packet of one stream lost": {
			parts:   []stretch{{0, 1000, false}},
			change:  func(p [][]int32) { clear(p[2][480:528]) },
			want:    findings{begun: true, compared: 1000, silent: 48, first: fault{480, 2, 0, sample(480, 2)}},
			matched: []stretch{{0, 480, false}, {528, 472, false}},
		},
		"silence and something else": {
			parts: []stretch{{0, 1000, false}},
			change: func(p [][]int32) {
				clear(p[0][480:490])
				p[1][485] ^= 0x100
			},
			want:    findings{begun: true, compared: 1000, silent: 9, altered: 1, first: fault{480, 0, 0, sample(480, 0)}},
			matched: []stretch{{0, 480, false}, {490, 510, false}},
		},
		"frames left out": {
			parts: []stretch{{0, 350, false}, {362, 650, false}},
			want: findings{begun: true, compared: 1000, shifts: 1, shift: 12,
				first: fault{350, 0, sample(362, 0), sample(350, 0)}},
			matched: []stretch{{0, 350, false}, {362, 650, false}},
		},
		"frames twice": {
			parts: []stretch{{0, 350, false}, {338, 650, false}},
			want: findings{begun: true, compared: 1000, shifts: 1, shift: -12,
				first: fault{350, 0, sample(338, 0), sample(350, 0)}},
			matched: []stretch{{0, 350, false}, {338, 650, false}},
		},
		"silence put in": {
			parts: []stretch{{0, 300, false}, {0, 100, true}, {300, 600, false}},
			want: findings{begun: true, compared: 1000, silent: 100, shifts: 1, shift: -100,
				first: fault{300, 0, 0, sample(300, 0)}},
			matched: []stretch{{0, 900, false}},
		},
		"half the channels are another": {
			parts: []stretch{{0, 1000, false}},
			change: func(p [][]int32) {
				copy(p[2], p[1])
				copy(p[3], p[1])
			},
			want: findings{begun: true, compared: 1000, altered: 1000,
				first: fault{0, 2, sample(0, 1), sample(0, 2)}},
		},
		"a channel is another": {
			parts:  []stretch{{0, 1000, false}},
			change: func(p [][]int32) { copy(p[2], p[1]) },
			want: findings{begun: true, compared: 1000, altered: 1000,
				first: fault{0, 2, sample(0, 1), sample(0, 2)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var matched []stretch
			c := comparison{sequence: s, span: 10_000, matched: func(frame int64, n int) {
				if last := len(matched) - 1; last >= 0 && matched[last].from+int64(matched[last].n) == frame {
					matched[last].n += n
					return
				}
				matched = append(matched, stretch{frame, n, false})
			}}
			all := recording(s, 4, tc.parts, tc.change)
			compare(&c, all)
			got := c.findings
			if d := cmp.Diff(tc.want, got, cmp.AllowUnexported(findings{}, fault{})); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tc.matched, matched, cmp.AllowUnexported(stretch{})); d != "" {
				t.Errorf("right (-want +got):\n%s", d)
			}
		})
	}
}

// TestComparisonSearches has it look in what has been written lately only, and not for ever.
func TestComparisonSearches(t *testing.T) {
	s := sequence{formats["S16_LE"]}
	c := comparison{sequence: s, span: 500, matched: func(int64, int) {}}
	compare(&c, recording(s, 2, []stretch{{9000, 100, false}}, nil))
	if c.begun {
		t.Error("frames were found that were written 1000 frames ago")
	}
	compare(&c, recording(s, 2, []stretch{{9700, 100, false}}, nil))
	if c.begun {
		t.Error("frames were found at once after others were not")
	}
	compare(&c, recording(s, 2, []stretch{{9800, 200, false}}, nil))
	if want := (findings{begun: true, foreign: true, missing: 9900, compared: 100}); c.findings != want {
		t.Errorf("findings %+v; want %+v", c.findings, want)
	}
}

func TestComparisonAllocates(t *testing.T) {
	s := sequence{formats["S24_3LE"]}
	c := comparison{sequence: s, span: 1000, matched: func(int64, int) {}}
	right, wrong := planes(8, period), planes(8, period)
	next := int64(0)
	n := testing.AllocsPerRun(100, func() {
		for channel := range right {
			s.fill(right[channel], next, channel)
		}
		c.take(right, next+period)
		c.take(wrong, next+period)
		next += 2 * period
	})
	if n > 0 || c.compared == 0 || c.silent == 0 {
		t.Errorf("%v allocations for two periods; findings %+v", n, c.findings)
	}
}
