package ptp

import (
	"net/netip"
	"slices"
	"time"

	"github.com/facebook/time/ptp/protocol"
)

const (
	// announceTimeout is after how many intervals without Announce a master is gone
	// (announceReceiptTimeout, IEEE 1588-2008 §7.7.3.1).
	announceTimeout = 3
	// maxForeign is how many masters are remembered on a port.
	maxForeign = 16
	// maxSteps is how far from its grandmaster a master may be (§9.3.2.5).
	maxSteps = 254
)

// foreign is a master that announces itself (a foreignMasterDS entry, §9.3.2.4).
type foreign struct {
	dataset
	// address is where it sends from. Two of one identity, which happens where machines
	// are copied, are two masters by it.
	address netip.Addr
	scale   timescale
	// heard is when the last Announce came, interval what it said of the next.
	heard    time.Time
	interval time.Duration
	sequence uint16
	// qualified tells that it counts: it has announced itself twice (§9.3.2.5), without
	// having been gone between, which is stricter than the standard's window of four intervals.
	qualified bool
	// silent tells that it sends no Sync and is passed over where there is another.
	silent bool
}

// sends tells whether a message is its own.
func (f *foreign) sends(h *protocol.Header, from netip.Addr) bool {
	return f.sender == h.SourcePortIdentity && f.address == from
}

// gone tells whether Announces have failed to come. spread, below 1, is by how many
// intervals more we wait, lest all clocks take over at once (§9.2.6.11).
func (f *foreign) gone(now time.Time, spread float64) bool {
	return now.Sub(f.heard) >= time.Duration((announceTimeout+spread)*float64(f.interval))
}

// foreigns are the masters heard on a port.
type foreigns []*foreign

// announce takes note of an Announce. keep is the one that is followed, which nobody
// drives out.
func (all *foreigns) announce(now time.Time, port int, m *protocol.Announce, from netip.Addr, keep *foreign) {
	if m.StepsRemoved > maxSteps {
		return
	}
	i := slices.IndexFunc(*all, func(f *foreign) bool { return f.sends(&m.Header, from) })
	heard := foreign{
		dataset: dataset{
			m.GrandmasterPriority1, m.GrandmasterClockQuality, m.GrandmasterPriority2,
			m.GrandmasterIdentity, m.StepsRemoved, m.SourcePortIdentity, port,
		},
		address: from,
		scale:   timescale{m.FlagField & scaleFlags, m.CurrentUTCOffset},
		heard:   now, interval: period(m.LogMessageInterval, announceInterval), sequence: m.SequenceID,
	}
	if i >= 0 {
		before := (*all)[i]
		if before.sequence == heard.sequence {
			return // the same once more
		}
		heard.silent = before.silent
		heard.qualified = true
		*before = heard
		return
	}
	if len(*all) == maxForeign {
		worst := all.worst(keep)
		if heard.compare(worst.dataset) >= 0 {
			return
		}
		*all = slices.DeleteFunc(*all, func(f *foreign) bool { return f == worst })
	}
	*all = append(*all, &heard)
}

func (all foreigns) worst(keep *foreign) (worst *foreign) {
	for _, f := range all {
		if f != keep && (worst == nil || f.compare(worst.dataset) > 0) {
			worst = f
		}
	}
	return worst
}

// sounds takes note of a Sync.
func (all foreigns) sounds(h *protocol.Header, from netip.Addr) {
	for _, f := range all {
		if f.sends(h, from) {
			f.silent = false
		}
	}
}

// twin tells whether there is another of the same identity.
func (all foreigns) twin(one *foreign) bool {
	return slices.ContainsFunc(all, func(f *foreign) bool { return f != one && f.sender == one.sender })
}

// expire forgets those that are gone.
func (all *foreigns) expire(now time.Time, spread float64) {
	*all = slices.DeleteFunc(*all, func(f *foreign) bool { return f.gone(now, spread) })
}

// better returns which of two masters to follow, either of which may be nil: a, if they are
// alike. One that is silent is taken only if the other is nothing, or silent too.
func better(a, b *foreign) *foreign {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.silent != b.silent && a.silent, a.silent == b.silent && a.compare(b.dataset) > 0:
		return b
	}
	return a
}
