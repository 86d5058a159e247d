package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"aes67os/driver"
)

// Serve has d driven by whoever is at the other end of conn, until that is closed there; d
// does not run any more when it returns.
func Serve(conn io.ReadWriteCloser, d driver.Driver, log *slog.Logger) error {
	ctx, end := context.WithCancel(context.Background())
	s := &server{driver: d, to: json.NewEncoder(conn), log: log}
	var methods sync.WaitGroup
	defer methods.Wait()
	defer end()
	from := json.NewDecoder(conn)
	log.Debug("the audio engine waits for commands", "driver", d.Name())
	for {
		var r request
		if err := from.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read from the daemon: %w", err)
		}
		answer := func() {
			a := s.do(ctx, &r)
			a.ID = r.ID
			s.send(a)
		}
		if r.quick() {
			// On this thread, one after the other: however many ask, audio keeps the other
			// processors.
			answer()
		} else {
			methods.Go(answer)
		}
	}
}

// server carries out requests.
type server struct {
	driver driver.Driver
	log    *slog.Logger

	sending sync.Mutex
	to      *json.Encoder
}

// send sends an answer. A daemon that is gone has also closed the connection, which Serve
// reads from.
func (s *server) send(a answer) {
	s.sending.Lock()
	defer s.sending.Unlock()
	if err := s.to.Encode(a); err != nil {
		s.log.Debug("cannot answer the daemon", "err", err)
	}
}

// do carries out one request.
func (s *server) do(ctx context.Context, r *request) (a answer) {
	var err error
	switch {
	case r.Method == methodRun && r.Config != nil:
		err = s.driver.Run(ctx, *r.Config, func(e driver.Event) { s.send(answer{Event: newEvent(e)}) })
	case r.Method == methodSetPTP && r.PTP != nil:
		err = s.driver.SetPTP(ctx, *r.PTP)
	case r.Method == methodSetSampleRate:
		err = s.driver.SetSampleRate(ctx, r.Samples)
	case r.Method == methodSetPlayoutDelay:
		err = s.driver.SetPlayoutDelay(ctx, r.Samples)
	case r.Method == methodAdd && r.Stream != nil:
		a.Handle, err = s.driver.Add(ctx, *r.Stream)
	case r.Method == methodRemove:
		err = s.driver.Remove(ctx, r.Handle)
	case r.Method == methodStatus:
		a.Status = new(driver.StreamStatus)
		*a.Status, err = s.driver.Status(ctx, r.Handle)
	case r.Method == methodFigures:
		a.Figures = new(driver.Figures)
		err = s.measure(func(m driver.Monitor) (err error) {
			*a.Figures, err = m.Figures(ctx, r.Handle)
			return err
		})
	case r.Method == methodClock:
		a.Clock = new(driver.ClockFigures)
		err = s.measure(func(m driver.Monitor) (err error) {
			*a.Clock, err = m.Clock(ctx)
			return err
		})
	default:
		err = fmt.Errorf("%w: the engine has no %q", driver.ErrProtocol, r.Method)
	}
	a.Fault = newFault(err)
	return a
}

// measure calls f with the driver, if it can.
func (s *server) measure(f func(driver.Monitor) error) error {
	m, ok := s.driver.(driver.Monitor)
	if !ok {
		return errors.New("this driver measures nothing")
	}
	return f(m)
}
