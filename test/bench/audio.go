package main

import (
	"context"
	"fmt"
	"time"
)

// What all who are compared send and receive: streams of 8 channels of 24 bits at 48 kHz, in
// packets of 1 ms.
const (
	streams          = 8
	channels         = 8
	samplesPerPacket = 48
	packetsPerSecond = 1000
)

// window is how long each figure of the streams is measured.
const window = 6 * time.Second

// contender is one of those that are compared.
type contender struct {
	name string
	// make prepares it to send over a cable.
	make func(c *cable) talker
	// even tells that it is to send a packet each millisecond: then it is a peer, and is
	// measured also beside programs that are always busy.
	even bool
}

// talker sends and receives the streams on either end of a cable.
type talker interface {
	// send begins to send all streams to the groups of [group], and returns the process
	// that does, with its children.
	send() (pid int)
	// receive begins to receive them at the other end.
	receive() (pid int)
}

// performance is how a contender did.
type performance struct {
	name string
	even bool
	// quiet, busy and harried are without anything else, beside busy programs, and beside
	// clients that keep the daemon itself busy; nil for what was not measured.
	quiet, busy, harried *gaps
	// sends and receives are what that took of one processor.
	sends, receives float64
	// received is how many packets the receiver has read, of those that were sent.
	received float64
}

// runStreams measures packet gaps and processor time of aes67d and of others.
func runStreams(ctx context.Context) error {
	var ours performance
	var all crowd
	err := measure(ctx, func(t *runner) {
		program := buildDaemon(t)
		c := newCable(t)
		d := newDaemons(c, program)
		ours = c.compete("aes67d", d, true)
		all = d.crowd()
	})
	if err != nil {
		return err
	}
	competitors := []performance{ours}
	for _, other := range []contender{
		{"GStreamer", newGStreamer, true},
		{"PipeWire", newPipeWire(samplesPerPacket), true},
		{"PipeWire in bursts", newPipeWire(1024), false},
		{"system calls alone", newFloor, false},
	} {
		err := measure(ctx, func(t *runner) {
			c := newCable(t)
			competitors = append(competitors, c.compete(other.name, other.make(c), other.even))
		})
		if err != nil {
			return fmt.Errorf("%s: %w", other.name, err)
		}
	}
	progress("")
	printStreams(competitors, all)
	return nil
}

// compete measures one contender.
func (c *cable) compete(name string, one talker, even bool) performance {
	p := performance{name: name, even: even}
	progress(name + ": begin to send")
	sender := one.send()
	c.settle()
	progress(name + ": packet gaps")
	p.quiet = c.capture(window)
	if even {
		progress(name + ": packet gaps beside busy programs")
		stop := startHogs(c.t)
		p.busy = c.capture(window)
		stop()
	}
	if d, ok := one.(*daemons); ok {
		progress(name + ": packet gaps beside REST clients")
		stop := d.harry()
		p.harried = c.capture(window)
		stop()
	}
	progress(name + ": begin to receive")
	receiver := one.receive()
	c.settle()
	progress(name + ": processor time")
	read, began := c.datagrams(), time.Now()
	share := processorShare(c.t, window, sender, receiver)
	p.received = float64(c.datagrams()-read) / (streams * packetsPerSecond * time.Since(began).Seconds())
	p.sends, p.receives = share[0], share[1]
	return p
}

// both is the processor time for 64 channels sent and received.
func (p performance) both() float64 { return p.sends + p.receives }

func printStreams(all []performance, crowd crowd) {
	ours := all[0]
	rows := []row{
		{"packet gap, p99", ms(ours.quiet.quantile(0.99)), 1.10, "ms"},
		{"packet gap, p99.9", ms(ours.quiet.quantile(0.999)), 1.5, "ms"},
		{"packets back to back", 100 * ours.quiet.backToBack(), 0.1, "%"},
		{"packet gap beside busy programs, p99", ms(ours.busy.quantile(0.99)), 1.10, "ms"},
		{"packet gap beside busy programs, p99.9", ms(ours.busy.quantile(0.999)), 1.5, "ms"},
		{"packet gap beside REST clients, p99", ms(ours.harried.quantile(0.99)), 1.10, "ms"},
		{"packet gap beside REST clients, p99.9", ms(ours.harried.quantile(0.999)), 1.5, "ms"},
	}
	for _, p := range all[1:] {
		if p.even {
			rows = append(rows, row{"processor time, to that of " + p.name, ours.both() / p.both(), 0.5, ""})
		}
	}
	print(rows)

	fmt.Printf("\n%d streams of %d channels in packets of 1 ms, %v each\n", streams, channels, window)
	fmt.Printf("  %-38s %8s %8s %8s %8s %8s %9s\n", "gap between packets of a stream, ms", "p50", "p99", "p99.9", "max", "< 0.1 ms", "packets/s")
	for _, p := range all {
		p.quiet.print(p.name)
		p.busy.print(p.name + ", busy programs")
		p.harried.print(p.name + ", REST clients")
	}
	fmt.Printf("  %-38s %8s %8.2f %8s %8.2f %7.2f%%\n", "Dante hardware, as measured elsewhere", "", 1.64, "", 4.2, 0.3)
	fmt.Printf("  %-38s %8s %8s %8s %8s %8s\n", "processor time, % of one", "sends", "receives", "both", "ratio", "received")
	for _, p := range all {
		fmt.Printf("  %-38s %8.1f %8.1f %8.1f %8.2f %7.2f%%\n", p.name, 100*p.sends, 100*p.receives, 100*p.both(), ours.both()/p.both(), 100*p.received)
	}
	crowd.print()
}
