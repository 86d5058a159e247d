package realtime

import (
	"slices"
	"testing"
	"time"
	"unsafe"

	"aes67os/driver/userspace/media"

	"golang.org/x/sys/unix"
)

// BenchmarkLateness measures by how much a thread that is to wake up every millisecond does
// so too late, with and without a garbage maker in the same program, and by the two ways
// to sleep. There are b.N wake-ups: -benchtime 5000x are 5 seconds.
func BenchmarkLateness(b *testing.B) {
	for _, way := range []struct {
		name  string
		sleep func(until int64)
	}{{"syscall", Sleep}, {"raw", sleepRaw}} {
		b.Run(way.name+"/quiet", func(b *testing.B) { measureLateness(b, way.sleep) })
		b.Run(way.name+"/garbage", func(b *testing.B) {
			stop := make(chan struct{})
			done := make(chan struct{})
			go func() {
				defer close(done)
				makeGarbage(stop)
			}()
			measureLateness(b, way.sleep)
			close(stop)
			<-done
		})
	}
}

func measureLateness(b *testing.B, sleep func(until int64)) {
	late := make([]int64, b.N)
	onThread(func() {
		for _, err := range Lock(Options{Priority: 50}) {
			b.Log(err)
		}
		due := media.Now()
		for i := range late {
			due = max(due+int64(time.Millisecond), media.Now())
			sleep(due)
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

// sleepRaw is Sleep without telling the runtime.
func sleepRaw(until int64) {
	t := unix.NsecToTimespec(until)
	for clockNanosleep(&t) == unix.EINTR {
	}
}

// clockNanosleep is not inlined, for its beginning to be where the runtime may preempt
// the goroutine after its signal.
//
//go:noinline
func clockNanosleep(t *unix.Timespec) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, uintptr(unsafe.Pointer(t)), 0, 0, 0)
	return errno
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
