package ravenna

import (
	"errors"
	"fmt"
	"slices"

	"aes67os/driver"
)

// add adds a stream: one of the module's for each leg.
func (r *run) add(s driver.Stream) (driver.Handle, error) {
	if err := r.available(); err != nil {
		return 0, err
	}
	if err := r.check(s); err != nil {
		return 0, err
	}
	var legs []uint64
	for _, leg := range s.Legs {
		h, err := r.addLeg(s, leg)
		if err != nil {
			if err := r.removeLegs(legs); err != nil {
				r.log.Warn("leg of a refused stream not removed", "stream", s.Name, "err", err)
			}
			return 0, err
		}
		legs = append(legs, h)
	}
	r.last++
	r.streams[r.last] = legs
	return r.last, nil
}

// check tells what the module would not: it only says no, or does something else.
func (r *run) check(s driver.Stream) error {
	if err := s.Validate(len(r.want.Interfaces)); err != nil {
		return err
	}
	if s.Source && slices.Contains(s.Map, driver.Unmapped) {
		return fmt.Errorf("%w: the RAVENNA kernel module cannot send a channel of silence, each needs a device channel", driver.ErrInvalid)
	}
	for _, leg := range s.Legs {
		if leg.Interface >= r.abi.interfaces() {
			return fmt.Errorf("%w: a RAVENNA kernel module 1.x knows one network interface only: configure one, or load a module 2.x", driver.ErrInvalid)
		}
		if port := leg.Destination.Port(); port < 1024 || port%2 != 0 {
			return fmt.Errorf("%w: the RAVENNA kernel module knows even ports from 1024 only, not %d", driver.ErrInvalid, port)
		}
	}
	return nil
}

func (r *run) addLeg(s driver.Stream, leg driver.Leg) (uint64, error) {
	data, err := r.link.command(msgAddRTPStream, r.abi.streamInfo(s, leg))
	if err != nil {
		return 0, err
	}
	return readU64(msgAddRTPStream, data)
}

// find returns the module's handles of a stream. The module must not be asked about one
// that is not there: it answers that it does well.
func (r *run) find(h driver.Handle) ([]uint64, error) {
	if err := r.available(); err != nil {
		return nil, err
	}
	legs, ok := r.streams[h]
	if !ok {
		return nil, fmt.Errorf("%w: handle %d", driver.ErrNoStream, h)
	}
	return legs, nil
}

func (r *run) remove(h driver.Handle) error {
	legs, err := r.find(h)
	if err != nil {
		return err
	}
	delete(r.streams, h)
	return r.removeLegs(legs)
}

func (r *run) removeLegs(legs []uint64) error {
	var errs error
	for _, h := range legs {
		errs = errors.Join(errs, r.link.ask(msgRemoveRTPStream, u64(h)))
	}
	return errs
}

// forget removes a stream that nobody has the handle of.
func (r *run) forget(h driver.Handle) {
	if err := r.remove(h); err != nil {
		r.log.Warn("stream not removed whose adding was given up", "err", err)
	}
}

func (r *run) status(h driver.Handle) (driver.StreamStatus, error) {
	legs, err := r.find(h)
	if err != nil {
		return driver.StreamStatus{}, err
	}
	var all driver.StreamStatus
	for i, leg := range legs {
		data, err := r.link.command(msgGetRTPStreamStatus, u64(leg))
		if err != nil {
			return driver.StreamStatus{}, err
		}
		one, err := streamStatus(data)
		if err != nil {
			return driver.StreamStatus{}, err
		}
		if i == 0 {
			all = one
		} else {
			all = merge(all, one)
		}
	}
	return all, nil
}
