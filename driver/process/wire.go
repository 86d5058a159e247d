package process

import (
	"context"
	"errors"

	"aes67os/driver"
)

// service is the name of the server's methods.
const service = "Driver."

// fault is an error on its way to the other process: its words, and which of those that
// callers decide on it is.
type fault struct {
	Text string
	Kind int // an index in kinds, plus 1; 0 for none of them
}

// kinds are the errors that stay what they are on the way.
var kinds = []error{
	driver.ErrUnavailable, driver.ErrInvalid, driver.ErrNoStream, driver.ErrRefused, driver.ErrProtocol,
	context.Canceled, context.DeadlineExceeded,
}

func newFault(err error) fault {
	if err == nil {
		return fault{}
	}
	f := fault{Text: err.Error()}
	for i, kind := range kinds {
		if errors.Is(err, kind) {
			f.Kind = i + 1
		}
	}
	return f
}

// err is the error that was sent, nil if None was.
func (f fault) err() error {
	if f == (fault{}) {
		return nil
	}
	return &remote{f}
}

// remote is an error of the other process.
type remote struct{ fault }

func (e *remote) Error() string { return e.Text }

func (e *remote) Unwrap() error {
	if e.Kind < 1 || e.Kind > len(kinds) {
		return nil
	}
	return kinds[e.Kind-1]
}

// event is a driver.Event on its way.
type event struct {
	Kind  eventKind
	Fault fault
	PTP   driver.PTPStatus
	Rate  uint32
}

type eventKind int

const (
	available eventKind = iota
	unavailable
	ptpStatus
	sampleRate
)

func newEvent(e driver.Event) event {
	switch e := e.(type) {
	case driver.Unavailable:
		return event{Kind: unavailable, Fault: newFault(e.Err)}
	case driver.PTPStatus:
		return event{Kind: ptpStatus, PTP: e}
	case driver.SampleRate:
		return event{Kind: sampleRate, Rate: uint32(e)}
	}
	return event{Kind: available}
}

func (e event) event() driver.Event {
	switch e.Kind {
	case unavailable:
		return driver.Unavailable{Err: e.Fault.err()}
	case ptpStatus:
		return e.PTP
	case sampleRate:
		return driver.SampleRate(e.Rate)
	}
	return driver.Available{}
}

// What methods are given, where it is not a type of package driver, and what they answer.
// net/rpc wants them to be exported; an error that it passes on by itself would be words only.
type (
	// None is no argument.
	None struct{}
	// PlainReply answers whether something could be done, or what Run has come to.
	PlainReply struct{ Fault fault }
	// NextReply has events in their order. None means that Run has returned.
	NextReply struct{ Events []event }
	// AddReply answers Add.
	AddReply struct {
		Handle driver.Handle
		Fault  fault
	}
	// StatusReply answers Status.
	StatusReply struct {
		Status driver.StreamStatus
		Fault  fault
	}
	// FiguresReply answers Figures.
	FiguresReply struct {
		Figures driver.Figures
		Fault   fault
	}
	// ClockReply answers Clock.
	ClockReply struct {
		Clock driver.ClockFigures
		Fault fault
	}
)

// reply is every answer to a method of the driver.
type reply interface{ failure() fault }

func (r *PlainReply) failure() fault   { return r.Fault }
func (r *AddReply) failure() fault     { return r.Fault }
func (r *StatusReply) failure() fault  { return r.Fault }
func (r *FiguresReply) failure() fault { return r.Fault }
func (r *ClockReply) failure() fault   { return r.Fault }
