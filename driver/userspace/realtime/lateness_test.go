package realtime

import (
	"slices"
	"testing"
	"time"

	"aes67os/driver/userspace/media"
)

// BenchmarkLateness measures by how much a thread that is to wake up every millisecond does
// so too late, with and without a garbage maker in the same program. There are b.N
// wake-ups: -benchtime 5000x are 5 seconds.
func BenchmarkLateness(b *testing.B) {
	b.Run("quiet", measureLateness)
	b.Run("garbage", func(b *testing.B) {
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			makeGarbage(stop)
		}()
		measureLateness(b)
		close(stop)
		<-done
	})
}

func measureLateness(b *testing.B) {
	late := make([]int64, b.N)
	var turn Turn
	onThread(func() {
		for _, err := range Lock(nil) {
			b.Log(err)
		}
		due := media.Now()
		for i := range late {
			due = max(due+int64(time.Millisecond), media.Now())
			turn.Sleep(due)
			late[i] = media.Now() - due
		}
	})
	slices.Sort(late)
	for _, share := range []struct {
		of   float64
		unit string
	}{{.5, "p50-µs"}, {.99, "p99-µs"}, {.999, "p99.9-µs"}, {1, "max-µs"}} {
		b.ReportMetric(float64(late[int(share.of*float64(len(late)-1))])/1000, share.unit)
	}
	b.ReportMetric(0, "ns/op")
}

// makeGarbage keeps a few megabytes of small objects, and makes new ones all the time.
func makeGarbage(stop chan struct{}) {
	type tree struct{ left, right *tree }
	var grow func(depth int) *tree
	grow = func(depth int) *tree {
		if depth == 0 {
			return &tree{}
		}
		return &tree{grow(depth - 1), grow(depth - 1)}
	}
	keep := make([]*tree, 16)
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
			keep[i%len(keep)] = grow(12)
		}
	}
}
