package rtsp

import (
	"net"
	"time"
)

// wire is a connection that carries messages. One goroutine may receive while
// others, one at a time, send.
type wire struct {
	net.Conn
	*reader
}

func newWire(c net.Conn) *wire { return &wire{Conn: c, reader: newReader(c)} }

// receive returns the next message, which must begin within patience (0 is forever)
// and then be complete within messageTime.
func (w *wire) receive(patience time.Duration) (*message, error) {
	var begin time.Time
	if patience > 0 {
		begin = time.Now().Add(patience)
	}
	if err := w.SetReadDeadline(begin); err != nil {
		return nil, err
	}
	if err := w.wait(); err != nil {
		return nil, err
	}
	if err := w.SetReadDeadline(time.Now().Add(messageTime)); err != nil {
		return nil, err
	}
	return w.next()
}

// send writes a message, which the other side must take within sendTime.
func (w *wire) send(b []byte) error {
	if err := w.SetWriteDeadline(time.Now().Add(sendTime)); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

// keepAlive finds out within two minutes that a silent peer has gone without a word.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}
