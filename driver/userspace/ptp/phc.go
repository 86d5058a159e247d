package ptp

import (
	"math"
	"sync"
	"time"
)

const (
	// crossingInterval is how old the last reading of a card's clock may be. Reading takes
	// from some µs to a millisecond, and whoever sends us packets must not make us do
	// nothing else.
	crossingInterval = int64(10 * time.Millisecond)
	// unsteady is the part by which a card's clock may have been made faster or slower since
	// a reading, which so gets worse with time: another program may steer it.
	unsteady = 10e-6
	// maxPHCRate is the most by which a clock that is only steered can differ from raw time.
	maxPHCRate = 1e-3
	// rateSpan is over what time its rate is taken: short, for it may be steered.
	rateSpan = int64(100 * time.Millisecond)
)

// crossing is a reading of a network card's clock and of raw time at one moment, in
// nanoseconds.
type crossing struct {
	phc, raw int64
	// width is how long it took: the two are at most half of it apart.
	width int64
}

// phc is the clock of a network card (PTP hardware clock), as far as is needed to tell raw
// time from its timestamps. It may count from anywhere, and others may steer it: it
// is believed to go on evenly for a moment only, and a timestamp is related to raw time as
// soon as it comes. It is safe for concurrent use.
type phc struct {
	host *host

	mu sync.Mutex
	// read is nil after close.
	read func() (crossing, error)
	stop func()
	// last is the newest crossing, kept the best: a fresh one may have been interrupted.
	last, kept crossing
	// rate is by how much raw time runs faster than the card's, since the crossing base.
	base crossing
	rate float64
	// trusted is the raw time from which on timestamps are, since the clock was set. It
	// never comes if the clock stands still.
	trusted int64
}

// newPHC relates a card's clock to the host's. stop is called when it is closed.
func newPHC(h *host, read func() (crossing, error), stop func()) (*phc, error) {
	c, err := read()
	if err != nil {
		return nil, err
	}
	p := &phc{host: h, read: read, stop: stop}
	p.begin(c)
	return p, nil
}

// begin forgets all but one crossing.
func (p *phc) begin(c crossing) {
	p.last, p.kept, p.base, p.rate = c, c, c, 0
	p.trusted = c.raw + crossingInterval
}

// look reads the clock and takes note of whether it has been set.
func (p *phc) look() error {
	c, err := p.read()
	if err != nil {
		return err
	}
	passed := c.raw - p.last.raw
	moved := c.phc - p.last.phc - passed
	if math.Abs(float64(moved)) > maxPHCRate*float64(passed)+float64(c.width+p.last.width)/2 {
		p.begin(c)
		return nil
	}
	p.last = c
	if float64(c.width-p.kept.width)/2 > unsteady*float64(c.raw-p.kept.raw) {
		return nil
	}
	p.kept = c
	if span := c.raw - p.base.raw; span >= rateSpan {
		p.rate = float64(span)/float64(c.phc-p.base.phc) - 1
		p.base = c
	}
	return nil
}

// stamp converts a timestamp of the card, just read, to raw time. It returns false for one
// that cannot be relied on, because the card's clock has been set or does not run.
func (p *phc) stamp(at int64) (raw int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.read == nil {
		return 0, false
	}
	now := p.host.now().raw
	if now-p.last.raw >= crossingInterval {
		if err := p.look(); err != nil {
			return 0, false
		}
		now = p.host.now().raw
	}
	since := at - p.kept.phc
	raw = p.kept.raw + since + int64(float64(since)*p.rate)
	early := raw - now - p.kept.width
	if raw < p.trusted || early > stepSize.Nanoseconds() || now-raw > maxAge.Nanoseconds() {
		return 0, false
	}
	return raw, true
}

// close lets the clock go.
func (p *phc) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.read != nil {
		p.read = nil
		p.stop()
	}
}
