// Package receive is the sinks of a device: it takes RTP packets from the network and puts
// their samples into a ring, at the positions at which they are to be heard.
//
// A packet's timestamp tells the media position p of its first sample: uint32(p) is the
// timestamp less the stream's offset, and of all such p the one nearest to now is meant.
// The sample is heard at p plus the playout delay (the link offset of AES67-2018 §7.5).
// So reordering needs no care, nor do the two legs of SMPTE ST 2022-7: whichever packet
// comes first fills the place. What is not there when its time has come is silent, because
// the ring is cleared behind the present, and is counted.
//
// The way of a packet, from the outside:
//
//   - device.go: which sinks there are, and which sockets that takes.
//   - link.go: a network interface, which comes and goes, and the sockets on it.
//   - drops.go: what a socket had no room for.
//   - socket_linux.go: a socket; many packets for one system call, each with the time at
//     which the kernel got it.
//   - dispatch.go: from where a packet was sent to, to the sinks that want it.
//   - sink.go: what a sink does with it. It uses talker.go (whose packets), sequence.go
//     (whether some are missing on the way) and ledger.go (which positions are there).
//
// Every socket has a thread of its own which waits in the kernel, so that it depends on
// the kernel's scheduler only, and can be given a priority there. On the way of a packet
// nothing is allocated, and the one lock is the sink's, held for some hundred
// nanoseconds.
package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"
)

// Intervals of what is not done for each packet.
const (
	cleanInterval = 50 * time.Millisecond
	watchInterval = time.Second
)

// Receiver receives streams while [Receiver.Run] runs. Its methods are safe for concurrent
// use.
type Receiver struct {
	// Thread, unless nil, is called first on every thread that receives packets. It may
	// give the thread a priority; the thread ends with its socket. To be set before Run.
	Thread func()
	// Ready, unless nil, is called by Run as soon as streams can be added.
	Ready func()

	clock *media.Clock
	log   *slog.Logger
	host  host

	mu     sync.Mutex
	device *device // nil unless Run runs
}

// New returns a receiver that follows the clock.
func New(clock *media.Clock, log *slog.Logger) *Receiver {
	return &Receiver{clock: clock, log: log, host: host{now: media.Now, find: findInterface, open: openSocket}}
}

// host is what a receiver needs of the machine.
type host struct {
	// now is the local time, as media.Now has it.
	now func() int64
	// find looks for a network interface. It has index 0 while nothing can be received
	// on it.
	find func(name string) (index int)
	// open opens a socket on an interface.
	open func(name string, index int, port uint16) (conn, error)
}

// Run receives streams at rate Hz from the network interfaces into the ring, until ctx ends;
// then all streams are gone. The positions of the ring are those at which samples are to be
// heard. It is cleared here: nobody else has to, and whoever reads finds the last quarter
// of it. Interfaces need not be there yet, and may go and come back.
//
// Run returns an error only if it cannot begin: if it runs already, or for a rate of 0,
// which is driver.ErrInvalid.
func (r *Receiver) Run(ctx context.Context, interfaces []string, rate uint32, capture *ring.Ring) error {
	if err := driver.ValidateSampleRate(rate); err != nil {
		return err
	}
	d := newDevice(r, interfaces, rate, capture)
	if err := r.begin(d); err != nil {
		return err
	}
	defer r.end()
	if r.Ready != nil {
		r.Ready()
	}
	clean, watch := time.NewTicker(cleanInterval), time.NewTicker(watchInterval)
	defer clean.Stop()
	defer watch.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-clean.C:
			d.cleaner.clean(d.moment())
		case <-watch.C:
			r.mu.Lock()
			d.watch()
			r.mu.Unlock()
		}
	}
}

func (r *Receiver) begin(d *device) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.device != nil {
		return errors.New("the receiver runs already")
	}
	r.device = d
	d.watch()
	return nil
}

func (r *Receiver) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.device.close()
	r.device = nil
}

// Add begins to receive a stream. If its interface is not there, it begins when it is. A
// stream that cannot be received by this device is driver.ErrInvalid; outside of Run the
// error is driver.ErrUnavailable. Others are those of the sockets. After an error, nothing
// of the stream stays.
func (r *Receiver) Add(s driver.Stream) (*Sink, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.device == nil {
		return nil, fmt.Errorf("%w: nothing receives", driver.ErrUnavailable)
	}
	return r.device.add(s)
}

// Remove ends a stream. Once it has returned, no more samples of it get into the ring;
// those that are there are still to be heard. A sink that is gone may be removed again.
func (r *Receiver) Remove(s *Sink) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.device != nil {
		r.device.remove(s)
	}
}
