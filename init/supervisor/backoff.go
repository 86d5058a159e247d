package supervisor

import "time"

// How soon a service that has ended is started again, and what counts as sound.
const (
	// FirstBackoff is before the first start anew; it doubles with each.
	FirstBackoff = 100 * time.Millisecond
	// MaxBackoff is the most.
	MaxBackoff = 10 * time.Second
	// Settled is for how long a service has to be ready until its past no
	// longer counts.
	Settled = time.Minute
	// MaxOutage is how long a service may be away in all until it makes the
	// appliance unhealthy.
	MaxOutage = time.Minute
)

// backoff counts how soon to start again.
type backoff struct{ delay time.Duration }

// next returns how long to wait after the service has ended, having been ready
// for a while (0 if it never was).
func (b *backoff) next(ready time.Duration) time.Duration {
	if b.delay == 0 || ready >= Settled {
		b.delay = FirstBackoff
	} else {
		b.delay = min(2*b.delay, MaxBackoff)
	}
	return b.delay
}

// outage sums up how long a service was away. Its zero value is a service in
// its first start.
type outage struct {
	total time.Duration
	// away and back are when it last went and when it last became ready; away
	// is zero while it is not away.
	away, back time.Time
}

// begin tells that the service is not ready any more. To go when away already
// changes nothing.
func (o *outage) begin(now time.Time) {
	if o.away.IsZero() {
		o.total = o.sum(now)
		o.away = now
	}
}

// end tells that the service is ready.
func (o *outage) end(now time.Time) {
	o.total = o.sum(now)
	o.away, o.back = time.Time{}, now
}

// ready returns for how long the service has been ready now.
func (o *outage) ready(now time.Time) time.Duration {
	if o.back.IsZero() || !o.away.IsZero() {
		return 0
	}
	return now.Sub(o.back)
}

// sum returns how long it was away since it was last settled.
func (o *outage) sum(now time.Time) time.Duration {
	switch {
	case !o.away.IsZero():
		return o.total + now.Sub(o.away)
	case o.ready(now) >= Settled:
		return 0
	default:
		return o.total
	}
}
