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

// loop runs the node on this goroutine, and one for each interface.
func (c *Clock) loop(ctx context.Context, config Config) {
	n := newNode(time.Now(), c, config, func(s Status) {
		c.setStatus(s)
		c.changed(s)
	})
	// The node is given something to do by functions, so that nothing else is shared.
	events := make(chan func())
	post := func(f func()) {
		select {
		case events <- f:
		case <-ctx.Done():
		}
	}
	var attendants sync.WaitGroup
	defer attendants.Wait()
	for _, p := range n.ports {
		attendants.Go(func() { c.attend(ctx, n, p, post) })
	}
	tick := time.NewTicker(publishInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			n.out.rest(c.host.now())
			return
		case event := <-events:
			event()
		case <-tick.C:
			n.tick(time.Now())
		}
	}
}

// attend opens a port's interface, whenever it is there, and hands on what comes.
func (c *Clock) attend(ctx context.Context, n *node, p *port, post func(func())) {
	name := n.config.Interfaces[p.index]
	for pause := retryMin; ctx.Err() == nil; pause = min(2*pause, retryMax) {
		w, err := c.open(ctx, name, n.config.DSCP, c.host)
		if err == nil {
			pause = retryMin
			closing := context.AfterFunc(ctx, w.Close)
			post(func() { n.attach(time.Now(), p, w) })
			err = w.Receive(func(r packet) {
				post(func() { n.receive(time.Now(), p, r) })
			})
			closing()
			w.Close()
		}
		post(func() { n.detach(time.Now(), p, err) })
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
