package platform

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFormats(t *testing.T) {
	// Two channels, two frames.
	samples := [][]int32{{0x12345678, -1}, {-0x12345678, 0x7fffffff}}
	for name, want := range map[string]struct {
		bytes []byte
		back  [][]int32
	}{
		"S16_LE": {
			[]byte{0x34, 0x12, 0xcb, 0xed, 0xff, 0xff, 0xff, 0x7f},
			[][]int32{{0x12340000, -0x10000}, {-0x12350000, 0x7fff0000}},
		},
		"S24_3LE": {
			[]byte{0x56, 0x34, 0x12, 0xa9, 0xcb, 0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
			[][]int32{{0x12345600, -0x100}, {-0x12345700, 0x7fffff00}},
		},
		"S24_LE": {
			[]byte{0x56, 0x34, 0x12, 0, 0xa9, 0xcb, 0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0},
			[][]int32{{0x12345600, -0x100}, {-0x12345700, 0x7fffff00}},
		},
		"S32_LE": {
			[]byte{0x78, 0x56, 0x34, 0x12, 0x88, 0xa9, 0xcb, 0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
			[][]int32{{0x12345600, -0x100}, {-0x12345700, 0x7fffff00}},
		},
	} {
		f := formats[name]
		got := make([]byte, len(want.bytes))
		f.interleave(got, samples)
		if d := cmp.Diff(want.bytes, got); d != "" {
			t.Errorf("%s: stored (-want +got):\n%s", name, d)
		}
		back := planes(2, 2)
		f.separate(back, got)
		if d := cmp.Diff(want.back, back); d != "" {
			t.Errorf("%s: read back (-want +got):\n%s", name, d)
		}
	}
}

func TestSequence(t *testing.T) {
	for name, f := range formats {
		s := sequence{f}
		const frames = 200_000 // more than a sample of 16 bits has values
		low := int32(0)
		alike := 0
		for n := range int64(frames) {
			a, b := s.sample(n, 0), s.sample(n, 1)
			if a == 0 || b == 0 || a&^f.mask() != 0 {
				t.Fatalf("%s: the samples of frame %d are %#x and %#x", name, n, a, b)
			}
			if a == b || a == s.sample(n+1, 0) {
				alike++
			}
			low |= a & -f.mask()
		}
		if low == 0 {
			t.Errorf("%s: the lowest bit is never set", name)
		}
		if alike > frames/1000 {
			t.Errorf("%s: %d of %d samples are those of their neighbours", name, alike, frames)
		}
	}
}
