package session

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"aes67os/driver"
)

// slots are the sources, or the sinks, of a state by id.
type slots[E any] [driver.MaxStreams]*E

// placement is what a source or sink has come to in the driver.
type placement struct {
	placed placed
	// trouble is why it could not be placed although all was there, empty otherwise.
	trouble string
}

// entry is a *source or a *sink.
type entry[E any] interface {
	*E
	// kind is "source" or "sink".
	kind() string
	key() (id int, name string)
	placement() *placement
}

func (*source) kind() string            { return "source" }
func (s *source) key() (int, string)    { return s.ID, s.Name }
func (s *source) placement() *placement { return &s.inDriver }
func (*sink) kind() string              { return "sink" }
func (s *sink) key() (int, string)      { return s.ID, s.Name }
func (s *sink) placement() *placement   { return &s.inDriver }

// free tells whether no other has the name.
func free[E any, P entry[E]](all *slots[E], wanted P) error {
	id, name := wanted.key()
	for _, e := range all {
		if e == nil {
			continue
		}
		if other, taken := P(e).key(); other != id && taken == name {
			return fmt.Errorf("%w: %s %d has it", ErrNameInUse, wanted.kind(), other)
		}
	}
	return nil
}

// put makes e, whose placement is that of what it replaces, part of the next state, with
// want in the driver. With an error all is as it was, as far as the driver goes along.
func put[E any, P entry[E]](ctx context.Context, m *Manager, next *state, all *slots[E], e P, want *driver.Stream) error {
	id, _ := e.key()
	held, err := m.place(ctx, next, e.placement().placed, want)
	if err != nil {
		if old := all[id]; old != nil {
			restored := *old
			P(&restored).placement().placed = held
			all[id] = &restored
		}
		return err
	}
	*e.placement() = placement{placed: held}
	all[id] = e
	return nil
}

// remove removes what has the id.
func remove[E any, P entry[E]](ctx context.Context, m *Manager, of func(*state) *slots[E], id int) error {
	if err := checkID(id); err != nil {
		return err
	}
	err := m.change(ctx, func(ctx context.Context, next *state) error {
		old := P(of(next)[id])
		if old == nil {
			return fmt.Errorf("%w: there is no %s %d", ErrNotInUse, old.kind(), id)
		}
		if err := m.unplace(ctx, next, old.placement().placed); err != nil {
			return err
		}
		of(next)[id] = nil
		return nil
	})
	if err != nil {
		return err
	}
	return m.save()
}

// placeEach brings the driver to have what want says of each.
func placeEach[E any, P entry[E]](ctx context.Context, m *Manager, next *state, all *slots[E], want func(P) (*driver.Stream, error)) {
	for id, old := range all {
		if old == nil {
			continue
		}
		changed := *old
		e := P(&changed)
		to := e.placement()
		stream, err := want(e)
		if err == nil {
			to.placed, err = m.place(ctx, next, to.placed, stream)
		}
		to.trouble = ""
		if err != nil {
			to.trouble = err.Error()
			// Once for each reason: it is tried again and again.
			if _, name := e.key(); to.trouble != P(old).placement().trouble {
				m.Log.Error("cannot start a "+e.kind()+", trying again and again", "id", id, "name", name, "error", err)
			}
		}
		if !reflect.DeepEqual(changed, *old) {
			all[id] = &changed
		}
	}
}

// troubled tells whether one of them could not be placed.
func troubled[E any, P entry[E]](all *slots[E]) bool {
	return slices.ContainsFunc(all[:], func(e *E) bool { return e != nil && P(e).placement().trouble != "" })
}
