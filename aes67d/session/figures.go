package session

import (
	"context"
	"errors"
	"fmt"

	"aes67os/driver"
)

// ErrNoFigures is a driver that measures nothing: it is no [driver.Monitor].
var ErrNoFigures = errors.New("the audio driver measures nothing")

// Figures are those of all that the driver measures.
type Figures struct {
	// Sources and Sinks have the streams that are in the driver, by id.
	Sources map[int]driver.Figures `json:"sources"`
	Sinks   map[int]driver.Figures `json:"sinks"`
	PTP     driver.ClockFigures    `json:"ptp"`
}

// SourceFigures asks the driver how a source does.
func (m *Manager) SourceFigures(ctx context.Context, id int) (driver.Figures, error) {
	return figures(ctx, m, func(st *state) *slots[source] { return &st.sources }, id)
}

// SinkFigures asks the driver how a sink does.
func (m *Manager) SinkFigures(ctx context.Context, id int) (driver.Figures, error) {
	return figures(ctx, m, func(st *state) *slots[sink] { return &st.sinks }, id)
}

// Clock asks the driver how the media clock does.
func (m *Manager) Clock(ctx context.Context) (driver.ClockFigures, error) {
	monitor, err := m.monitor()
	if err != nil {
		return driver.ClockFigures{}, err
	}
	return monitor.Clock(ctx)
}

// Figures asks the driver for all figures. Streams that it does not have are left out.
func (m *Manager) Figures(ctx context.Context) (all Figures, err error) {
	monitor, err := m.monitor()
	if err != nil {
		return Figures{}, err
	}
	if all.PTP, err = monitor.Clock(ctx); err != nil {
		return Figures{}, err
	}
	st := m.current.Load()
	if all.Sources, err = eachFigures(ctx, monitor, st, &st.sources); err != nil {
		return Figures{}, err
	}
	all.Sinks, err = eachFigures(ctx, monitor, st, &st.sinks)
	return all, err
}

func (m *Manager) monitor() (driver.Monitor, error) {
	monitor, ok := m.Driver.(driver.Monitor)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNoFigures, m.Driver.Name())
	}
	return monitor, nil
}

// figures are those of what has the id.
func figures[E any, P entry[E]](ctx context.Context, m *Manager, of func(*state) *slots[E], id int) (driver.Figures, error) {
	if err := checkID(id); err != nil {
		return driver.Figures{}, err
	}
	monitor, err := m.monitor()
	if err != nil {
		return driver.Figures{}, err
	}
	// The stream may be replaced while the driver is asked; then there is a newer one.
	for {
		st := m.current.Load()
		e := P(of(st)[id])
		if e == nil {
			return driver.Figures{}, fmt.Errorf("%w: there is no %s %d", ErrNotInUse, e.kind(), id)
		}
		p := e.placement()
		if !p.placed.in(st) {
			return driver.Figures{}, p.absent(st)
		}
		f, err := monitor.Figures(ctx, p.placed.handle)
		if errors.Is(err, driver.ErrNoStream) && of(m.current.Load())[id] != e {
			continue
		}
		return f, err
	}
}

// absent is why a stream is not in the driver, be it because nobody wants it there.
func (p placement) absent(st *state) error {
	if st.waiting() == nil && p.trouble == "" {
		return fmt.Errorf("%w: it is not enabled", driver.ErrNoStream)
	}
	return p.waiting(st)
}

// eachFigures are those of all that are in the driver.
func eachFigures[E any, P entry[E]](ctx context.Context, monitor driver.Monitor, st *state, all *slots[E]) (map[int]driver.Figures, error) {
	byID := make(map[int]driver.Figures)
	for id, e := range all {
		if e == nil || !P(e).placement().placed.in(st) {
			continue
		}
		f, err := monitor.Figures(ctx, P(e).placement().placed.handle)
		if errors.Is(err, driver.ErrNoStream) { // it was removed just now
			continue
		}
		if err != nil {
			return nil, err
		}
		byID[id] = f
	}
	return byID, nil
}
