package send

import (
	"slices"
	"syscall"

	"aes67os/driver"
)

// socket sends packets. Of a batch that it does not send wholly it returns how many it
// has sent and, if that is none, why the first cannot be.
type socket interface {
	Send(batch []message) (int, syscall.Errno)
	Close() error
}

// outlet collects packets for a socket. There is one for each source port.
type outlet struct {
	port   uint16
	socket socket
	batch  []message
	// owners are whose packets they are.
	owners []*Source
}

// outlet finds that for a port, or makes one.
func (t *table) outlet(port uint16, s *Sender) (*outlet, error) {
	for _, o := range t.outlets {
		if o.port == port {
			return o, nil
		}
	}
	socket, err := s.host.open(port, s.log)
	if err != nil {
		return nil, err
	}
	const most = 2 * driver.MaxStreams // all with two legs
	o := &outlet{port: port, socket: socket, batch: make([]message, 0, most), owners: make([]*Source, 0, most)}
	t.outlets = append(t.outlets, o)
	return o, nil
}

// close closes what other does not use. A packet still in other hands fails.
func (t *table) close(other *table) {
	for _, o := range t.outlets {
		if !slices.Contains(other.outlets, o) {
			o.socket.Close()
		}
	}
}

// add puts a packet to the others. It is not copied.
func (o *outlet) add(s *Source, m *message) {
	o.batch = append(o.batch, *m)
	o.owners = append(o.owners, s)
}

// flush sends all packets. One that cannot be sent does not hold up the others.
func (o *outlet) flush() {
	for i := 0; i < len(o.batch); {
		n, err := o.socket.Send(o.batch[i:])
		if n <= 0 {
			o.owners[i].failed(err)
			n = 1
		}
		i += n
	}
	o.batch, o.owners = o.batch[:0], o.owners[:0]
}
