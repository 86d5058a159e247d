// Package dhcp keeps an IPv4 address from a DHCP server (RFC 2131): it gets one,
// extends it in time, confirms it when the cable comes back, and starts anew when
// it is refused or over.
//
// The messages and their exchange are insomniacslk/dhcp's; the states and their
// timers are here, because that library's renewal is always broadcast, never turns
// to other servers (T2), and retries without the randomness of RFC 2131 §4.1. Its
// client stops listening after a single read error, so every transmission
// gets a client and a socket of its own.
//
// No RELEASE is sent at the end: a box that reboots is to find its address again.
package dhcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
)

// Why an address is lost; see Handler.
var (
	// ErrExpired: no server extended the lease in time.
	ErrExpired = errors.New("the lease is over")
	// ErrRefused: a server said that the address is not ours (DHCPNAK).
	ErrRefused = errors.New("the server refused the address")
)

// Timings are the waits between transmissions.
type Timings struct {
	// FirstRetry is the wait after the first transmission; every next one is twice
	// the one before, up to MaxRetry, each a quarter more or less at random. RFC 2131
	// §4.1 proposes 4 s for 10 Mbit/s Ethernet and leaves it to what the network is.
	FirstRetry, MaxRetry time.Duration
	// Tries is how often a REQUEST is sent until there is a new DISCOVER.
	Tries int
	// MinExtend is the least wait from one attempt to extend to the next (RFC 2131 §4.4.5).
	MinExtend time.Duration
}

// DefaultTimings suit switched Ethernet.
func DefaultTimings() Timings {
	return Timings{
		FirstRetry: 2 * time.Second,
		MaxRetry:   64 * time.Second,
		Tries:      3,
		MinExtend:  60 * time.Second,
	}
}

// Handler is told of the lease. Its methods are called by Run's goroutine.
type Handler interface {
	// Bound tells of a lease that is new, confirmed or extended: configure it.
	Bound(*Lease)
	// Lost tells that the lease last bound, or the one given to Run, must not be used
	// any more: remove its address. The reason wraps ErrExpired or ErrRefused.
	Lost(reason error)
}

// Client is a DHCP client on one interface. All fields but Hostname are to be set.
type Client struct {
	HardwareAddr net.HardwareAddr
	// Hostname is what the server may enter into its DNS.
	Hostname string
	Sockets  Sockets
	Timings  Timings
	Handler  Handler
	// Log gets the details of the protocol, at levels below Info, and odd answers.
	Log *slog.Logger
}

// Run gets and keeps a lease until ctx ends. The carrier has to be there; when it
// is lost, end ctx and give the last lease to the next Run as held, so that it is
// confirmed (INIT-REBOOT). With nil the first message is a DISCOVER, sent at once.
func (c *Client) Run(ctx context.Context, held *Lease) {
	var hint netip.Addr
	if held != nil {
		hint = held.Address.Addr()
		held = c.confirm(ctx, held)
	}
	for ctx.Err() == nil {
		if held == nil {
			held = c.acquire(ctx, hint)
		}
		if held == nil {
			return
		}
		hint = held.Address.Addr()
		c.Handler.Bound(held)
		held = c.hold(ctx, held)
	}
}

// confirm asks whether held may be used on. When nobody answers it may, for the
// rest of its time (RFC 2131 §3.2 step 3), while other servers are looked for. It
// returns the confirmed or another lease, or nil if there is none (any more).
func (c *Client) confirm(ctx context.Context, held *Lease) *Lease {
	valid, cancel := withExpiry(ctx, held)
	defer cancel()
	t := begin()
	lease, err := c.request(valid, t, c.rebooting, held)
	if errors.Is(err, ErrRefused) {
		c.Handler.Lost(err)
		return nil
	}
	if err == nil {
		return lease
	}
	lease = c.acquire(valid, held.Address.Addr())
	if lease == nil && ctx.Err() == nil {
		c.Handler.Lost(ErrExpired)
	}
	return lease
}

// acquire goes through DISCOVER, OFFER, REQUEST and ACK as often as it takes; it
// returns nil when ctx ends.
func (c *Client) acquire(ctx context.Context, hint netip.Addr) *Lease {
	pause := c.backoff()
	for ctx.Err() == nil {
		t := begin()
		var offer *Lease
		for offer == nil && ctx.Err() == nil {
			c.send(ctx, c.Sockets.Packet, toAll(), c.discover(t, hint), pause(), func(m *dhcpv4.DHCPv4) bool {
				offer = c.readOffer(m, t)
				return offer != nil
			})
		}
		if offer == nil {
			return nil
		}
		lease, err := c.request(ctx, t, c.selecting, offer)
		if err == nil {
			return lease
		}
		if ctx.Err() != nil {
			return nil
		}
		// A server that offers and refuses would do so again at once.
		c.Log.Warn("dhcp: offer came to nothing", "address", offer.Address, "server", offer.Server, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause()):
		}
	}
	return nil
}

// readOffer returns nil for what is no acceptable offer.
func (c *Client) readOffer(m *dhcpv4.DHCPv4, t transaction) *Lease {
	if m.MessageType() != dhcpv4.MessageTypeOffer {
		return nil
	}
	offer, err := ParseLease(m, t.start)
	if err == nil && !isHost(offer.Server) {
		err = fmt.Errorf("%w: no server identifier", ErrBadAnswer)
	}
	if err != nil {
		c.Log.Warn("dhcp: ignored an offer", "error", err)
		return nil
	}
	return offer
}

