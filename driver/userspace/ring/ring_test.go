package ring

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAround compares a ring with a map of positions, at every place of the ring where a
// run can begin and for every length that it can have.
func TestAround(t *testing.T) {
	const size = 8
	for from := int64(0); from < 3*size; from++ {
		for n := range size + 1 {
			r := New(2, size)
			base := make([]int32, size)
			for i := range base {
				base[i] = -1
			}
			r.Write(0, from-size/2, base)
			r.Write(1, from, base)
			samples := make([]int32, n)
			want := make([]int32, size)
			for i := range want {
				want[i] = -1
				if i < n {
					samples[i], want[i] = int32(100+i), int32(100+i)
				}
			}
			r.Write(0, from, samples)
			got := make([]int32, size)
			r.Read(0, from, got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d samples at %d (-want +got):\n%s", n, from, diff)
			}
			r.Clear(from+1, from+int64(n))
			for i := range want {
				if 1 <= i && i < n {
					want[i] = 0
				}
			}
			r.Read(0, from, got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("cleared [%d, %d) (-want +got):\n%s", from+1, from+int64(n), diff)
			}
		}
	}
}

func TestClear(t *testing.T) {
	for _, test := range []struct {
		from, to int64
		want     []int32
	}{
		{10, 10, []int32{1, 1, 1, 1}},
		{11, 10, []int32{1, 1, 1, 1}},
		{10, 11, []int32{1, 1, 0, 1}},
		{11, 13, []int32{0, 1, 1, 0}},
		{0, 1 << 62, []int32{0, 0, 0, 0}}, // ends although most of it is nowhere
	} {
		r := New(1, 3) // room for 4
		r.Write(0, 0, []int32{1, 1, 1, 1})
		r.Clear(test.from, test.to)
		got := make([]int32, 4)
		r.Read(0, 0, got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("Clear(%d, %d) (-want +got):\n%s", test.from, test.to, diff)
		}
	}
}

// TestUnwritten checks that nobody touches a channel that was never written: here it has
// no memory at all.
func TestUnwritten(t *testing.T) {
	r := New(3, 4)
	r.channels[0], r.channels[2] = nil, nil
	r.Write(1, 0, []int32{1, 1, 1, 1})
	r.Clear(1, 3)
	want := [][]int32{{0, 0, 0, 0}, {1, 0, 0, 1}, {0, 0, 0, 0}}
	for channel := range want {
		got := []int32{7, 7, 7, 7}
		r.Read(channel, 0, got)
		if diff := cmp.Diff(want[channel], got); diff != "" {
			t.Errorf("channel %d (-want +got):\n%s", channel, diff)
		}
	}
}

// TestMeeting has readers and a writer meet at the same positions: a sample is one that
// was written, whole.
func TestMeeting(t *testing.T) {
	r := New(1, 64)
	before, after := make([]int32, 64), make([]int32, 64)
	for i := range before {
		before[i], after[i] = 0x01010101, 0x7e7e7e7e
	}
	r.Write(0, 0, before)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 2000 {
			r.Write(0, int64(i), [][]int32{before, after}[i%2])
		}
	})
	wg.Go(func() {
		got := make([]int32, 64)
		for i := range 2000 {
			r.Read(0, int64(i), got)
			for _, s := range got {
				if s != before[0] && s != after[0] {
					t.Errorf("read %#x, which nobody has written", s)
					return
				}
			}
		}
	})
	wg.Wait()
}

func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{6, 48, 192} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := New(1, 1<<16)
			samples := make([]int32, n)
			for i := range b.N {
				r.Write(0, int64(i*n), samples)
			}
		})
	}
}
