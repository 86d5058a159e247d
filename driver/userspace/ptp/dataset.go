package ptp

import (
	"cmp"

	"github.com/facebook/time/ptp/protocol"
)

// dataset is what clocks are compared by (IEEE 1588-2008 §9.3.4).
type dataset struct {
	priority1   uint8
	quality     protocol.ClockQuality
	priority2   uint8
	grandmaster protocol.ClockIdentity
	steps       uint16
	sender      protocol.PortIdentity
	// port is the index of our port on which it was heard.
	port int
}

// compare is negative if a is better than b, positive if b is, 0 if they are the same.
//
// The standard distinguishes, for one grandmaster heard in two ways, whether a path is
// better or only better by topology, which says what state a port takes that is not
// followed. Ours never send then, so that the order alone is enough. We put the
// interface before the number of steps: the first is preferred as long as it works.
func (a dataset) compare(b dataset) int {
	if a.grandmaster == b.grandmaster {
		return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(a.steps, b.steps), a.sender.Compare(b.sender))
	}
	return cmp.Or(
		cmp.Compare(a.priority1, b.priority1),
		cmp.Compare(a.quality.ClockClass, b.quality.ClockClass),
		cmp.Compare(a.quality.ClockAccuracy, b.quality.ClockAccuracy),
		cmp.Compare(a.quality.OffsetScaledLogVariance, b.quality.OffsetScaledLogVariance),
		cmp.Compare(a.priority2, b.priority2),
		cmp.Compare(a.grandmaster, b.grandmaster),
	)
}
