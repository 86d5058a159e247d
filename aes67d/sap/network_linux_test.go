package sap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"aes67os/aes67d/netif"
	"aes67os/test/background"
	"aes67os/test/netns"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// These tests use real sockets in network namespaces that they make, and so need root.

// cable joins two namespaces with interfaces of the number given, of addresses
// 10.67.number.1 and .2.
func cable(a, b *netns.Namespace, number int) {
	end := func(n *netns.Namespace, host int) netns.End {
		return netns.End{Namespace: n, Interface: fmt.Sprint("eth", number), Addresses: []string{fmt.Sprintf("10.67.%d.%d/24", number, host)}}
	}
	netns.Cable(end(a, 1), end(b, 2))
}

// interfaces finds interfaces by name. Nobody waits for the carrier here: what is sent
// too early gets lost, and all tests repeat.
func interfaces(names ...string) (list []netif.Interface, err error) {
	for _, name := range names {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return nil, err
		}
		addresses, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil {
			return nil, err
		}
		i := netif.Interface{Index: l.Attrs().Index, Name: name, Loopback: name == "lo", Multicast: name != "lo", Carrier: true}
		for _, a := range addresses {
			ip, _ := netip.AddrFromSlice(a.IP.To4())
			i.Addresses = append(i.Addresses, netip.PrefixFrom(ip, 24))
		}
		list = append(list, i)
	}
	return list, nil
}

// realHost is a directory on real interfaces.
type realHost struct {
	*Directory
	in     *netns.Namespace
	events chan Event
	stop   func()
}

// run runs a directory on interfaces of a namespace until the test ends.
func run(t *testing.T, in *netns.Namespace, names ...string) *realHost {
	t.Helper()
	h := &realHost{in: in, events: make(chan Event, 10000)}
	in.Do(func() error {
		socket, err := Open(t.Context())
		if err != nil {
			return err
		}
		h.Directory = New(socket, func(e Event) { h.events <- e }, quiet())
		return nil
	})
	h.use(names...)
	if err := h.Configure(LocalGroup, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	h.stop = background.Run(t, h.Run)
	return h
}

// use tells which interfaces there are.
func (h *realHost) use(names ...string) {
	h.in.Do(func() error {
		list, err := interfaces(names...)
		h.SetInterfaces(list)
		return err
	})
}

// await waits for a packet that is described like that.
func (h *realHost) await(t *testing.T, want string) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	var last string
	for {
		select {
		case e := <-h.events:
			if last = fmt.Sprintf("%s %s from %s", verb(e.Packet), sessionOf(e.Payload), e.From); last == want {
				return
			}
		case <-timeout:
			t.Fatalf("not heard in time: %s; heard last: %s", want, last)
		}
	}
}

func at(key, origin string) Entry {
	e := session(key, 1)
	e.Origin = netip.MustParseAddr(origin)
	return e
}

// TestOnTheWire has two hosts on two cables.
func TestOnTheWire(t *testing.T) {
	left, right := netns.New(t), netns.New(t)
	cable(left, right, 1)
	cable(left, right, 2)
	left.Configure("eth1", "10.67.1.7/24") // one more
	a, b := run(t, left, "eth1", "eth2"), run(t, right, "eth1", "eth2")
	if err := errors.Join(a.Set([]Entry{at("1", "10.67.1.1"), at("3", "10.67.1.7")}), b.Set([]Entry{at("2", "10.67.2.2")})); err != nil {
		t.Fatal(err)
	}
	for number := 1; number <= 2; number++ {
		a.await(t, fmt.Sprintf("announce 2.1 from 10.67.%d.2", number))
		b.await(t, fmt.Sprintf("announce 1.1 from 10.67.%d.1", number))
	}
	b.await(t, "announce 3.1 from 10.67.1.7")

	// One interface goes and another comes, with another index.
	left.Link("eth2", netlink.LinkDel)
	a.use("eth1")
	b.use("eth1")
	cable(left, right, 3)
	a.use("eth1", "eth3")
	b.use("eth1", "eth3")
	a.await(t, "announce 2.1 from 10.67.3.2")
	b.await(t, "announce 1.1 from 10.67.3.1")

	for _, group := range []netip.Addr{GlobalGroup, netip.MustParseAddr("239.195.255.255")} {
		if err := a.Configure(group, 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if group != GlobalGroup {
			if err := b.Configure(group, 100*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		b.await(t, "delete 1.1 from 10.67.1.1")
		b.await(t, "announce 1.1 from 10.67.1.1")
	}
	b.await(t, "announce 1.1 from 10.67.3.1")
	a.stop()
	b.await(t, "delete 1.1 from 10.67.3.1")
	b.stop()
	close(a.events)
	for e := range a.events {
		if e.Origin != netip.MustParseAddr("10.67.2.2") {
			t.Fatalf("own packet told: %+v", e)
		}
	}
	for _, in := range []*netns.Namespace{left, right} {
		in.Do(func() error {
			text, err := os.ReadFile("/proc/thread-self/net/igmp")
			if err == nil && (strings.Contains(string(text), "FFFFFFEF") || strings.Contains(string(text), "FE7F02E0")) {
				err = fmt.Errorf("memberships remain:\n%s", text)
			}
			return err
		})
	}
}

// TestOnLoopback tries out on a host without any other interface.
func TestOnLoopback(t *testing.T) {
	h := run(t, netns.New(t), "lo")
	if err := h.Set([]Entry{at("1", "127.0.0.1")}); err != nil {
		t.Fatal(err)
	}
	h.await(t, "announce 1.1 from 127.0.0.1")
	if err := h.Set(nil); err != nil {
		t.Fatal(err)
	}
	h.await(t, "delete 1.1 from 127.0.0.1")
}

// TestBesideOthers runs beside another program on the same port of the same host,
// which shares the port in one way or the other: each hears the other.
func TestBesideOthers(t *testing.T) {
	for name, option := range map[string]int{"SO_REUSEADDR": unix.SO_REUSEADDR, "SO_REUSEPORT": unix.SO_REUSEPORT} {
		t.Run(name, func(t *testing.T) {
			here, there := netns.New(t), netns.New(t)
			cable(here, there, 1)
			var program *ipv4.PacketConn
			var index int
			here.Do(func() (err error) {
				program, index, err = openProgram(option)
				return err
			})
			defer program.Close()
			h := run(t, here, "eth1")
			if err := h.Set([]Entry{at("1", "10.67.1.1")}); err != nil {
				t.Fatal(err)
			}
			if err := program.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 2000)
			n, control, _, err := program.ReadFrom(b)
			if err != nil {
				t.Fatalf("the other program hears nothing: %v", err)
			}
			got, err := Parse(b[:n])
			if err != nil {
				t.Fatal(err)
			}
			e := at("1", "10.67.1.1")
			want := Packet{Hash: hashOf(e.SDP), Origin: e.Origin, Type: TypeSDP, Payload: []byte(e.SDP)}
			if diff := cmp.Diff(want, got, compareAddr); diff != "" {
				t.Errorf("the other program hears (-want +got):\n%s", diff)
			}
			if control.TTL != 255 || control.IfIndex != index {
				t.Errorf("time to live is %d on interface %d; want 255 on %d", control.TTL, control.IfIndex, index)
			}
			theirs, err := Packet{Hash: 7, Origin: e.Origin, Payload: []byte(session("9", 1).SDP)}.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			to := &net.UDPAddr{IP: GlobalGroup.AsSlice(), Port: Port}
			if _, err := program.WriteTo(theirs, &ipv4.ControlMessage{IfIndex: index}, to); err != nil {
				t.Fatal(err)
			}
			h.await(t, "announce 9.1 from 10.67.1.1")
		})
	}
}

// openProgram opens the socket of another program.
func openProgram(option int) (*ipv4.PacketConn, int, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 1) }), err)
	}}
	udp, err := config.ListenPacket(context.Background(), "udp4", fmt.Sprintf(":%d", Port))
	if err != nil {
		return nil, 0, err
	}
	l, err := netlink.LinkByName("eth1")
	if err != nil {
		return nil, 0, err
	}
	conn, index := ipv4.NewPacketConn(udp), l.Attrs().Index
	return conn, index, errors.Join(
		conn.SetControlMessage(ipv4.FlagTTL|ipv4.FlagInterface, true),
		conn.JoinGroup(&net.Interface{Index: index}, &net.UDPAddr{IP: LocalGroup.AsSlice()}))
}

