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
// The parts: [Driver] is the daemon's side, [Serve] the engine's. They speak net/rpc over a
// socket pair, one method for each of the driver's, and one by which events are fetched.
package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/rpc"
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
	// running tells that Run runs; client is nil while there is no engine.
	running bool
	client  *rpc.Client
	// generation counts engines, whose handles are all alike.
	generation uint64
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
	client := rpc.NewClient(engine.Conn)
	stop := context.AfterFunc(ctx, func() { client.Close() })
	defer stop()
	d.mu.Lock()
	config := d.config
	d.client = client
	d.generation++
	d.mu.Unlock()

	ran := client.Go(service+"Run", config, new(PlainReply), make(chan *rpc.Call, 1))
	failed := forward(client, emit)
	d.mu.Lock()
	d.client = nil
	d.mu.Unlock()
	<-ran.Done // it has returned, or the connection has ended
	client.Close()
	ended := engine.Wait()
	if refused := ran.Reply.(*PlainReply).Fault.err(); refused != nil {
		return refused
	}
	return fmt.Errorf("the audio engine has ended and is started anew: %w", cmp.Or(ended, failed, errEnded))
}

// errEnded is an end without a reason.
var errEnded = errors.New("it has been told to")

// forward passes on events until the connection ends, or Run has returned there.
func forward(client *rpc.Client, emit func(driver.Event)) error {
	for {
		var next NextReply
		if err := client.Call(service+"Next", None{}, &next); err != nil {
			return err
		}
		if len(next.Events) == 0 {
			return nil
		}
		for _, e := range next.Events {
			emit(e.event())
		}
	}
}
