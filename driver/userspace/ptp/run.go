package ptp

import (
	"context"
	"sync"
	"time"
)

// retryMin and retryMax bound the time between two attempts to open an interface.
const (
	retryMin = time.Second
	retryMax = 5 * time.Second
)

// loop runs the node: one goroutine for each interface, and this one, which calls it now and then.
func (c *Clock) loop(ctx context.Context, config Config) {
	n := newNode(time.Now(), c, config, func(s Status) {
		c.setStatus(s)
		c.changed(s)
	})
	// They take turns, each on its own thread: to hand things on to another would wake it, and
	// that takes longer than the thing itself.
	var turn sync.Mutex
	do := func(f func()) {
		turn.Lock()
		defer turn.Unlock()
		if ctx.Err() == nil {
			f()
		}
	}
	var attendants sync.WaitGroup
	defer attendants.Wait()
	for _, p := range n.ports {
		attendants.Go(func() { c.attend(ctx, n, p, do) })
	}
	tick := time.NewTicker(publishInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			turn.Lock()
			defer turn.Unlock()
			n.out.rest(c.host.now())
			return
		case <-tick.C:
			do(func() { n.tick(time.Now()) })
		}
	}
}

// attend opens a port's interface, whenever it is there, and hands on what comes.
func (c *Clock) attend(ctx context.Context, n *node, p *port, do func(func())) {
	name := n.config.Interfaces[p.index]
	for pause := retryMin; ctx.Err() == nil; pause = min(2*pause, retryMax) {
		w, err := c.open(ctx, name, n.config.DSCP, c.host)
		if err == nil {
			pause = retryMin
			closing := context.AfterFunc(ctx, w.Close)
			do(func() { n.attach(time.Now(), p, w) })
			err = w.Receive(func(r packet) {
				do(func() { n.receive(time.Now(), p, r) })
			})
			closing()
			w.Close()
		}
		do(func() { n.detach(time.Now(), p, err) })
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