// TestSocket checks what a socket passes over: what was not sent to a group it has
// joined on that interface, and what is too long.
func TestSocket(t *testing.T) {
	left, right := netns.New(t), netns.New(t)
	cable(left, right, 1)
	cable(left, right, 2)
	var sockets [2]*Socket
	var index [2][]netif.Interface
	for i, in := range []*netns.Namespace{left, right} {
		in.Do(func() (err error) {
			if index[i], err = interfaces("eth1", "eth2"); err != nil {
				return err
			}
			sockets[i], err = Open(t.Context())
			return err
		})
		defer sockets[i].Close()
	}
	send := func(number int, group, text string) {
		t.Helper()
		err := sockets[0].Send(Datagram{Interface: index[0][number].Index, Group: netip.MustParseAddr(group), Data: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range index[1] {
		if err := sockets[1].Join(i.Index, LocalGroup); err != nil {
			t.Fatal(err)
		}
	}
	if err := sockets[1].Leave(index[1][1].Index, LocalGroup); err != nil {
		t.Fatal(err)
	}
	// What others on the host have joined is not ours.
	right.Do(func() error {
		program, err := net.ListenPacket("udp4", ":0")
		if err != nil {
			return err
		}
		t.Cleanup(func() { program.Close() })
		conn := ipv4.NewPacketConn(program)
		return errors.Join(
			conn.JoinGroup(&net.Interface{Index: index[1][0].Index}, &net.UDPAddr{IP: GlobalGroup.AsSlice()}),
			conn.JoinGroup(&net.Interface{Index: index[1][1].Index}, &net.UDPAddr{IP: LocalGroup.AsSlice()}))
	})
	long := strings.Repeat("a", maxPacket)
	received := make(chan Datagram, 100)
	failed := make(chan error, 1)
	go func() {
		for {
			d, err := sockets[1].Receive()
			if err != nil {
				failed <- err
				return
			}
			received <- d
		}
	}()
	// The carrier may take a moment, so all is repeated until something has come.
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	timeout := time.After(20 * time.Second)
	for got := 0; got < 5; {
		select {
		case <-again.C:
			send(1, "239.255.255.255", "interface left")
			send(0, "224.2.127.254", "group not joined")
			send(0, "10.67.1.2", "to us alone")
			send(0, "239.255.255.255", long+"a")
			send(0, "239.255.255.255", long)
		case d := <-received:
			want := Datagram{Interface: index[1][0].Index, Group: LocalGroup, From: netip.MustParseAddr("10.67.1.1"), Data: []byte(long)}
			if diff := cmp.Diff(want, d, compareAddr); diff != "" {
				t.Fatalf("(-want +got):\n%.500s", diff)
			}
			got++
		case <-timeout:
			t.Fatal("nothing is received")
		}
	}
	if err := sockets[1].Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Receive of a closed socket = %v; want %v", err, net.ErrClosed)
	}
}
