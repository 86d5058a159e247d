package platform

import (
	"context"
	"fmt"
	"sync"
	"time"

	"aes67os/driver"
)

// running is a driver that runs.
type running struct {
	driver.Driver
	cancel context.CancelFunc
	ended  chan struct{}
	wake   chan struct{}

	mu        sync.Mutex
	available bool
	// problem is why it does not work, or why Run has returned.
	problem error
	ptp     driver.PTPStatus
	// lost counts how often the clock was locked no longer.
	lost int
}

// run runs a driver until stop is called.
func run(d driver.Driver, c driver.Config) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Driver: d, cancel: cancel, ended: make(chan struct{}), wake: make(chan struct{}, 1)}
	go func() {
		defer close(r.ended)
		if err := d.Run(ctx, c, r.take); err != nil {
			r.take(driver.Unavailable{Err: err})
		}
	}()
	return r
}

func (r *running) stop() {
	r.cancel()
	<-r.ended
}

// take takes in what the driver tells.
func (r *running) take(e driver.Event) {
	r.mu.Lock()
	switch e := e.(type) {
	case driver.Available:
		r.available, r.problem = true, nil
	case driver.Unavailable:
		r.available, r.problem, r.ptp = false, e.Err, driver.PTPStatus{}
	case driver.PTPStatus:
		if r.ptp.Lock == driver.Locked && e.Lock != driver.Locked {
			r.lost++
		}
		r.ptp = e
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default: // locked is about to look anyway
	}
}

// locked waits until the driver works and its clock is locked, and returns the clock's
// grandmaster. A driver that does not work is an error at once.
func (r *running) locked(ctx context.Context, patience time.Duration) (driver.ClockID, error) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		available, problem, ptp := r.available, r.problem, r.ptp
		r.mu.Unlock()
		switch {
		case problem != nil:
			return driver.ClockID{}, fmt.Errorf("the %s driver: %w", r.Name(), problem)
		case available && ptp.Lock == driver.Locked:
			return ptp.Grandmaster, nil
		}
		select {
		case <-ctx.Done():
			return driver.ClockID{}, ctx.Err()
		case <-timeout.C:
			return driver.ClockID{}, fmt.Errorf("the media clock is %s after %s: is there a PTP master on the network that it cannot follow?", ptp.Lock, patience)
		case <-r.wake:
		}
	}
}

// unlocks is how often the clock was locked no longer.
func (r *running) unlocks() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}
