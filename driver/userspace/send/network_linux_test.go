package send

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"
	"aes67os/driver/userspace/rtp"
	"aes67os/test/netns"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// These tests use real sockets in network namespaces that they make, and so need root.

// startIn runs a sender in a namespace until the test ends.
func startIn(t *testing.T, in *netns.Namespace, log *slog.Logger, interfaces ...string) *Sender {
	t.Helper()
	clock := &media.Clock{}
	clock.Set(&media.Mapping{Local: media.Now(), PTP: ptpStart, Rate: 1})
	s := New(clock, log)
	index := map[string]int32{}
	for _, name := range interfaces {
		if index[name] = absent; name != "gone" {
			index[name] = int32(in.Index(name))
		}
	}
	// It looks for them on threads of the host's namespace.
	s.host.find = func(name string) int32 { return index[name] }
	ready, done := make(chan struct{}), make(chan error)
	s.Ready = func() { close(ready) }
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- s.Run(ctx, interfaces, 48000, ring.New(driver.MaxChannels, 1<<13), nil) }()
	<-ready
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v; want nil", err)
		}
	})
	return s
}

// addIn adds a source, whose sockets are in the namespace.
func addIn(in *netns.Namespace, s *Sender, st driver.Stream) (source *Source) {
	in.Do(func() (err error) {
		source, err = s.Add(st)
		return err
	})
	return source
}

// TestOnTheWire checks how packets look that come out of two cables.
func TestOnTheWire(t *testing.T) {
	one, two := netns.Pair(t, "10.67.0.1/24", "10.67.0.2/24")
	netns.Cable(netns.End{Namespace: one, Interface: "eth1", Addresses: []string{"10.67.1.1/24"}},
		netns.End{Namespace: two, Interface: "eth1", Addresses: []string{"10.67.1.2/24"}})
	cables := []*capture{newCapture(two, "eth0"), newCapture(two, "eth1")}
	for _, c := range cables {
		defer c.Close()
	}
	for _, test := range []struct {
		name         string
		dscp, ttl    uint8
		port         uint16
		destinations [2]string
		wantTTL      byte
	}{
		{"multicast", 34, 15, 5004, [2]string{"239.1.0.1:5004", "239.1.1.1:5008"}, 15},
		{"multicast as Dante has it", 46, 32, 5004, [2]string{"239.69.0.1:5004", "239.69.0.1:5004"}, 32},
		{"unicast", 0, 64, 6000, [2]string{"10.67.0.2:5004", "10.67.1.2:5004"}, 64},
		{"no hop", 0, 0, 6000, [2]string{"239.1.0.1:5004", "239.1.0.1:5004"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startIn(t, one, slog.New(slog.DiscardHandler), "eth0", "eth1")
			st := stream(1)
			st.DSCP, st.TTL = test.dscp, test.ttl
			for i := range st.Legs {
				st.Legs[i].Destination = netip.MustParseAddrPort(test.destinations[i])
				st.Legs[i].SourcePort = test.port
			}
			addIn(one, s, st)
			var first [2]captured
			for i, cable := range cables {
				for range 5 {
					got := nextOf(t, cable, st)
					if first[i].RTP == nil {
						first[i] = got
					}
					want := captured{
						At: got.At, RTP: got.RTP, From: netip.AddrPortFrom(st.Legs[i].Local, test.port),
						To: st.Legs[i].Destination, TOS: test.dscp << 2, TTL: test.wantTTL,
					}
					if diff := cmp.Diff(want, got, cmp.Comparer(equal)); diff != "" {
						t.Errorf("packet on eth%d (-want +got):\n%s", i, diff)
					}
				}
			}
			if diff := cmp.Diff(first[0].RTP, first[1].RTP); diff != "" {
				t.Errorf("the legs' first packets are not the same (-eth0 +eth1):\n%s", diff)
			}
		})
	}
}

// TestAbsent checks that nothing goes another way when the interface is not there.
func TestAbsent(t *testing.T) {
	one, two := netns.Pair(t, "10.67.0.1/24", "10.67.0.2/24")
	c := newCapture(two, "eth0")
	defer c.Close()
	s := startIn(t, one, slog.New(slog.DiscardHandler), "gone", "eth0")
	lost, sent := single(1), single(2)
	sent.Legs[0].Interface = 1
	source := addIn(one, s, lost)
	addIn(one, s, sent)
	for range 10 {
		if got := nextOf(t, c, sent); got.To != sent.Legs[0].Destination {
			t.Errorf("packet to %v", got.To)
		}
	}
	if got := source.Figures(); got.Errors == 0 || got.Errors < got.Packets {
		t.Errorf("%d of %d packets refused; want all", got.Errors, got.Packets)
	}
}