// request sends a REQUEST until it is answered, at most Timings.Tries times. The
// error wraps ErrRefused or says that there was no answer.
func (c *Client) request(ctx context.Context, t transaction, build func(transaction, *Lease) *dhcpv4.DHCPv4, want *Lease) (*Lease, error) {
	pause := c.backoff()
	for range c.Timings.Tries {
		lease, err := c.ask(ctx, c.Sockets.Packet, toAll(), build(t, want), pause(), want)
		if lease != nil || err != nil {
			return lease, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, errors.New("no answer to the request")
}

// hold keeps lease: it asks its server for more time from T1 on, all servers from
// T2 on (RFC 2131 §4.4.5), and tells the handler of every extension. It returns nil
// when the lease is lost or ctx ends, or the lease of another address, when that is
// what the server answers.
func (c *Client) hold(ctx context.Context, lease *Lease) *Lease {
	for {
		expires, ends := lease.Expires()
		if !ends {
			<-ctx.Done()
			return nil
		}
		next, err := c.extend(ctx, lease, expires)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			c.Handler.Lost(err)
			return nil
		case next.Address != lease.Address:
			return next
		}
		lease = next
		c.Handler.Bound(lease)
	}
}

// extend waits for T1, then asks until the lease is extended, refused or over.
func (c *Client) extend(ctx context.Context, lease *Lease, expires time.Time) (*Lease, error) {
	if !sleepUntil(ctx, lease.Start.Add(lease.Renew)) {
		return nil, ctx.Err()
	}
	rebind := lease.Start.Add(lease.Rebind)
	t := begin()
	for ctx.Err() == nil {
		to, until := &net.UDPAddr{IP: lease.Server.AsSlice(), Port: dhcpv4.ServerPort}, rebind
		if !time.Now().Before(rebind) || !lease.Server.IsValid() {
			to, until = toAll(), expires
		}
		left := time.Until(until)
		if left <= 0 {
			if until.Equal(expires) {
				return nil, ErrExpired
			}
			continue
		}
		wait := min(left, max(left/2, c.Timings.MinExtend))
		next, err := c.ask(ctx, c.Sockets.UDP, to, c.extending(t, lease), wait, lease)
		if next != nil || err != nil {
			return next, err
		}
	}
	return nil, ctx.Err()
}

// ask sends a REQUEST once and waits for the answer. Both results are nil when there
// is none in time. The error wraps ErrRefused.
func (c *Client) ask(ctx context.Context, open func() (net.PacketConn, error), to *net.UDPAddr, m *dhcpv4.DHCPv4, wait time.Duration, want *Lease) (*Lease, error) {
	sent := time.Now()
	var lease *Lease
	answer := c.send(ctx, open, to, m, wait, func(a *dhcpv4.DHCPv4) bool {
		// A request that names a server is for that one to answer; others that do are
		// not heard. Answers without a server identifier are taken as the right one's.
		server := toAddr(a.ServerIdentifier())
		if m.ServerIdentifier() != nil && server.IsValid() && server != want.Server {
			return false
		}
		switch a.MessageType() {
		case dhcpv4.MessageTypeNak:
			return true
		case dhcpv4.MessageTypeAck:
			l, err := ParseLease(a, sent)
			if err != nil {
				c.Log.Warn("dhcp: ignored an acknowledgement", "error", err)
				return false
			}
			l.inherit(want, a)
			lease = l
			return true
		}
		return false
	})
	if answer != nil && lease == nil {
		return nil, fmt.Errorf("%w %s: %q", ErrRefused, want.Address.Addr(), answer.Message())
	}
	return lease, nil
}

// send sends m once and waits for the first answer that match accepts, or nil.
// After an error the time is waited out as well, so that callers need not slow down.
func (c *Client) send(ctx context.Context, open func() (net.PacketConn, error), to *net.UDPAddr, m *dhcpv4.DHCPv4, wait time.Duration, match nclient4.Matcher) *dhcpv4.DHCPv4 {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	answer, err := c.exchange(ctx, open, to, m, wait, match)
	if err == nil {
		c.Log.Debug("dhcp: received", "message", answer.MessageType(), "server", answer.ServerIdentifier())
		return answer
	}
	if !errors.Is(err, nclient4.ErrNoResponse) && ctx.Err() == nil {
		c.Log.Debug("dhcp: cannot send", "error", err)
	}
	<-ctx.Done()
	return nil
}

func (c *Client) exchange(ctx context.Context, open func() (net.PacketConn, error), to *net.UDPAddr, m *dhcpv4.DHCPv4, wait time.Duration, match nclient4.Matcher) (*dhcpv4.DHCPv4, error) {
	conn, err := open()
	if err != nil {
		return nil, err
	}
	client, err := nclient4.NewWithConn(conn, c.HardwareAddr, nclient4.WithTimeout(wait), nclient4.WithRetry(1))
	if err != nil {
		conn.Close()
		return nil, err
	}
	defer client.Close()
	c.Log.Debug("dhcp: sending", "message", m.MessageType(), "to", to)
	return client.SendAndRead(ctx, to, m, match)
}

// backoff returns a function whose results are the waits after successive transmissions.
func (c *Client) backoff() func() time.Duration {
	next := c.Timings.FirstRetry
	return func() time.Duration {
		wait := next*3/4 + rand.N(next/2+1)
		next = min(2*next, c.Timings.MaxRetry)
		return wait
	}
}

func toAll() *net.UDPAddr {
	return &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ServerPort}
}

func withExpiry(ctx context.Context, l *Lease) (context.Context, context.CancelFunc) {
	if expires, ends := l.Expires(); ends {
		return context.WithDeadline(ctx, expires)
	}
	return context.WithCancel(ctx)
}

// sleepUntil reports whether it slept until t, rather than until ctx ended.
func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
