package session

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/driver"
	"aes67os/driver/fake"

	"github.com/google/go-cmp/cmp"
)

// measuring is a driver that says of each stream, as its levels, which handle it has.
type measuring struct {
	*fake.Driver
	// asked is called, unless nil, before a stream is looked at.
	asked func()
	// clock is the error of Clock.
	clock error
}

func (m *measuring) Figures(ctx context.Context, h driver.Handle) (driver.Figures, error) {
	if m.asked != nil {
		m.asked()
	}
	_, err := m.Status(ctx, h)
	return figuresOf(h), err
}

func (m *measuring) Clock(context.Context) (driver.ClockFigures, error) {
	return driver.ClockFigures{Offset: 7 * time.Nanosecond}, m.clock
}

func figuresOf(h driver.Handle) driver.Figures {
	return driver.Figures{Levels: []driver.Level{{Peak: float64(h)}}}
}

// measure starts a manager with two sources, of which only the first is enabled, and a sink.
func measure(t *testing.T, file string) (*rig, *measuring) {
	m := &measuring{}
	r := start(t, file, func(o *Options) {
		m.Driver = o.Driver.(*fake.Driver)
		o.Driver = m
	})
	r.put(exampleSource(0)) // handle 1
	off := exampleSource(1)
	off.Enabled = false
	r.put(off)
	r.putSink(exampleSink(0)) // handle 2
	return r, m
}

func TestFigures(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r, m := measure(t, file)
		sourceFigures := func(id int) (any, error) { return r.SourceFigures(t.Context(), id) }
		sinkFigures := func(id int) (any, error) { return r.SinkFigures(t.Context(), id) }
		clock := func(int) (any, error) { return r.Clock(t.Context()) }
		all := func(int) (any, error) { return r.Figures(t.Context()) }
		check := func(name string, ask func(id int) (any, error), id int, want any, wantErr error) {
			t.Helper()
			got, err := ask(id)
			if !errors.Is(err, wantErr) {
				t.Errorf("%s %d: %v; want %v", name, id, err, wantErr)
			}
			if diff := cmp.Diff(want, got); err == nil && diff != "" {
				t.Errorf("%s %d (-want +got):\n%s", name, id, diff)
			}
		}
		check("source", sourceFigures, 0, figuresOf(1), nil)
		check("source", sourceFigures, 1, nil, driver.ErrNoStream)
		check("source", sourceFigures, 2, nil, ErrNotInUse)
		check("source", sourceFigures, 64, nil, ErrInvalidID)
		check("source", sourceFigures, -1, nil, ErrInvalidID)
		check("sink", sinkFigures, 0, figuresOf(2), nil)
		check("sink", sinkFigures, 1, nil, ErrNotInUse)
		check("clock", clock, 0, driver.ClockFigures{Offset: 7}, nil)
		check("all", all, 0, Figures{
			Sources: map[int]driver.Figures{0: figuresOf(1)}, Sinks: map[int]driver.Figures{0: figuresOf(2)},
			PTP: driver.ClockFigures{Offset: 7},
		}, nil)

		m.clock = driver.ErrProtocol
		check("clock", clock, 0, nil, driver.ErrProtocol)
		check("all without a clock", all, 0, nil, driver.ErrProtocol)

		m.clock = nil
		r.driver.Interrupt(errors.New("the engine has ended"))
		synctest.Wait()
		check("source without a driver", sourceFigures, 0, nil, r.current.Load().problem)
		check("all without streams", all, 0, Figures{
			Sources: map[int]driver.Figures{}, Sinks: map[int]driver.Figures{}, PTP: driver.ClockFigures{Offset: 7},
		}, nil)
	})
}

// TestFiguresOfReplaced has a stream be replaced or removed while the driver is asked for it.
func TestFiguresOfReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r, m := measure(t, file)
		once := func(f func()) {
			m.asked = func() {
				m.asked = nil
				f()
			}
		}
		replace := func() {
			s := exampleSource(0)
			s.Map = []int{5}
			r.put(s) // handle 3
		}
		once(replace)
		got, err := r.SourceFigures(t.Context(), 0)
		if diff := cmp.Diff(figuresOf(3), got); err != nil || diff != "" {
			t.Errorf("of one replaced: %v (-want +got):\n%s", err, diff)
		}
		once(func() {
			if err := r.RemoveSource(t.Context(), 0); err != nil {
				t.Error(err)
			}
		})
		if _, err := r.SourceFigures(t.Context(), 0); !errors.Is(err, ErrNotInUse) {
			t.Errorf("of one removed: %v; want %v", err, ErrNotInUse)
		}
		once(func() {
			if err := r.RemoveSink(t.Context(), 0); err != nil {
				t.Error(err)
			}
		})
		want := Figures{Sources: map[int]driver.Figures{}, Sinks: map[int]driver.Figures{}, PTP: driver.ClockFigures{Offset: 7}}
		all, err := r.Figures(t.Context())
		if diff := cmp.Diff(want, all); err != nil || diff != "" {
			t.Errorf("of all, one removed: %v (-want +got):\n%s", err, diff)
		}
	})
}

// TestNoFigures has a driver that measures nothing.
func TestNoFigures(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.put(exampleSource(0))
		for name, ask := range map[string]func() error{
			"source": func() error { _, err := r.SourceFigures(t.Context(), 0); return err },
			"clock":  func() error { _, err := r.Clock(t.Context()); return err },
			"all":    func() error { _, err := r.Figures(t.Context()); return err },
		} {
			if err, want := ask(), fmt.Sprintf("%v: fake", ErrNoFigures); !errors.Is(err, ErrNoFigures) || err.Error() != want {
				t.Errorf("figures of %s: %v; want %s", name, err, want)
			}
		}
	})
}
