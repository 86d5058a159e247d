package receive

import "sync/atomic"

// drops counts the packets that the kernel has dropped because a socket had no more room for
// them: the thread that takes them did not run for so long. That cannot be told of each
// stream, as nobody has looked whose they were; there they are lost, as any that did not come.
type drops struct {
	// count is what the kernel says, modulo 2³².
	count atomic.Uint32
	// known is what watch has seen of it.
	known uint32
}

// note takes in what was said with packets that have come. The last one says it all.
func (d *drops) note(packets []packet) {
	if n := len(packets); n > 0 {
		d.count.Store(packets[n-1].dropped)
	}
}

// more is how many were dropped since it was called last.
func (d *drops) more() uint32 {
	before := d.known
	d.known = d.count.Load()
	return d.known - before
}

// watchDrops logs it when packets begin and cease to be dropped.
func (d *device) watchDrops() {
	var dropped uint64
	for _, l := range d.links {
		for _, s := range l.sockets {
			dropped += uint64(s.drops.more())
		}
	}
	switch dropping := dropped > 0; {
	case dropping && !d.dropping:
		d.log.Warn("packets dropped: the thread that receives was not run for too long. Is the host overloaded?", "packets", dropped)
	case d.dropping && !dropping:
		d.log.Info("packets are not dropped any more")
	}
	d.dropping = dropped > 0
}