// nextOf returns the next packet of a stream to a place where it is sent.
func nextOf(t *testing.T, c *capture, st driver.Stream) captured {
	t.Helper()
	for {
		got, err := c.next()
		if err != nil {
			t.Fatalf("no packet of the stream: %v", err)
		}
		h, payload, err := rtp.Parse(got.RTP)
		if err != nil || h.PayloadType != st.PayloadType {
			continue
		}
		if h.SSRC != st.SSRC {
			t.Errorf("packet of SSRC %#x to %v", h.SSRC, got.To)
		}
		for _, leg := range st.Legs {
			if got.To != leg.Destination {
				continue
			}
			if len(payload) != 48*2*3 {
				t.Errorf("payload of %d bytes; want 1 ms of stereo", len(payload))
			}
			return got
		}
	}
}

// TestBesideReceiver checks, on the loopback interface and without rights, that who
// receives at the port from which sources are sent still gets its packets, from this host's
// own source too.
func TestBesideReceiver(t *testing.T) {
	in := netns.New(t)
	group := netip.MustParseAddrPort("239.1.0.1:5004")
	var receiver net.PacketConn
	in.Do(func() (err error) {
		lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
		}}
		if receiver, err = lc.ListenPacket(t.Context(), "udp4", "0.0.0.0:5004"); err != nil {
			return err
		}
		return ipv4.NewPacketConn(receiver).JoinGroup(&net.Interface{Index: 1}, &net.UDPAddr{IP: group.Addr().AsSlice()})
	})
	defer receiver.Close()
	s := startIn(t, in, slog.New(slog.DiscardHandler), "lo")
	st := single(1)
	st.Legs[0].Local, st.Legs[0].Destination = netip.MustParseAddr("127.0.0.1"), group
	in.Do(func() error { return withoutRights(func() error { _, err := s.Add(st); return err }) })

	b := make([]byte, 2000)
	receiver.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, from, err := receiver.ReadFrom(b); err != nil || from.String() != "127.0.0.1:5004" {
		t.Errorf("own source received from %v, %v; want from 127.0.0.1:5004", from, err)
	}
	in.Do(func() error {
		conn, err := net.Dial("udp4", "127.0.0.1:5004")
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte("hello"))
		return err
	})
	for {
		n, _, err := receiver.ReadFrom(b)
		if err != nil {
			t.Fatalf("a packet to our address at the port has not come: %v", err)
		}
		if string(b[:n]) == "hello" {
			break
		}
	}
}

// withoutRights runs f on this thread without its capabilities.
func withoutRights(f func() error) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var rights, none [2]unix.CapUserData
	if err := unix.Capget(&header, &rights[0]); err != nil {
		return err
	}
	none = rights
	none[0].Effective, none[1].Effective = 0, 0
	if err := unix.Capset(&header, &none[0]); err != nil {
		return err
	}
	err := f()
	if failed := unix.Capset(&header, &rights[0]); failed != nil {
		return failed
	}
	return err
}

// TestPortTaken checks that sources are sent from another port then, and that it is told.
func TestPortTaken(t *testing.T) {
	in := netns.New(t)
	var other net.PacketConn
	in.Do(func() (err error) {
		other, err = net.ListenPacket("udp4", "0.0.0.0:5004")
		return err
	})
	defer other.Close()
	c := newCapture(in, "lo")
	defer c.Close()
	var log strings.Builder
	s := startIn(t, in, slog.New(slog.NewTextHandler(&log, nil)), "lo")
	st := single(1)
	st.Legs[0].Local = netip.MustParseAddr("127.0.0.1")
	addIn(in, s, st)
	if !strings.Contains(log.String(), "another program has the UDP port for itself") {
		t.Errorf("log %q; want it to tell that the port is taken", log.String())
	}
	if got := nextOf(t, c, st); got.From.Port() == 5004 || got.From.Addr() != st.Legs[0].Local {
		t.Errorf("packet from %v; want one from any port of 127.0.0.1 but 5004", got.From)
	}
}

func TestSendAllocatesNothing(t *testing.T) {
	in := netns.New(t)
	var u socket
	in.Do(func() (err error) {
		u, err = openSocket(0, slog.New(slog.DiscardHandler))
		return err
	})
	defer u.Close()
	st := single(1)
	st.Legs[0].Local = netip.MustParseAddr("127.0.0.1")
	m := newMessage(make([]byte, 300), st.Legs[0], st.DSCP, st.TTL)
	m.setLink(1)
	batch := []message{m, m, m}
	if n := testing.AllocsPerRun(100, func() {
		if n, errno := u.Send(batch); n != len(batch) {
			t.Fatalf("Send() = %d, %v; want all of %d", n, errno, len(batch))
		}
	}); n > 0 {
		t.Errorf("%v allocations; want none", n)
	}
}
