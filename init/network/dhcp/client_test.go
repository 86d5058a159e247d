package dhcp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/init/network/dhcp"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

var mac = net.HardwareAddr{2, 0, 0, 0, 0, 1}

// segment is a network in memory with a scripted server. It writes down, with the
// time in seconds, what the client sends and what the handler is told.
type segment struct {
	start time.Time
	// answer is given every message; what it returns reaches the client at once.
	answer func(*dhcpv4.DHCPv4) []*dhcpv4.DHCPv4
	lines  []string
	// opens is when sockets begin to work.
	opens time.Duration
	last  *dhcp.Lease
}

func (s *segment) add(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf("%.1f ", time.Since(s.start).Seconds())+fmt.Sprintf(format, args...))
}

func (s *segment) Packet() (net.PacketConn, error) { return s.open("broadcast") }
func (s *segment) UDP() (net.PacketConn, error)    { return s.open("udp") }

func (s *segment) open(kind string) (net.PacketConn, error) {
	if time.Since(s.start) < s.opens {
		return nil, errors.New("network is down")
	}
	return &conn{segment: s, kind: kind, in: make(chan []byte, 10), closed: make(chan struct{})}, nil
}

func (s *segment) Bound(l *dhcp.Lease) {
	s.last = l
	s.add("bound %s of %s", l.Address, l.Server)
}

func (s *segment) Lost(reason error) { s.add("lost: %v", reason) }

// conn is one socket. Methods that are not used are the nil interface's.
type conn struct {
	net.PacketConn
	segment *segment
	kind    string
	in      chan []byte
	closed  chan struct{}
}

func (c *conn) WriteTo(b []byte, to net.Addr) (int, error) {
	m, err := dhcpv4.FromBytes(b)
	if err != nil {
		return 0, err
	}
	text := fmt.Sprintf("%s to %s: %s", c.kind, to, m.MessageType())
	for _, detail := range []struct {
		name string
		ip   net.IP
	}{
		{"client", m.ClientIPAddr}, {"requested", m.RequestedIPAddress()}, {"server", m.ServerIdentifier()},
	} {
		if detail.ip != nil && !detail.ip.IsUnspecified() {
			text += fmt.Sprintf(" %s=%s", detail.name, detail.ip)
		}
	}
	c.segment.add("%s", text)
	for _, reply := range c.segment.answer(m) {
		reply.TransactionID = m.TransactionID
		c.in <- reply.ToBytes()
	}
	return len(b), nil
}

func (c *conn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-c.in:
		return copy(b, p), &net.UDPAddr{}, nil
	case <-c.closed:
		return 0, nil, os.ErrClosed
	}
}

func (c *conn) Close() error {
	close(c.closed)
	return nil
}

type replies = []*dhcpv4.DHCPv4

// gives answers like a server that works, with changes to what it says.
func gives(more ...dhcpv4.Modifier) func(*dhcpv4.DHCPv4) replies {
	return func(m *dhcpv4.DHCPv4) replies {
		r := ack(more...)
		if m.MessageType() == dhcpv4.MessageTypeDiscover {
			r.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageTypeOffer))
		}
		return replies{r}
	}
}

func silent(*dhcpv4.DHCPv4) replies { return nil }

func nak(m *dhcpv4.DHCPv4) replies {
	if m.MessageType() != dhcpv4.MessageTypeRequest {
		return nil
	}
	return replies{ack(dhcpv4.WithMessageType(dhcpv4.MessageTypeNak), dhcpv4.WithYourIP(nil))}
}

// after changes from one behaviour to the next once so many messages were answered.
func after(n int, first, then func(*dhcpv4.DHCPv4) replies) func(*dhcpv4.DHCPv4) replies {
	return func(m *dhcpv4.DHCPv4) replies {
		if n--; n >= 0 {
			return first(m)
		}
		return then(m)
	}
}

// seconds lets a lease be short.
func seconds(n uint32) dhcpv4.Modifier { return dhcpv4.WithLeaseTime(n) }

func address(text string) dhcpv4.Modifier { return dhcpv4.WithYourIP(ip(text)) }

// run runs a client for a time and returns what happened.
func run(t *testing.T, s *segment, held *dhcp.Lease, length time.Duration) []string {
	t.Helper()
	s.start = time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	c := &dhcp.Client{
		HardwareAddr: mac, Hostname: "aes67-000001", Sockets: s, Handler: s,
		Timings: dhcp.DefaultTimings(), Log: slog.New(slog.DiscardHandler),
	}
	c.Run(ctx, held)
	return s.lines
}

const (
	discover       = "broadcast to 255.255.255.255:67: DISCOVER"
	discoverAgain  = discover + " requested=192.0.2.10"
	selecting      = "broadcast to 255.255.255.255:67: REQUEST requested=192.0.2.10 server=192.0.2.1"
	rebooting      = "broadcast to 255.255.255.255:67: REQUEST requested=192.0.2.10"
	renewing       = "udp to 192.0.2.1:67: REQUEST client=192.0.2.10"
	rebinding      = "udp to 255.255.255.255:67: REQUEST client=192.0.2.10"
	bound          = "bound 192.0.2.10/24 of 192.0.2.1"
	lostByTime     = "lost: the lease is over"
	lostByRefusing = `lost: the server refused the address 192.0.2.10: ""`
)

