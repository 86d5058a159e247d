package process

import (
	"context"
	"errors"

	"aes67os/driver"
)

// The two processes exchange JSON: requests one way, answers and events the other.

// method is what a request wants done: what the driver's method of that name does.
type method string

const (
	methodRun             method = "Run" // answered when it returns; there is one
	methodSetPTP          method = "SetPTP"
	methodSetSampleRate   method = "SetSampleRate"
	methodSetPlayoutDelay method = "SetPlayoutDelay"
	methodAdd             method = "Add"
	methodRemove          method = "Remove"
	methodStatus          method = "Status"
	methodFigures         method = "Figures"
	methodClock           method = "Clock"
)

// request has what its method is given.
type request struct {
	// ID is that of the answer, above 0.
	ID      uint64
	Method  method
	Config  *driver.Config    `json:",omitempty"`
	PTP     *driver.PTPConfig `json:",omitempty"`
	Samples uint32            `json:",omitempty"` // or Hz
	Stream  *driver.Stream    `json:",omitempty"`
	Handle  driver.Handle     `json:",omitempty"`
}

// quick tells whether the method only looks at something.
func (r *request) quick() bool {
	return r.Method == methodStatus || r.Method == methodFigures || r.Method == methodClock
}

// answer has what the method of the request has returned; with ID 0 it is an event.
type answer struct {
	ID      uint64
	Fault   *fault               `json:",omitempty"`
	Event   *event               `json:",omitempty"`
	Handle  driver.Handle        `json:",omitempty"`
	Status  *driver.StreamStatus `json:",omitempty"`
	Figures *driver.Figures      `json:",omitempty"`
	Clock   *driver.ClockFigures `json:",omitempty"`
}

// fault is an error on its way to the other process: its words, and which of those that
// callers decide on it is.
type fault struct {
	Text string
	Kind int `json:",omitempty"` // an index in kinds, plus 1; 0 for none of them
}

// kinds are the errors that stay what they are on the way.
var kinds = []error{
	driver.ErrUnavailable, driver.ErrInvalid, driver.ErrNoStream, driver.ErrRefused, driver.ErrProtocol,
	context.Canceled, context.DeadlineExceeded,
}

func newFault(err error) *fault {
	if err == nil {
		return nil
	}
	f := &fault{Text: err.Error()}
	for i, kind := range kinds {
		if errors.Is(err, kind) {
			f.Kind = i + 1
		}
	}
	return f
}

// err is the error that was sent, nil if None was.
func (f *fault) err() error {
	if f == nil {
		return nil
	}
	return f
}

func (f *fault) Error() string { return f.Text }

func (f *fault) Unwrap() error {
	if f.Kind < 1 || f.Kind > len(kinds) {
		return nil
	}
	return kinds[f.Kind-1]
}

// event is a driver.Event on its way.
type event struct {
	Kind  eventKind
	Fault *fault           `json:",omitempty"`
	PTP   driver.PTPStatus `json:",omitzero"`
	Rate  uint32           `json:",omitempty"`
}

type eventKind string

const (
	available   eventKind = "Available"
	unavailable eventKind = "Unavailable"
	ptpStatus   eventKind = "PTPStatus"
	sampleRate  eventKind = "SampleRate"
)

func newEvent(e driver.Event) *event {
	switch e := e.(type) {
	case driver.Unavailable:
		return &event{Kind: unavailable, Fault: newFault(e.Err)}
	case driver.PTPStatus:
		return &event{Kind: ptpStatus, PTP: e}
	case driver.SampleRate:
		return &event{Kind: sampleRate, Rate: uint32(e)}
	}
	return &event{Kind: available}
}

func (e *event) event() driver.Event {
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
