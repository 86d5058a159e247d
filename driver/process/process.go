// Package process has a driver work in a process of its own.
//
// Audio must be on time to a millisecond, whatever the daemon does meanwhile. In one Go
// program it cannot be: the garbage collector of a daemon that answers requests has every
// thread help it, and stops all of them now and then, and a thread that has slept waits for a
// place among the others before it runs Go again. Measured with garbage being made beside
// it, one packet in a hundred was 6 ms late. So the engine is apart: a process which,
// once streams are there, makes no garbage and does nothing else, and all of whose threads may
// go before other programs without harm to anybody. The daemon is another program to it.
//
// It also cannot take the daemon down with it. When it ends, for whatever reason, that is an
// interruption as when a kernel module is unloaded ([driver.Unavailable]), and it is started
// anew; when the daemon ends, it reads the end of the connection and ends, too.
//
// The parts: [Driver] is the daemon's side, [Serve] the engine's. They exchange JSON over a
// socket pair. (net/rpc would do, but has the linker keep every method of every type, which
// makes the program half as large again.)
package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"aes67os/driver"
)

// How long to wait before an engine that has ended is started anew.
const (
	retryMin = 500 * time.Millisecond
	retryMax = 10 * time.Second
	// steady is how long it must have run for the waiting to begin at retryMin again.
	steady = time.Minute
)

// Engine is a process in which a driver is served.
type Engine struct {
	// Conn is the connection to it.
	Conn io.ReadWriteCloser
	// Wait returns when the process has ended, after Conn was closed or by itself, and
	// tells why it did that if it was no good end.
	Wait func() error
}

// Driver drives a driver in another process. Its methods are those of that one.
type Driver struct {
	name   string
	launch func() (Engine, error)
	log    *slog.Logger

	mu sync.Mutex
	// running tells that Run runs; link is nil while there is no engine.
	running bool
	link    *link
	// engines counts those there were.
	engines uint64
	// config is what Run was given, with what was set since.
	config driver.Config
}

var _ driver.Monitor = (*Driver)(nil)

// New returns a driver of that name which launch starts the process for.
func New(name string, launch func() (Engine, error), log *slog.Logger) *Driver {
	return &Driver{name: name, launch: launch, log: log}
}

// Name implements driver.Driver.
func (d *Driver) Name() string { return d.name }

// Run implements driver.Driver.
func (d *Driver) Run(ctx context.Context, c driver.Config, emit func(driver.Event)) error {
	if err := c.Validate(); err != nil {
		return err
	}
	d.mu.Lock()
	if d.running {
		d.mu.Unlock()
		return fmt.Errorf("the %s driver is running already", d.name)
	}
	d.running, d.config = true, c
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.running = false
		d.mu.Unlock()
	}()
	told := ""
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		began := time.Now()
		err := d.session(ctx, func(e driver.Event) {
			told = ""
			emit(e)
		})
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, driver.ErrInvalid) {
			return err
		}
		if reason := err.Error(); reason != told {
			told = reason
			emit(driver.Unavailable{Err: err})
		}
		if time.Since(began) > steady {
			pause = retryMin
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// session is the life of one engine. It returns when that has ended.
func (d *Driver) session(ctx context.Context, emit func(driver.Event)) error {
	engine, err := d.launch()
	if err != nil {
		return fmt.Errorf("cannot start the audio engine: %w", err)
	}
	d.mu.Lock()
	config := d.config
	d.engines++
	l := newLink(engine.Conn, d.engines)
	d.link = l
	d.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { l.end(ctx.Err()) })
	defer stop()

	var reading sync.WaitGroup
	reading.Go(func() { l.read(engine.Conn, emit) })
	_, failed := l.await(context.Background(), l.begin(request{Method: methodRun, Config: &config}))
	d.mu.Lock()
	d.link = nil
	d.mu.Unlock()
	l.end(failed)
	reading.Wait()
	ended := engine.Wait()
	if errors.Is(failed, driver.ErrInvalid) {
		return failed
	}
	return fmt.Errorf("the audio engine has ended and is started anew: %w", cmp.Or(ended, failed, errEnded))
}

// errEnded is an end without a reason.
var errEnded = errors.New("it has been told to")