// The states of RFC 2131 figure 5, with their timers. Nothing random is in the times
// given here; those with randomness are in TestBackoff.
func TestStates(t *testing.T) {
	other := dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ip("192.0.2.2")))
	for _, tt := range []struct {
		name   string
		answer func(*dhcpv4.DHCPv4) replies
		held   bool // begins with a lease of 1000 s
		length time.Duration
		want   []string
	}{
		{
			name: "new lease", answer: gives(), length: time.Minute,
			want: []string{"0.0 " + discover, "0.0 " + selecting, "0.0 " + bound},
		},
		{
			name: "renewed at T1", answer: gives(seconds(1000)), length: 1100 * time.Second,
			want: []string{
				"0.0 " + discover, "0.0 " + selecting, "0.0 " + bound,
				"500.0 " + renewing, "500.0 " + bound, "1000.0 " + renewing, "1000.0 " + bound,
			},
		},
		{
			name: "a lease for ever is not renewed", answer: gives(seconds(0xffffffff)), length: 10000 * time.Hour,
			want: []string{"0.0 " + discover, "0.0 " + selecting, "0.0 " + bound},
		},
		{
			// Half of the time left, at least 60 s: RFC 2131 §4.4.5.
			name: "renews, rebinds, expires", answer: after(2, gives(seconds(1000)), silent), length: 1001 * time.Second,
			want: []string{
				"0.0 " + discover, "0.0 " + selecting, "0.0 " + bound,
				"500.0 " + renewing, "687.5 " + renewing, "781.2 " + renewing, "841.2 " + renewing,
				"875.0 " + rebinding, "937.5 " + rebinding, "997.5 " + rebinding,
				"1000.0 " + lostByTime, "1000.0 " + discoverAgain,
			},
		},
		{
			name:   "another server answers the rebinding",
			answer: after(6, after(2, gives(seconds(1000)), silent), gives(seconds(1000), other)), length: 900 * time.Second,
			want: []string{
				"0.0 " + discover, "0.0 " + selecting, "0.0 " + bound,
				"500.0 " + renewing, "687.5 " + renewing, "781.2 " + renewing, "841.2 " + renewing,
				"875.0 " + rebinding, "875.0 bound 192.0.2.10/24 of 192.0.2.2",
			},
		},
		{
			name: "renewal refused", answer: after(3, after(2, gives(seconds(1000)), nak), gives(seconds(5000))), length: 600 * time.Second,
			want: []string{
				"0.0 " + discover, "0.0 " + selecting, "0.0 " + bound,
				"500.0 " + renewing, "500.0 " + lostByRefusing,
				"500.0 " + discoverAgain, "500.0 " + selecting, "500.0 " + bound,
			},
		},
		{
			name: "renewal changes the address", answer: after(2, gives(seconds(1000)), gives(seconds(5000), address("192.0.2.11"))),
			length: 600 * time.Second,
			want: []string{
				"0.0 " + discover, "0.0 " + selecting, "0.0 " + bound,
				"500.0 " + renewing, "500.0 bound 192.0.2.11/24 of 192.0.2.1",
			},
		},
		{
			name: "unusable offers are passed over", length: time.Second,
			answer: func(m *dhcpv4.DHCPv4) replies {
				good := gives()(m)
				if m.MessageType() != dhcpv4.MessageTypeDiscover {
					return good
				}
				bad := gives(address("127.0.0.1"))(m)
				anonymous := gives(dhcpv4.WithoutOption(dhcpv4.OptionServerIdentifier), address("192.0.2.66"))(m)
				return append(append(bad, anonymous...), good...)
			},
			want: []string{"0.0 " + discover, "0.0 " + selecting, "0.0 " + bound},
		},
		{
			name: "only the server that was asked is heard", length: time.Second,
			answer: func(m *dhcpv4.DHCPv4) replies {
				if m.MessageType() == dhcpv4.MessageTypeRequest {
					refusal := ack(dhcpv4.WithMessageType(dhcpv4.MessageTypeNak), other)
					return append(replies{refusal}, gives()(m)...)
				}
				return gives()(m)
			},
			want: []string{"0.0 " + discover, "0.0 " + selecting, "0.0 " + bound},
		},
		{
			name: "confirmed", held: true, answer: gives(), length: time.Minute,
			want: []string{"0.0 " + rebooting, "0.0 " + bound},
		},
		{
			name: "refused", held: true, answer: after(1, nak, gives()), length: time.Minute,
			want: []string{
				"0.0 " + rebooting, "0.0 " + lostByRefusing,
				"0.0 " + discoverAgain, "0.0 " + selecting, "0.0 " + bound,
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &segment{answer: tt.answer}
				got := run(t, s, held(t, tt.held), tt.length)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func held(t *testing.T, yes bool) *dhcp.Lease {
	t.Helper()
	if !yes {
		return nil
	}
	l, err := dhcp.ParseLease(ack(seconds(1000)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Nobody answers after the cable was plugged in: the lease is used on and lost only
// when it is over (RFC 2131 §3.2).
func TestUnconfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &segment{answer: silent}
		lines := run(t, s, held(t, true), 1001*time.Second)
		var requests, discovers, lost int
		for _, l := range lines {
			at, what, _ := strings.Cut(l, " ")
			switch what {
			case rebooting:
				requests++
			case discoverAgain:
				discovers++
			case lostByTime:
				lost++
				if at != "1000.0" {
					t.Errorf("lost at %s s, want 1000.0", at)
				}
			default:
				t.Errorf("unexpected: %s", l)
			}
		}
		if requests != 3 || discovers < 10 || lost != 1 {
			t.Errorf("%d requests, %d discovers, lost %d times: want 3, more than 10 and 1", requests, discovers, lost)
		}
	})
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &segment{answer: silent}
		var times []time.Duration
		s.answer = func(*dhcpv4.DHCPv4) replies {
			times = append(times, time.Since(s.start))
			return nil
		}
		run(t, s, nil, time.Hour)
		if times[0] != 0 {
			t.Errorf("the first message left after %v, want at once", times[0])
		}
		want := 2 * time.Second
		for i := range len(times) - 1 {
			gap := times[i+1] - times[i]
			if gap < want*3/4 || gap > want*5/4 {
				t.Errorf("wait %d is %v, want %v and a quarter more or less", i, gap, want)
			}
			want = min(2*want, 64*time.Second)
		}
	})
}

// A server that offers but then refuses must not be asked without a pause.
func TestRefusedOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &segment{answer: func(m *dhcpv4.DHCPv4) replies {
			if m.MessageType() == dhcpv4.MessageTypeDiscover {
				return gives()(m)
			}
			return nak(m)
		}}
		lines := run(t, s, nil, time.Hour)
		if n := len(lines); n < 20 || n > 200 {
			t.Errorf("%d messages in an hour", n)
		}
	})
}

