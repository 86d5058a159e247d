package supervisor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBackoff(t *testing.T) {
	type ends []time.Duration // after having been ready for so long
	tests := map[string]struct {
		ends ends
		want []time.Duration
	}{
		"doubles to the most": {make(ends, 9), []time.Duration{
			100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond,
			1600 * time.Millisecond, 3200 * time.Millisecond, 6400 * time.Millisecond, 10 * time.Second, 10 * time.Second}},
		"begins anew when settled": {ends{0, 0, Settled, 0}, []time.Duration{
			100 * time.Millisecond, 200 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond}},
		"not before": {ends{0, Settled - 1}, []time.Duration{
			100 * time.Millisecond, 200 * time.Millisecond}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var b backoff
			var got []time.Duration
			for _, ready := range test.ends {
				got = append(got, b.next(ready))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOutage(t *testing.T) {
	type step struct {
		after time.Duration
		ready bool
		sum   time.Duration // then
	}
	const s = time.Second
	tests := map[string]struct {
		steps []step
		// then is what it comes to a time after the last step.
		after, then time.Duration
	}{
		"first start":       {nil, time.Hour, 0},
		"ready":             {[]step{{20 * s, true, 0}}, time.Hour, 0},
		"first start fails": {[]step{{20 * s, false, 0}}, 30 * s, 30 * s},
		"away":              {[]step{{s, true, 0}, {5 * s, false, 0}}, 7 * s, 7 * s},
		"away twice in a row is away once": {
			[]step{{s, true, 0}, {5 * s, false, 0}, {5 * s, false, 5 * s}}, 7 * s, 12 * s},
		"flapping adds up": {
			[]step{{s, true, 0}, {s, false, 0}, {40 * s, true, 40 * s}, {30 * s, false, 40 * s}}, 25 * s, 65 * s},
		"settled while ready": {
			[]step{{s, true, 0}, {s, false, 0}, {40 * s, true, 40 * s}}, 60 * s, 0},
		"settled, then away": {
			[]step{{s, true, 0}, {s, false, 0}, {40 * s, true, 40 * s}, {60 * s, false, 0}}, 3 * s, 3 * s},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var o outage
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			for i, step := range test.steps {
				now = now.Add(step.after)
				if step.ready {
					o.end(now)
				} else {
					o.begin(now)
				}
				if got := o.sum(now); got != step.sum {
					t.Errorf("after step %d: away for %v, want %v", i, got, step.sum)
				}
			}
			if got := o.sum(now.Add(test.after)); got != test.then {
				t.Errorf("at the end: away for %v, want %v", got, test.then)
			}
		})
	}
}
