package realtime

import (
	"runtime"

	"aes67os/driver/userspace/media"
)

// Times in nanoseconds.
const (
	// turnInterval is how often a thread goes through Go's scheduler, whose monitor looks
	// for those that have not for 10 ms. It wakes three other threads for a moment.
	turnInterval = 9e6
	// busyLimit is how long a thread may go on without having nothing to do, and breath
	// how long it then rests.
	busyLimit = 100e6
	breath    = 10e6
)

// Turn is a thread's way to leave room for others. Each thread that has called [Lock] has one of
// its own; the zero value is ready.
type Turn struct{ taken, free int64 }

// Sleep is [Sleep], and goes through Go's scheduler before if it is time for that. A thread
// that always comes too late has been asked for more than the machine can do: what it is
// to do is lost in any case, and every tenth of a second it sleeps for a tenth of that, so that
// the host can still be reached.
func (t *Turn) Sleep(until int64) {
	if rest := t.Next(until > media.Now()); rest > until {
		until = rest
	}
	Sleep(until)
}

// Next is for threads that wait otherwise than by sleeping, before they do. idle tells
// that there was nothing left to do. It returns the time until which the thread is to rest, 0
// if it need not.
func (t *Turn) Next(idle bool) (rest int64) {
	now := media.Now()
	if now-t.taken >= turnInterval {
		t.taken = now
		runtime.Gosched()
	}
	if idle || t.free == 0 {
		t.free = now
	}
	if now-t.free < busyLimit {
		return 0
	}
	t.free = now + breath
	return t.free
}
