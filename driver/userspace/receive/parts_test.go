package receive

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSequence(t *testing.T) {
	for _, test := range []struct {
		name    string
		numbers []uint16
		// bad are the places in numbers that are not in order.
		bad  []int
		lost uint64
	}{
		{"in order", []uint16{5, 6, 7, 8}, nil, 0},
		{"wraps", []uint16{65534, 65535, 0, 1}, nil, 0},
		{"one lost", []uint16{5, 7, 8}, []int{1}, 1},
		{"lost where it wraps", []uint16{65534, 1, 2}, []int{1}, 2},
		{"late after all", []uint16{5, 7, 6, 8}, []int{1, 2}, 0},
		{"late after all where it wraps", []uint16{65535, 1, 0, 2}, []int{1, 2}, 0},
		{"twice", []uint16{5, 5, 6, 5, 6, 7}, nil, 0},
		{"late and twice", []uint16{5, 7, 6, 6, 7, 8}, []int{1, 2}, 0},
		{"from before the first", []uint16{5, 4, 6}, nil, 0},
		{"as late as can be", []uint16{0, 64, 1, 65}, []int{1, 2}, 62},
		{"later, which is anew", []uint16{0, 65, 1, 2}, []int{1, 2}, 64},
		{"the most that are lost", []uint16{0, 3000, 3001}, []int{1}, 2999},
		{"anew", []uint16{0, 3001, 3002}, []int{1}, 0},
		{"anew, back", []uint16{30000, 5, 6}, []int{1}, 0},
		{"far apart", []uint16{0, 32768, 32769}, []int{1}, 0},
	} {
		var s sequence
		var bad []int
		for i, n := range test.numbers {
			if !s.accept(n) {
				bad = append(bad, i)
			}
		}
		if diff := cmp.Diff(test.bad, bad); diff != "" {
			t.Errorf("%s: not in order (-want +got):\n%s", test.name, diff)
		}
		if s.lost != test.lost {
			t.Errorf("%s: %d lost; want %d", test.name, s.lost, test.lost)
		}
	}
}

func TestTalker(t *testing.T) {
	const second = 1_000_000_000
	var tk talker
	for i, test := range []struct {
		ssrc        uint32
		arrival     int64
		take, other bool
	}{
		{0, second, true, false}, // 0 is as good as any
		{7, second + 1, false, false},
		{0, 2 * second, true, false},
		{7, 2*second + silence - 1, false, false},
		{0, 2*second - 5, true, false}, // by the other leg
		{7, 2*second + silence - 1, false, false},
		{7, 2*second + silence, true, true},
		{0, 2*second + silence + 1, false, false},
		{7, 9 * second, true, false},
	} {
		take, other := tk.follow(test.ssrc, test.arrival)
		if take != test.take || other != test.other {
			t.Errorf("packet %d: taken %v, other %v; want %v, %v", i, take, other, test.take, test.other)
		}
	}
}

// TestLedger compares with a list of all positions, for packets of any length at any
// places, and a time that now and then goes back a little.
func TestLedger(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 67))
		size := []int{32, 64, 256, 1024}[random.IntN(4)]
		l := newLedger(size, int64(size)) // the most there is
		there := make(map[int64]bool)
		begin := random.Int64N(1 << 40)
		now, end, judged, lost := begin, begin, begin, uint64(0)
		for range 300 {
			now += random.Int64N(int64(size / 8))
			l.advance(now - random.Int64N(3))
			l.advance(now)
			l.advance(now - 2) // a thread that has looked at the clock before another
			if l.now != now {
				t.Fatalf("seed %d: it is %d; want %d", seed, l.now-begin, now-begin)
			}
			for ; judged < min(now+1, end); judged++ {
				if !there[judged] {
					lost++
				}
			}
			from := now + 1 + random.Int64N(int64(size/4))
			to := from + 1 + random.Int64N(int64(size/4))
			if len(there) == 0 {
				judged = from
			}
			judged = min(judged, from)
			fresh := false
			for p := from; p < to; p++ {
				fresh = fresh || !there[p]
				there[p] = true
			}
			end = max(end, to)
			if got := l.fill(from, to); got != fresh {
				t.Fatalf("seed %d: fill(%d, %d) = %v; want %v", seed, from-begin, to-begin, got, fresh)
			}
		}
		if l.lost != lost || l.interruptions != 0 {
			t.Errorf("seed %d: %d lost, %d interruptions; want %d and none", seed, l.lost, l.interruptions, lost)
		}
	}
}
