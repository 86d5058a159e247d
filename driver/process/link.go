package process

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"aes67os/driver"
)

// link is a connection to an engine.
type link struct {
	conn io.Closer
	// generation counts engines, whose handles are all alike.
	generation uint64

	sending sync.Mutex
	to      *json.Encoder

	mu sync.Mutex
	// waiting are those who wait for the answer with that ID.
	waiting map[uint64]chan answer
	last    uint64
	// ended is why there will be no more answers.
	ended error
}

func newLink(conn io.ReadWriteCloser, generation uint64) *link {
	return &link{conn: conn, generation: generation, to: json.NewEncoder(conn), waiting: make(map[uint64]chan answer)}
}

// read takes in answers, and passes on events, until the connection ends.
func (l *link) read(from io.Reader, emit func(driver.Event)) {
	d := json.NewDecoder(from)
	for {
		var a answer
		if err := d.Decode(&a); err != nil {
			l.end(err)
			return
		}
		if a.ID == 0 && a.Event != nil {
			emit(a.Event.event())
			continue
		}
		l.mu.Lock()
		wait := l.waiting[a.ID]
		delete(l.waiting, a.ID)
		l.mu.Unlock()
		if wait != nil {
			wait <- a
		}
	}
}

// end closes the connection, and lets nobody wait any more.
func (l *link) end(why error) {
	l.conn.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended == nil {
		l.ended = fmt.Errorf("%w: the audio engine has ended: %w", driver.ErrUnavailable, why)
	}
	for _, wait := range l.waiting {
		close(wait)
	}
	clear(l.waiting)
}

// begin sends a request. The channel brings the answer, or is closed without.
func (l *link) begin(r request) <-chan answer {
	wait := make(chan answer, 1)
	l.mu.Lock()
	if l.ended != nil {
		close(wait)
		l.mu.Unlock()
		return wait
	}
	l.last++
	r.ID = l.last
	l.waiting[r.ID] = wait
	l.mu.Unlock()

	l.sending.Lock()
	err := l.to.Encode(r)
	l.sending.Unlock()
	if err != nil {
		l.end(err)
	}
	return wait
}

// await waits for the answer, whose fault is the error.
func (l *link) await(ctx context.Context, wait <-chan answer) (answer, error) {
	select {
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case a, ok := <-wait:
		if !ok {
			l.mu.Lock()
			defer l.mu.Unlock()
			return answer{}, l.ended
		}
		return a, a.Fault.err()
	}
}

// call has a request carried out.
func (l *link) call(ctx context.Context, r request) (answer, error) {
	return l.await(ctx, l.begin(r))
}

// handleBits are those of a handle that the engine has given; above is its generation.
const handleBits = 32

// ours is what the engine's handle is called here, theirs what ours is called there, if
// it is of this engine.
func (l *link) ours(h driver.Handle) driver.Handle {
	return h | driver.Handle(l.generation)<<handleBits
}

func (l *link) theirs(h driver.Handle) (theirs driver.Handle, ok bool) {
	return h & (1<<handleBits - 1), uint64(h)>>handleBits == l.generation
}
