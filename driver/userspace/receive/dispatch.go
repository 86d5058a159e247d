package receive

import (
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"
)

// packet is a datagram that has come.
type packet struct {
	// link is the index of the interface it came by, to the address it was sent to.
	link int
	to   [4]byte
	// arrival is the local time at which the kernel got it.
	arrival int64
	// dropped is how many packets its socket had dropped before it, modulo 2³².
	dropped uint32
	// data is empty if there was more of it than the largest packet.
	data []byte
}

// table has the sinks for all that may come. It is never changed, but replaced.
type table map[key][]target

// key is what packets of a stream have in common. Several sinks may have the same.
type key struct {
	link int
	to   [4]byte
	port uint16
}

// target is where a packet goes.
type target struct {
	sink *Sink
	leg  int
}

func (d *device) newTable() *table {
	t := make(table)
	for _, s := range d.sinks {
		for i, leg := range s.stream.Legs {
			k := key{d.links[leg.Interface].index, leg.Destination.Addr().As4(), leg.Destination.Port()}
			t[k] = append(t[k], target{s, i})
		}
	}
	return &t
}

// moment is a time in all three forms.
type moment struct {
	local int64
	// mapping is nil while there is no media clock; then there is no position.
	mapping  *media.Mapping
	position int64
}

// moment is now.
func (d *device) moment() moment {
	m := moment{local: d.now(), mapping: d.clock.Mapping()}
	if m.mapping == nil {
		return m
	}
	ptp := m.mapping.PTPAt(m.local)
	if ptp < 0 { // a grandmaster without a notion of time, which has just begun at 0
		m.mapping = nil
		return m
	}
	m.position = media.Position(ptp, d.rate)
	return m
}

// deliver hands packets that came to a port to their sinks.
func (d *device) deliver(port uint16, packets []packet) {
	now, t := d.moment(), *d.table.Load()
	for i := range packets {
		p := &packets[i]
		for _, to := range t[key{p.link, p.to, port}] {
			to.sink.receive(to.leg, p, &now)
		}
	}
}

// cleaner clears the ring behind the present: a quarter of the ring behind it, so that
// whoever reads may be that late, and what comes next may be written half the ring ahead.
type cleaner struct {
	ring *ring.Ring
	// to is the position up to which it is clear, once begun.
	to    int64
	begun bool
}

func (c *cleaner) clean(now moment) {
	if now.mapping == nil {
		return
	}
	size := int64(c.ring.Samples())
	to := now.position - size/4
	if c.begun && c.to-to > size/4 {
		c.to = to - size // time was set back, and nothing there is of this time
	}
	if c.begun {
		c.ring.Clear(c.to, to)
	}
	c.to, c.begun = to, true
}
