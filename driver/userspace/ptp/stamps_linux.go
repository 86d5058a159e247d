package ptp

import (
	"errors"
	"fmt"
	"sync"

	"github.com/facebook/time/ptp/protocol"
	"github.com/facebook/time/timestamp"
	"golang.org/x/sys/unix"
)

// maxLost is how many event messages may come in succession without a timestamp of the
// card. Some cards miss one now and then when two come together.
const maxLost = 8

// stamps turns the timestamps of a socket into raw time. It begins with those of the
// card, if there are any, and goes over to the kernel's when they turn out to be none.
type stamps struct {
	host *host
	// control does something to the socket.
	control func(func(fd int) error) error

	mu sync.Mutex
	// phc is nil if the kernel takes the timestamps, for the reason of why.
	phc *phc
	why error
	// restore sets the card back to how it was.
	restore func() error
	// lost counts the event messages in succession without a timestamp of the card.
	lost int
}

// begin asks for timestamps: of the card, else of the kernel, which every interface has.
func (s *stamps) begin(c card, open func(clock int32, h *host) (*phc, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.harden(c, open); err != nil {
		return s.soften(err)
	}
	return nil
}

func (s *stamps) harden(c card, open func(clock int32, h *host) (*phc, error)) error {
	clock, restore, err := enable(c)
	if err != nil {
		return err
	}
	if s.phc, err = open(clock, s.host); err != nil {
		return errors.Join(err, restore())
	}
	s.restore = restore
	// Of the kernel's none are asked for, lest they be mistaken for the card's.
	err = s.control(func(fd int) error {
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW, needed|unix.SOF_TIMESTAMPING_OPT_TSONLY),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SELECT_ERR_QUEUE, 1),
		)
	})
	if err != nil {
		return fmt.Errorf("ask for the network card's timestamps: %w", err)
	}
	return nil
}

// soften goes over to the kernel's timestamps.
func (s *stamps) soften(why error) error {
	s.letGo()
	s.why, s.lost = why, 0
	return s.control(func(fd int) error { return timestamp.EnableSWTimestamps(fd) })
}

func (s *stamps) letGo() {
	if s.phc != nil {
		s.phc.close()
		s.phc = nil
	}
	if s.restore != nil {
		s.why = errors.Join(s.why, s.restore())
		s.restore = nil
	}
}

// fail tells that timestamps of the card do not come, and returns whether they were
// expected.
func (s *stamps) fail(why error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phc == nil {
		return false
	}
	if err := s.soften(why); err != nil {
		s.why = errors.Join(why, err)
	}
	return true
}

// raw converts a timestamp of the socket.
func (s *stamps) raw(at int64) (raw int64, ok bool) {
	s.mu.Lock()
	phc := s.phc
	s.mu.Unlock()
	if phc != nil {
		return phc.stamp(at)
	}
	return s.host.stamp(at)
}

// arrived converts the timestamp of a message, if it has one. own tells that it is from this
// host, and so was never on the card.
func (s *stamps) arrived(message, oob []byte, own bool) (raw int64, ok bool) {
	at, err := timestamp.ReadRXTimestamp(oob, len(oob))
	if err == nil {
		raw, ok = s.raw(at.UnixNano())
	}
	if own || !isEvent(message) {
		return raw, ok
	}
	s.mu.Lock()
	s.lost++
	if ok {
		s.lost = 0
	}
	lost := s.lost
	s.mu.Unlock()
	if lost >= maxLost {
		s.fail(errors.New("PTP messages come without a timestamp of the network card's that can be used"))
	}
	return raw, ok
}

// isEvent tells whether a message is one that cards take the time of.
func isEvent(b []byte) bool {
	if len(b) < headerSize || b[1]&protocol.MajorVersionMask != version {
		return false
	}
	kind, err := protocol.ProbeMsgType(b)
	return err == nil && (kind == protocol.MessageSync || kind == protocol.MessageDelayReq)
}

// stamping tells where the timestamps come from.
func (s *stamps) stamping() stamping {
	s.mu.Lock()
	defer s.mu.Unlock()
	return stamping{s.phc != nil, s.why}
}

// close sets the card back. It is called while the socket is still open.
func (s *stamps) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letGo()
}
