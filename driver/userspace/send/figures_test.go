package send

import (
	"testing"
	"time"

	"aes67os/driver"

	"github.com/google/go-cmp/cmp"
)

func TestLateness(t *testing.T) {
	s := &Source{}
	lateness := []time.Duration{
		-5, 0, 999, // below 1 µs; no packet is sent before it is due, but rounding may say so
		1000, 1999,
		2000,
		16_383_999,
		16_384 * time.Microsecond, time.Second,
	}
	for _, late := range lateness {
		s.sent(100, int64(late))
	}
	want := driver.SourceFigures{
		Packets: 9, Octets: 900, MaxLateness: time.Second, TotalLateness: time.Second + 32_773_997,
		Lateness: []uint64{0: 3, 1: 2, 2: 1, 14: 1, 15: 2},
	}
	if diff := cmp.Diff(want, s.Figures()); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
}
