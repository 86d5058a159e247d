package network

import (
	"context"
	"time"
)

// task is a goroutine that can be ended and waited for.
type task struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// start runs f in a goroutine; f has to return soon after its context ended.
func start(ctx context.Context, f func(context.Context)) *task {
	ctx, cancel := context.WithCancel(ctx)
	t := &task{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(t.done)
		f(ctx)
	}()
	return t
}

// stop ends the task and returns when it has. It may be called again, and on nil.
func (t *task) stop() {
	if t == nil {
		return
	}
	t.cancel()
	<-t.done
}

// sleep reports whether it slept for all of d, rather than until ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
