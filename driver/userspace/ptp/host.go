package ptp

import (
	"errors"
	"sync"
	"time"

	"aes67os/driver/userspace/media"

	"golang.org/x/sys/unix"
)

const (
	// stepSize is by how much the realtime clock must have been set, against the
	// monotonic one, for us to notice. Smaller steps do less harm than false alarms.
	stepSize = 5 * time.Microsecond
	// doubt is how long timestamps are not trusted after a step: they may have been
	// taken before it and waited.
	doubt = time.Second
	// maxAge is how old a timestamp can be when it is read.
	maxAge = time.Second
)

// errDoubt is why a timestamp or a reading is of no use.
var errDoubt = errors.New("the host's clock has been set")

// reading is a look at the host's clocks at one moment, in nanoseconds: CLOCK_MONOTONIC_RAW,
// CLOCK_MONOTONIC, CLOCK_REALTIME.
type reading struct {
	raw, mono, real int64
	// width is how long it took.
	width int64
}

// host knows the host's clocks. It is safe for concurrent use.
type host struct {
	read func() reading
	// tai is the kernel's offset of TAI to UTC in seconds, 0 if nobody has told it.
	tai func() int

	mu   sync.Mutex
	last reading
	// trusted is the raw time from which on the realtime clock is trusted.
	trusted int64
}

func newHost(read func() reading, tai func() int) *host {
	return &host{read: read, tai: tai, last: read()}
}

// now reads the clocks, and takes note of a step.
func (h *host) now() reading {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.look()
}

func (h *host) look() reading {
	r := h.read()
	moved := (r.real - r.mono) - (h.last.real - h.last.mono)
	if max(moved, -moved) > max(stepSize.Nanoseconds(), r.width+h.last.width) {
		h.trusted = r.raw + doubt.Nanoseconds()
	}
	h.last = r
	return r
}

// stamp converts a timestamp of the kernel, just read, to raw time. It returns false for
// one that cannot be relied on, because the clock has been set meanwhile.
func (h *host) stamp(real int64) (raw int64, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.look()
	age := r.real - real
	if r.raw < h.trusted || age < -stepSize.Nanoseconds() || age > maxAge.Nanoseconds() {
		return 0, false
	}
	// The two clocks differ in rate, but not so much that it matters for the age of a
	// packet: at 50 ppm it takes 2 ms to make 100 ns.
	return r.raw - age, true
}

// crossing makes raw time of realtime in a reading of another clock.
func (h *host) crossing(c crossing) (crossing, error) {
	raw, ok := h.stamp(c.raw)
	if !ok {
		return crossing{}, errDoubt
	}
	c.raw, c.width = raw, c.width+h.width()
	return c, nil
}

// width is how long the last look took.
func (h *host) width() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last.width
}

// readClocks reads the real clocks. The best of a few tries is the one in which nothing
// came between.
func readClocks() reading {
	var best reading
	for try := range 3 {
		r := reading{raw: readClock(unix.CLOCK_MONOTONIC_RAW)}
		r.real = readClock(unix.CLOCK_REALTIME)
		r.mono = media.Now()
		r.width = readClock(unix.CLOCK_MONOTONIC_RAW) - r.raw
		r.raw += r.width / 2
		if try == 0 || r.width < best.width {
			best = r
		}
	}
	return best
}

func readClock(id int32) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		panic(err) // it has no error but of a clock that does not exist
	}
	return t.Nano()
}

// kernelTAI is what an NTP client has told the kernel.
func kernelTAI() int {
	var t unix.Timex // with no mode set it is only read, which anybody may
	if _, err := unix.Adjtimex(&t); err != nil {
		return 0
	}
	return int(t.Tai)
}