// A socket that cannot be opened is tried again, slowly.
func TestNoSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &segment{answer: gives(), opens: time.Minute}
		lines := run(t, s, nil, 3*time.Minute)
		if len(lines) != 3 || !strings.HasSuffix(lines[2], bound) {
			t.Errorf("got %q, want one exchange", lines)
		}
	})
}

// Some servers answer a renewal with the new times alone.
func TestTerseRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		terse := func(*dhcpv4.DHCPv4) replies {
			return replies{ack(seconds(1000), dhcpv4.WithoutOption(dhcpv4.OptionSubnetMask), dhcpv4.WithoutOption(dhcpv4.OptionServerIdentifier))}
		}
		full := gives(seconds(1000), dhcpv4.WithNetmask(net.CIDRMask(25, 32)), dhcpv4.WithRouter(ip("192.0.2.1")), dhcpv4.WithDNS(ip("192.0.2.53")))
		s := &segment{answer: after(2, full, terse)}
		run(t, s, nil, time.Second)
		first := *s.last
		s = &segment{answer: after(2, full, terse)}
		run(t, s, nil, 600*time.Second)
		if !s.last.Start.After(first.Start) {
			t.Fatal("not renewed")
		}
		got := *s.last
		got.Start = first.Start
		if diff := cmp.Diff(first, got, addrs); diff != "" {
			t.Errorf("the renewed lease (-first +renewed):\n%s", diff)
		}
	})
}

// What the client says of itself is in every message (RFC 2131 table 5).
func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &segment{}
		n := 0
		s.answer = func(m *dhcpv4.DHCPv4) replies {
			n++
			if got := m.HostName(); got != "aes67-000001" {
				t.Errorf("%s: host name %q", m.MessageType(), got)
			}
			if diff := cmp.Diff(append([]byte{1}, mac...), m.Options.Get(dhcpv4.OptionClientIdentifier)); diff != "" {
				t.Errorf("%s: client identifier (-want +got):\n%s", m.MessageType(), diff)
			}
			want := []byte{1, 3, 6, 12, 15, 26, 28, 42, 51, 54, 58, 59, 121}
			if diff := cmp.Diff(want, m.Options.Get(dhcpv4.OptionParameterRequestList)); diff != "" {
				t.Errorf("%s: parameter list (-want +got):\n%s", m.MessageType(), diff)
			}
			if m.IsBroadcast() {
				t.Errorf("%s: asks for broadcast answers, though unicast ones arrive", m.MessageType())
			}
			return gives(seconds(1000))(m)
		}
		run(t, s, nil, 600*time.Second)
		if n != 3 {
			t.Errorf("%d messages, want DISCOVER, REQUEST and a renewal", n)
		}
	})
}
