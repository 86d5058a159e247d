package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
)

// runner is a netns.T outside of go test.
type runner struct {
	ctx context.Context

	mu       sync.Mutex
	cleanups []func()
	err      error
}

// measure runs f, and what f has left to be done in the end, and returns the first failure.
func measure(ctx context.Context, f func(*runner)) error {
	r := &runner{ctx: ctx}
	ended := make(chan struct{})
	go func() { // for a failure ends the goroutine
		defer close(ended)
		f(r)
	}()
	<-ended
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
	return r.err
}

func (r *runner) Helper() {}

func (r *runner) Context() context.Context { return r.ctx }

func (r *runner) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *runner) TempDir() string {
	dir, err := os.MkdirTemp("", "aes67os-bench-")
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (r *runner) Logf(format string, a ...any) { fmt.Fprintf(os.Stderr, format+"\n", a...) }

func (r *runner) Errorf(format string, a ...any) { r.fail(fmt.Errorf(format, a...)) }

func (r *runner) Fatal(a ...any) {
	r.fail(fmt.Errorf("%s", fmt.Sprint(a...)))
	runtime.Goexit()
}

func (r *runner) Fatalf(format string, a ...any) {
	r.Errorf(format, a...)
	runtime.Goexit()
}

func (r *runner) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err != nil
}

func (r *runner) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}
