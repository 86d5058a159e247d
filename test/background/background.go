// Package background runs, beside a test, what goes on until it is told to end: servers,
// responders, directories.
package background

import (
	"context"
	"sync"
	"testing"
)

// Run runs f on a goroutine until the test ends, or stop is called before. Then f's ctx
// ends, f has to return, which is waited for, and what it returns has to be nil.
func Run(t testing.TB, f func(ctx context.Context) error) (stop func()) {
	t.Helper()
	// The test's own context ends before its cleanups, which f may still have to serve.
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ended with: %v; want nil", err)
		}
	})
	t.Cleanup(stop)
	return stop
}
