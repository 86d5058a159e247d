// Package acd is IPv4 address conflict detection (RFC 5227): it finds out whether
// an address is in use on the segment before it is taken, tells everybody once it
// is, and defends it.
//
// IPv4 link-local addressing (RFC 3927) is the same procedure with addresses of
// its own choosing, and package linklocal is just that choice. Static and DHCP
// addresses use this package for the warning alone.
//
// The kernel answers requests and probes for addresses it has; nothing here does.
package acd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"aes67os/init/network/arp"
)

// Timings are the constants of RFC 5227 §1.1, which RFC 3927 §9 has too.
type Timings struct {
	ProbeWait        time.Duration // longest random delay before the first probe
	ProbeNum         int           // probes sent
	ProbeMin         time.Duration // least time from probe to probe
	ProbeMax         time.Duration // most time from probe to probe
	AnnounceWait     time.Duration // from the last probe until the address is ours
	AnnounceNum      int           // announcements sent
	AnnounceInterval time.Duration // from announcement to announcement
	MaxConflicts     int           // conflicts before attempts are spaced by RateLimit
	RateLimit        time.Duration // between attempts after MaxConflicts
	DefendInterval   time.Duration // two conflicts closer than this are not defended against
}

// DefaultTimings returns the values of the RFCs.
func DefaultTimings() Timings {
	return Timings{
		ProbeWait:        time.Second,
		ProbeNum:         3,
		ProbeMin:         time.Second,
		ProbeMax:         2 * time.Second,
		AnnounceWait:     2 * time.Second,
		AnnounceNum:      2,
		AnnounceInterval: 2 * time.Second,
		MaxConflicts:     10,
		RateLimit:        60 * time.Second,
		DefendInterval:   10 * time.Second,
	}
}

// Wire carries ARP packets; *arp.Conn is one. Close ends a pending Receive.
type Wire interface {
	Send(arp.Packet) error
	Receive() (arp.Packet, error)
	Close() error
}

// Conflict is the error that another host uses the address.
type Conflict struct {
	Address netip.Addr
	// MAC is the other host's.
	MAC arp.MAC
}

// Error says who uses what.
func (c *Conflict) Error() string {
	return fmt.Sprintf("%s is used by %s", c.Address, c.MAC)
}

// Detector detects conflicts on one wire. Its methods are to be called one at a time.
type Detector struct {
	wire    Wire
	mac     arp.MAC
	timings Timings

	packets chan arp.Packet
	// err is why packets was closed; read it only after that.
	err  error
	done chan struct{}
	read sync.WaitGroup
}

// New returns a detector for a host whose hardware address is mac. It owns wire:
// call Close when done.
func New(wire Wire, mac arp.MAC, timings Timings) *Detector {
	d := &Detector{
		wire: wire, mac: mac, timings: timings,
		packets: make(chan arp.Packet), done: make(chan struct{}),
	}
	d.read.Go(d.receive)
	return d
}

// Close closes the wire.
func (d *Detector) Close() error {
	close(d.done)
	err := d.wire.Close()
	d.read.Wait()
	return err
}

func (d *Detector) receive() {
	defer close(d.packets)
	for {
		p, err := d.wire.Receive()
		if err != nil {
			d.err = err
			return
		}
		select {
		case d.packets <- p:
		case <-d.done:
			d.err = context.Canceled
			return
		}
	}
}

// Probe finds out whether addr is free (RFC 5227 §2.1.1). It takes 4 to 7 s with
// the RFC's timings. The error is a *Conflict, the wire's, or ctx's.
func (d *Detector) Probe(ctx context.Context, addr netip.Addr) error {
	if err := d.listen(ctx, addr, between(0, d.timings.ProbeWait)); err != nil {
		return err
	}
	for left := d.timings.ProbeNum; left > 0; left-- {
		if err := d.wire.Send(arp.Probe(d.mac, addr)); err != nil {
			return err
		}
		wait := d.timings.AnnounceWait
		if left > 1 {
			wait = between(d.timings.ProbeMin, d.timings.ProbeMax)
		}
		if err := d.listen(ctx, addr, wait); err != nil {
			return err
		}
	}
	return nil
}

// listen waits for a time and returns early with the first conflict of a probe.
func (d *Detector) listen(ctx context.Context, addr netip.Addr, wait time.Duration) error {
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			return nil
		case p, ok := <-d.packets:
			if !ok {
				return d.err
			}
			// Two hosts may probe for one address at the same time: both must yield.
			rival := p.SenderIP.IsUnspecified() && p.Operation == arp.Request && p.TargetIP == addr
			if p.SenderMAC != d.mac && (p.SenderIP == addr || rival) {
				return &Conflict{Address: addr, MAC: p.SenderMAC}
			}
		}
	}
}

// Hold announces addr (RFC 5227 §2.3) and watches over it: one conflict is answered
// by an announcement, a second within DefendInterval ends Hold with a *Conflict
// (§2.4 b). Otherwise Hold returns only with the wire's error or ctx's.
func (d *Detector) Hold(ctx context.Context, addr netip.Addr) error {
	announcement := arp.Announcement(d.mac, addr)
	left := d.timings.AnnounceNum
	announce := time.NewTimer(0)
	defer announce.Stop()
	var last time.Time // of a conflict; zero before the first
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-announce.C:
			if left == 0 {
				continue
			}
			if err := d.wire.Send(announcement); err != nil {
				return err
			}
			left--
			announce.Reset(d.timings.AnnounceInterval)
		case p, ok := <-d.packets:
			if !ok {
				return d.err
			}
			if p.SenderMAC == d.mac || p.SenderIP != addr {
				continue
			}
			if !last.IsZero() && time.Since(last) < d.timings.DefendInterval {
				return &Conflict{Address: addr, MAC: p.SenderMAC}
			}
			last = time.Now()
			if err := d.wire.Send(announcement); err != nil {
				return err
			}
		}
	}
}

// between draws a time uniformly from low to high.
func between(low, high time.Duration) time.Duration {
	return low + rand.N(high-low+1)
}
