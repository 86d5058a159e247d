package receive

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"
)

// device is a receiver that runs. Whoever calls its methods holds the receiver's mu, but
// for those of dispatch.go.
type device struct {
	host
	thread  func()
	clock   *media.Clock
	log     *slog.Logger
	rate    uint32
	capture *ring.Ring
	cleaner cleaner
	links   []*link
	sinks   []*Sink
	table   atomic.Pointer[table]
	// dropping tells that packets were dropped when watch looked last.
	dropping bool
	// unsettled tells that settle has not done all there is to do; problem is what was logged last of it, so that it
	// is not every second.
	unsettled bool
	problem   string
}

func newDevice(r *Receiver, interfaces []string, rate uint32, capture *ring.Ring) *device {
	d := &device{host: r.host, thread: r.Thread, clock: r.clock, log: r.log, rate: rate, capture: capture}
	capture.Clear(0, int64(capture.Samples()))
	d.cleaner.ring = capture
	for _, name := range interfaces {
		d.links = append(d.links, &link{name: name})
	}
	d.table.Store(&table{})
	return d
}

func (d *device) close() {
	for _, s := range slices.Clone(d.sinks) {
		d.remove(s)
	}
}

func (d *device) add(stream driver.Stream) (*Sink, error) {
	if err := d.check(stream); err != nil {
		return nil, err
	}
	stream.Map, stream.Legs = slices.Clone(stream.Map), slices.Clone(stream.Legs)
	s := newSink(stream, d)
	d.sinks = append(d.sinks, s)
	d.table.Store(d.newTable())
	for _, leg := range stream.Legs {
		if err := d.links[leg.Interface].want(d, leg.Destination); err != nil {
			d.remove(s)
			return nil, err
		}
	}
	return s, nil
}

// check tells whether the device can have the stream.
func (d *device) check(s driver.Stream) error {
	if err := s.Validate(len(d.links)); err != nil {
		return err
	}
	room := int64(d.capture.Samples() / 2)
	switch {
	case s.Source:
		return fmt.Errorf("%w: a source cannot be received", driver.ErrInvalid)
	case s.SampleRate != d.rate:
		return fmt.Errorf("%w: the stream has a sample rate of %d Hz, the device runs at %d", driver.ErrInvalid, s.SampleRate, d.rate)
	case slices.Max(s.Map) >= d.capture.Channels():
		return fmt.Errorf("%w: the map has device channel %d, there are %d", driver.ErrInvalid, slices.Max(s.Map), d.capture.Channels())
	case int64(s.PlayoutDelay) > room:
		return fmt.Errorf("%w: the playout delay of %d samples is above the %d there is room for", driver.ErrInvalid, s.PlayoutDelay, room)
	}
	return nil
}

func (d *device) remove(s *Sink) {
	i := slices.Index(d.sinks, s)
	if i < 0 {
		return
	}
	d.sinks = slices.Delete(d.sinks, i, i+1)
	d.settle() // what fails has failed before, and watch tells of it
	s.remove()
}

// watch looks whether interfaces have come or gone, and does again what has failed. While
// nothing has, it makes no garbage.
func (d *device) watch() {
	changed := d.unsettled
	for _, l := range d.links {
		if index := d.find(l.name); index != l.index {
			d.log.Info("network interface", "name", l.name, "receiving", index != 0)
			l.close()
			l.index, changed = index, true
		}
		changed = changed || slices.ContainsFunc(l.sockets, func(s *socket) bool { return s.failed.Load() })
	}
	d.watchDrops()
	if !changed {
		return
	}
	problem := ""
	if err := d.settle(); err != nil {
		problem = err.Error()
		if problem != d.problem {
			d.log.Warn("cannot receive, will try again", "error", err)
		}
	}
	d.problem = problem
}

// settle makes the table and the sockets what the sinks want.
func (d *device) settle() error {
	d.table.Store(d.newTable())
	d.unsettled = false
	var errs []error
	for i, l := range d.links {
		errs = append(errs, l.settle(d, d.wanted(i)))
	}
	err := errors.Join(errs...)
	d.unsettled = d.unsettled || err != nil
	return err
}

// wanted are the destinations to be received at an interface, in order.
func (d *device) wanted(link int) []netip.AddrPort {
	var all []netip.AddrPort
	for _, s := range d.sinks {
		for _, leg := range s.stream.Legs {
			if leg.Interface == link {
				all = append(all, leg.Destination)
			}
		}
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	return slices.Compact(all)
}
