// Package linklocal chooses and keeps an IPv4 link-local address (RFC 3927), the
// one a host has when nobody hands it any: two boxes and a cable suffice.
//
// The choice is pseudo-random and seeded by the hardware address (§2.1), so a box
// comes back to its address after a reboot as long as nobody else took it.
package linklocal

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"aes67os/init/network/acd"
	"aes67os/init/network/arp"
)

// Prefix is the block of link-local addresses. The first and the last 256 of it
// are reserved (RFC 3927 §2.1).
var Prefix = netip.MustParsePrefix("169.254.0.0/16")

const (
	first = 169<<24 | 254<<16 | 1<<8         // 169.254.1.0
	last  = 169<<24 | 254<<16 | 254<<8 | 255 // 169.254.254.255
)

// Candidates is the endless sequence of addresses a host tries.
type Candidates struct {
	rand *rand.Rand
}

// NewCandidates returns the sequence of the host with that hardware address.
func NewCandidates(mac arp.MAC) *Candidates {
	var seed [8]byte
	copy(seed[:], mac[:])
	return &Candidates{rand: rand.New(rand.NewPCG(binary.BigEndian.Uint64(seed[:]), 3927))}
}

// Next returns an address from 169.254.1.0 to 169.254.254.255.
func (c *Candidates) Next() netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], first+c.rand.Uint32N(last-first+1))
	return netip.AddrFrom4(b)
}

// Handler is told of the address. Its methods are called by Run's goroutine.
type Handler interface {
	// Claimed tells that addr is ours: configure it now.
	Claimed(addr netip.Addr)
	// Lost tells that addr was claimed and another host has it: remove it.
	Lost(addr netip.Addr, why *acd.Conflict)
}

// Claimer claims addresses. All fields are to be set, but Prefer.
type Claimer struct {
	Detector *acd.Detector
	MAC      arp.MAC
	Timings  acd.Timings
	Handler  Handler
	// Prefer is tried first when it is valid: the address the host had before.
	Prefer netip.Addr
}

// Run claims an address, defends it, and claims another one when it must give it
// up (RFC 3927 §2.5), until ctx ends or the wire fails, whose error it returns. The
// address is then the caller's to remove.
func (c *Claimer) Run(ctx context.Context) error {
	candidates := NewCandidates(c.MAC)
	addr := c.Prefer
	if !addr.IsValid() {
		addr = candidates.Next()
	}
	for conflicts := 0; ; addr = candidates.Next() {
		err := c.claim(ctx, addr)
		var conflict *acd.Conflict
		if !errors.As(err, &conflict) {
			return err
		}
		conflicts++
		if conflicts < c.Timings.MaxConflicts {
			continue
		}
		// Somebody answers to everything; do not flood the segment (RFC 3927 §2.2.1).
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(c.Timings.RateLimit):
		}
	}
}

// claim probes for addr and holds it for as long as it can.
func (c *Claimer) claim(ctx context.Context, addr netip.Addr) error {
	if err := c.Detector.Probe(ctx, addr); err != nil {
		return err
	}
	c.Handler.Claimed(addr)
	err := c.Detector.Hold(ctx, addr)
	var conflict *acd.Conflict
	if errors.As(err, &conflict) {
		c.Handler.Lost(addr, conflict)
	}
	return err
}
