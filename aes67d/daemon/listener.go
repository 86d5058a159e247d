package daemon

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// listener is a TCP listener whose address can change while it is in use. Connections
// that were accepted stay. Until it has an address, Accept waits.
type listener struct {
	mu      sync.Mutex
	changed *sync.Cond
	inner   net.Listener
	address string
	closed  bool
}

func newListener() *listener {
	l := new(listener)
	l.changed = sync.NewCond(&l.mu)
	return l
}

// listen moves the listener to the address. With an error it stays where it was.
func (l *listener) listen(address string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.address == address {
		return nil
	}
	next, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s (is another program using the port?): %w", address, err)
	}
	if l.inner != nil {
		l.inner.Close()
	}
	l.inner, l.address = next, address
	l.changed.Broadcast()
	return nil
}

// after is the listener in use that is not last, once there is one; nil in the end.
func (l *listener) after(last net.Listener) net.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed && l.inner == last {
		l.changed.Wait()
	}
	if l.closed {
		return nil
	}
	return l.inner
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	inner := l.inner
	l.mu.Unlock()
	for {
		if inner != nil {
			c, err := inner.Accept()
			if !errors.Is(err, net.ErrClosed) {
				return c, err
			}
		}
		if inner = l.after(inner); inner == nil {
			return nil, net.ErrClosed
		}
	}
}

// Close implements [net.Listener].
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.changed.Broadcast()
	if l.inner == nil {
		return nil
	}
	return l.inner.Close()
}

// Addr implements [net.Listener].
func (l *listener) Addr() net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inner == nil {
		return new(net.TCPAddr)
	}
	return l.inner.Addr()
}
