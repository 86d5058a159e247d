package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/rpc"
	"sync"

	"aes67os/driver"
)

// Serve has d driven by whoever is at the other end of conn, until that is closed there; d
// does not run any more when it returns.
func Serve(conn io.ReadWriteCloser, d driver.Driver, log *slog.Logger) error {
	ctx, end := context.WithCancel(context.Background())
	h := &host{driver: d, ctx: ctx, events: make(chan struct{}, 1), ended: make(chan struct{})}
	server := rpc.NewServer()
	if err := server.RegisterName("Driver", h); err != nil {
		end()
		return fmt.Errorf("serve the driver: %w", err)
	}
	log.Debug("the audio engine waits for commands", "driver", d.Name())
	server.ServeConn(closing{conn, end})
	end()
	h.running.Wait()
	return nil
}

// closing is a connection that tells when it has ended. rpc.Server only does so once all
// calls are answered, and the answer to Run is that it has ended.
type closing struct {
	io.ReadWriteCloser
	ended func()
}

func (c closing) Read(b []byte) (int, error) {
	n, err := c.ReadWriteCloser.Read(b)
	if err != nil {
		c.ended()
	}
	return n, err
}

// host is the methods. Each runs in a goroutine of its own.
type host struct {
	driver driver.Driver
	ctx    context.Context
	// running is done when Run has returned, and ended closed.
	running sync.WaitGroup
	ended   chan struct{}

	mu     sync.Mutex
	queue  []event
	events chan struct{} // something has been put into the queue
}

// Run runs the driver as long as there is a connection. It is called once.
func (h *host) Run(c driver.Config, r *PlainReply) error {
	h.running.Add(1)
	defer h.running.Done()
	defer close(h.ended)
	r.Fault = newFault(h.driver.Run(h.ctx, c, func(e driver.Event) {
		h.mu.Lock()
		h.queue = append(h.queue, newEvent(e))
		h.mu.Unlock()
		select {
		case h.events <- struct{}{}:
		default: // Next is about to look anyway
		}
	}))
	return nil
}

// Next waits for events.
func (h *host) Next(_ None, r *NextReply) error {
	for ended := false; !ended; {
		select {
		case <-h.events:
		case <-h.ended:
			ended = true
		case <-h.ctx.Done():
			ended = true
		}
		h.mu.Lock()
		r.Events, h.queue = h.queue, nil
		h.mu.Unlock()
		if len(r.Events) > 0 {
			break
		}
	}
	return nil
}

func (h *host) SetPTP(c driver.PTPConfig, r *PlainReply) error {
	r.Fault = newFault(h.driver.SetPTP(h.ctx, c))
	return nil
}

func (h *host) SetSampleRate(hz uint32, r *PlainReply) error {
	r.Fault = newFault(h.driver.SetSampleRate(h.ctx, hz))
	return nil
}

func (h *host) SetPlayoutDelay(samples uint32, r *PlainReply) error {
	r.Fault = newFault(h.driver.SetPlayoutDelay(h.ctx, samples))
	return nil
}

func (h *host) Add(s driver.Stream, r *AddReply) error {
	handle, err := h.driver.Add(h.ctx, s)
	r.Handle, r.Fault = handle, newFault(err)
	return nil
}

func (h *host) Remove(handle driver.Handle, r *PlainReply) error {
	r.Fault = newFault(h.driver.Remove(h.ctx, handle))
	return nil
}

func (h *host) Status(handle driver.Handle, r *StatusReply) error {
	status, err := h.driver.Status(h.ctx, handle)
	r.Status, r.Fault = status, newFault(err)
	return nil
}

func (h *host) Figures(handle driver.Handle, r *FiguresReply) error {
	m, err := h.monitor()
	if err == nil {
		r.Figures, err = m.Figures(h.ctx, handle)
	}
	r.Fault = newFault(err)
	return nil
}

func (h *host) Clock(_ None, r *ClockReply) error {
	m, err := h.monitor()
	if err == nil {
		r.Clock, err = m.Clock(h.ctx)
	}
	r.Fault = newFault(err)
	return nil
}

func (h *host) monitor() (driver.Monitor, error) {
	m, ok := h.driver.(driver.Monitor)
	if !ok {
		return nil, errors.New("this driver measures nothing")
	}
	return m, nil
}
