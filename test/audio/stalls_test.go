package audio

import (
	"testing"
	"time"

	"aes67os/test/stalls"
)

// Comparisons are cut into windows, and one that has failed while the host stalled does not
// count.

// stallWatch is used to tell failures of the host's from ours.
type stallWatch struct {
	*stalls.Watch
	// before is the longest stall of the window before, which may be what is heard in this one.
	before time.Duration
}

func watchStalls(t *testing.T) *stallWatch {
	t.Helper()
	return &stallWatch{Watch: stalls.New(t)}
}

// windows compares until that many windows were right, and tells whether all were. It fails if
// one is wrong without a stall that may explain it: a sixteenth of the link offset, in samples,
// because several threads on the way wait for each other, and a stall is not seen by all
// alike. It fails too if the host stalls all the time.
func (s *stallWatch) windows(t *testing.T, n, offset int, compare func() error) (all bool) {
	t.Helper()
	enough := time.Duration(offset) * time.Second / rate / 16
	s.Most()
	all = true
	for left, good := n+20, 0; good < n; {
		err := compare()
		stall := s.Most()
		longest := max(stall, s.before)
		s.before = stall
		switch {
		case err == nil:
			good++
		case longest < enough:
			t.Errorf("%v; the host's longest stall was %v", err, longest)
			return false
		case left == 0:
			t.Errorf("the host stalls all the time, %v now: %v", longest, err)
			return false
		default:
			left, all = left-1, false
			t.Logf("does not count, as the host has stalled for %v: %v", longest, err)
		}
	}
	return all
}
