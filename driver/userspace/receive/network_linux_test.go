package receive

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"
	"aes67os/test/netns"
)

// These tests use real sockets. Sockets are opened whenever they are needed, and
// interfaces looked for, so the program is in a network namespace of its own, which needs
// root.
func TestMain(m *testing.M) { netns.Main(m) }

// now is the position at which time stands still, and packet 0 of all streams begins.
const now = 81_600_000_000_017

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// studio is a receiver that runs on two interfaces, at whose other ends there is a talker
// in another namespace.
type studio struct {
	t       *testing.T
	names   []string
	here    *netns.Namespace
	there   *netns.Namespace
	talker  [2]*ipv4.PacketConn
	clock   *media.Clock
	capture *ring.Ring
	r       *Receiver
	stop    func()
	// joined is told of the interface of every membership, delivered of the size of every
	// batch of packets that has gone all its way.
	joined    chan string
	delivered chan int
	// opened counts sockets, threads those that were told to prepare.
	opened, threads atomic.Int32
}

// toldConn tells what has been joined, and when packets have been delivered: when more are
// asked for.
type toldConn struct {
	conn
	studio  *studio
	link    string
	pending int
}

func (c *toldConn) join(group netip.Addr) error {
	err := c.conn.join(group)
	if err == nil {
		c.studio.joined <- c.link
	}
	return err
}

func (c *toldConn) receive() ([]packet, error) {
	if c.pending > 0 {
		c.studio.delivered <- c.pending
	}
	p, err := c.conn.receive()
	c.pending = len(p)
	return p, err
}

// newStudio makes cables, and runs a receiver until the test ends or stop is called.
func newStudio(t *testing.T, number int) *studio {
	t.Helper()
	s := &studio{
		t: t, here: netns.Here(t), there: netns.New(t),
		clock: new(media.Clock), capture: ring.New(8, size),
		joined: make(chan string, 1000), delivered: make(chan int, 10000),
	}
	// PTP time stands still, so that however long something takes no packet is late.
	s.clock.Set(&media.Mapping{PTP: media.TimeOf(now, rate), Rate: 0})
	for i := range 2 {
		name := fmt.Sprintf("rx%d-%d", number, i)
		s.names = append(s.names, name)
		netns.Cable(netns.End{Namespace: s.here, Interface: name, Addresses: []string{fmt.Sprintf("10.67.%d.1/24", i)}},
			netns.End{Namespace: s.there, Interface: fmt.Sprintf("eth%d", i), Addresses: []string{fmt.Sprintf("10.67.%d.2/24", i)}})
		index := s.there.Index(fmt.Sprintf("eth%d", i))
		s.there.Do(func() error {
			c, err := net.ListenPacket("udp4", fmt.Sprintf("10.67.%d.2:5004", i))
			if err != nil {
				return err
			}
			t.Cleanup(func() { c.Close() })
			s.talker[i] = ipv4.NewPacketConn(c)
			return s.talker[i].SetMulticastInterface(&net.Interface{Index: index})
		})
	}
	s.r = New(s.clock, quiet())
	open := s.r.host.open
	s.r.host.open = func(name string, index int, port uint16) (conn, error) {
		c, err := open(name, index, port)
		if err != nil {
			return nil, err
		}
		s.opened.Add(1)
		return &toldConn{conn: c, studio: s, link: name}, nil
	}
	s.r.Thread = func() { s.threads.Add(1) }
	s.awaitCarrier(0, true)
	s.awaitCarrier(1, true)
	ready := make(chan struct{})
	s.r.Ready = func() { close(ready) }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.r.Run(ctx, s.names, rate, s.capture) }()
	<-ready
	s.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v; want nil", err)
		}
		for _, name := range s.names {
			s.here.Link(name, netlink.LinkDel)
		}
		s.stop = func() {}
	}
	t.Cleanup(func() { s.stop() })
	return s
}

// stream is one of two channels that is received on the interfaces.
func (s *studio) stream(legs ...int) driver.Stream {
	st := stream(2)
	var all []driver.Leg
	for _, i := range legs {
		all = append(all, st.Legs[i])
	}
	st.Legs = all
	return st
}

func (s *studio) add(st driver.Stream) *Sink {
	s.t.Helper()
	k, err := s.r.Add(st)
	if err != nil {
		s.t.Fatalf("Add() = %v; want no error", err)
	}
	return k
}

// send sends packets of a stream by an interface.
func (s *studio) send(st driver.Stream, leg int, to netip.AddrPort, packets ...int) {
	s.t.Helper()
	f := &fixture{begin: now}
	for _, n := range packets {
		b := f.packet(st, step{n: n})
		if _, err := s.talker[leg].WriteTo(b, nil, net.UDPAddrFromAddrPort(to)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// await waits until that many packets have been delivered.
func (s *studio) await(packets int) {
	s.t.Helper()
	deadline := time.After(patience)
	for packets > 0 {
		select {
		case n := <-s.delivered:
			packets -= n
		case <-deadline:
			s.t.Fatalf("%d packets have not come", packets)
		}
	}
}

// awaitJoin waits until a group is joined on an interface.
func (s *studio) awaitJoin(link int) {
	s.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case got := <-s.joined:
			if got == s.names[link] {
				return
			}
		case <-deadline:
			s.t.Fatalf("no group is joined on %s", s.names[link])
		}
	}
}

// awaitCarrier waits until an interface has a carrier or not, which the kernel says up to
// a second after it is so.
func (s *studio) awaitCarrier(link int, want bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); (findInterface(s.names[link]) != 0) != want; {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: carrier is not %v", s.names[link], want)
		}
		time.Sleep(time.Millisecond) // to be told would take a netlink subscription
	}
}

// heard are the packets that are in the ring.
func (s *studio) heard(st driver.Stream, packets int) []int {
	s.t.Helper()
	f := &fixture{t: s.t, capture: s.capture, begin: now, device: &device{}}
	return f.heard(st, packets)
}

// groups are the groups that an interface is in.
func groups(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/net/igmp") // the process may be another namespace's
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	in := false
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if !strings.HasPrefix(line, "\t\t") {
			in = len(fields) > 1 && fields[1] == name
		} else if in && fields[0] != "010000E0" { // 224.0.0.1, as the kernel prints it
			all = append(all, fields[0])
		}
	}
	slices.Sort(all)
	return all
}

// TestLegs pulls either cable in the middle of a stream, and puts it back.
func TestLegs(t *testing.T) {
	s := newStudio(t, 1)
	st := s.stream(0, 1)
	sink := s.add(st)
	s.awaitJoin(0)
	s.awaitJoin(1)
	send := func(leg int, packets ...int) { s.send(st, leg, destination(leg), packets...) }
	send(0, all(20)...)
	send(1, all(20)...)
	s.await(40)
	numbers := all(100)
	for leg := range 2 {
		other := 1 - leg
		from := 20 + 40*leg
		end := fmt.Sprintf("eth%d", leg)
		s.there.Link(end, netlink.LinkSetDown)
		send(other, numbers[from:from+20]...)
		s.await(20)
		s.awaitCarrier(leg, false)
		s.r.mu.Lock()
		s.r.device.watch()
		s.r.mu.Unlock()
		s.there.Link(end, netlink.LinkSetUp)
		s.awaitJoin(leg)
		send(0, numbers[from+20:from+40]...)
		send(1, numbers[from+20:from+40]...)
		s.await(40)
	}
	if diff := cmp.Diff(all(100), s.heard(st, 100)); diff != "" {
		t.Errorf("packets heard (-want +got):\n%s", diff)
	}
	got := sink.Figures()
	duplicates := got.Legs[0].Duplicate + got.Legs[1].Duplicate // who is first is chance
	got.Legs[0].Duplicate, got.Legs[1].Duplicate = 0, 0
	leg := driver.LegFigures{
		Packets: 80, Lost: 20,
		Minimum: delay * time.Second / rate, Maximum: (delay + 99*spp) * time.Second / rate,
	}
	want := driver.SinkFigures{Legs: []driver.LegFigures{leg, leg}}
	ignore := cmpopts.IgnoreFields(driver.LegFigures{}, "Average")
	if diff := cmp.Diff(want, got, ignore); diff != "" || duplicates != 60 {
		t.Errorf("%d duplicates; want 60; statistics (-want +got):\n%s", duplicates, diff)
	}
}

// TestDispatch has the same group and port on both interfaces, two groups on one port, a
// host's own address, and what nobody wants.
func TestDispatch(t *testing.T) {
	s := newStudio(t, 2)
	sinks := make([]*Sink, 4)
	streams := []driver.Stream{s.stream(0), s.stream(1), s.stream(0), s.stream(1)}
	streams[1].Legs[0].Destination = destination(0)
	streams[2].Legs[0].Destination = netip.MustParseAddrPort("239.69.9.9:5004")
	streams[3].Legs[0].Destination = netip.MustParseAddrPort("10.67.1.1:5004")
	for i := range streams {
		streams[i].Map = []int{2 * i, 2*i + 1}
		sinks[i] = s.add(streams[i])
	}
	numbers := all(10)
	sent := 0
	for i, st := range streams {
		leg := st.Legs[0]
		s.send(st, leg.Interface, leg.Destination, numbers[i:2*i+1]...)
		sent += i + 1
	}
	// The interface is in the group for the third stream, but not the other one.
	s.send(streams[2], 1, streams[2].Legs[0].Destination, 9)
	s.send(streams[3], 1, netip.MustParseAddrPort("10.67.1.1:5005"), 9)
	s.await(sent)
	for i, st := range streams {
		if diff := cmp.Diff(numbers[i:2*i+1], s.heard(st, 10)); diff != "" {
			t.Errorf("stream %d: packets heard (-want +got):\n%s", i, diff)
		}
		if got := sinks[i].Figures().Legs[0].Packets; got != uint64(i+1) {
			t.Errorf("stream %d: %d packets; want %d", i, got, i+1)
		}
	}
}

// TestMemberships has more groups than a socket may hold, and streams that share one.
func TestMemberships(t *testing.T) {
	s := newStudio(t, 3)
	s.here.Sysctl("net.ipv4.igmp_max_memberships", "2")
	var sinks []*Sink
	var streams []driver.Stream
	for i := range 6 {
		st := s.stream(0)
		st.Map = []int{i, driver.Unmapped}
		st.Legs[0].Destination = netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 1, 1, byte(1 + i%5)}), 5004)
		streams = append(streams, st)
		sinks = append(sinks, s.add(st))
	}
	if got := s.opened.Load(); got != 3 {
		t.Errorf("%d sockets for 5 groups; want 3", got)
	}
	for i := range 5 {
		s.send(streams[i], 0, streams[i].Legs[0].Destination, i)
	}
	s.await(5)
	if got := s.threads.Load(); got != 3 {
		t.Errorf("%d threads for 3 sockets", got)
	}
	for i, st := range streams {
		if diff := cmp.Diff([]int{i % 5}, s.heard(st, 6)); diff != "" {
			t.Errorf("stream %d: packets heard (-want +got):\n%s", i, diff)
		}
	}
	want := []string{"010101EF", "020101EF", "030101EF", "040101EF", "050101EF"}
	if diff := cmp.Diff(want, groups(t, s.names[0])); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	for _, i := range []int{5, 1, 3} { // the first shares its group with stream 0
		s.r.Remove(sinks[i])
	}
	want = []string{"010101EF", "030101EF", "050101EF"}
	if diff := cmp.Diff(want, groups(t, s.names[0])); diff != "" {
		t.Errorf("groups after removing some (-want +got):\n%s", diff)
	}
	s.send(streams[4], 0, streams[4].Legs[0].Destination, 5)
	s.await(1)
	if got := sinks[4].Figures().Legs[0].Packets; got != 2 {
		t.Errorf("%d packets; want 2, as the stream has stayed", got)
	}
}

// TestArrival checks the time at which the kernel has got a packet that is taken only
// later.
func TestArrival(t *testing.T) {
	s := newStudio(t, 4)
	index := s.here.Index(s.names[0])
	c, err := openSocket(s.names[0], index, 5004)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	before := media.Now()
	s.send(s.stream(0), 0, netip.MustParseAddrPort("10.67.0.1:5004"), 0)
	if _, err := s.talker[0].WriteTo(make([]byte, maxPacket+1), nil, &net.UDPAddr{IP: net.IPv4(10, 67, 0, 1), Port: 5004}); err != nil {
		t.Fatal(err)
	}
	var got []packet
	for len(got) < 2 {
		p, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		for i := range p {
			p[i].data = slices.Clone(p[i].data)
		}
		got = append(got, p...)
	}
	after := media.Now()
	for i := range got {
		if got[i].arrival < before || got[i].arrival > after {
			t.Errorf("packet %d came at %d; want between %d and %d", i, got[i].arrival, before, after)
		}
		got[i].arrival = 0
	}
	f := &fixture{begin: now}
	want := []packet{
		{link: index, to: [4]byte{10, 67, 0, 1}, data: f.packet(s.stream(0), step{})},
		{link: index, to: [4]byte{10, 67, 0, 1}}, // too long
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(packet{})); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
}

// TestOverrun has more packets come than a socket has room for.
func TestOverrun(t *testing.T) {
	s := newStudio(t, 10)
	c, err := openSocket(s.names[0], s.here.Index(s.names[0]), 5004)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := unix.SetsockoptInt(c.(*udpSocket).fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil { // as little as there can be
		t.Fatal(err)
	}
	to := netip.MustParseAddrPort("10.67.0.1:5004")
	sent, got, dropped := 0, 0, 0
	for dropped == 0 && sent < 1000 {
		for range 100 {
			s.send(s.stream(0), 0, to, sent)
			sent++
		}
		packets, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		got += len(packets)
		dropped = int(packets[len(packets)-1].dropped)
	}
	if dropped == 0 || got+dropped > sent {
		t.Errorf("of %d packets %d have come and %d were dropped; want all others dropped", sent, got, dropped)
	}
}

// TestHostClockSet has the time of a packet be far from the host's, as when that was set.
func TestHostClockSet(t *testing.T) {
	for _, test := range []struct{ age, want int64 }{
		{1000, -1000}, {0, 0}, {int64(time.Second), 0}, {-1, 0}, {-int64(time.Hour), 0},
	} {
		p := packet{arrival: 5e9}
		const wall = 1_700_000_000_000_000_000
		p.control(stamped(wall-test.age), wall, 5e9)
		if got := p.arrival - 5e9; got != test.want {
			t.Errorf("stamped %d ns ago: came %d; want %d", test.age, got, test.want)
		}
	}
}

// TestPortTaken tells what to do.
func TestPortTaken(t *testing.T) {
	s := newStudio(t, 5)
	var other net.PacketConn
	s.here.Do(func() (err error) {
		other, err = net.ListenPacket("udp4", "0.0.0.0:5004")
		return err
	})
	defer other.Close()
	_, err := s.r.Add(s.stream(0))
	if err == nil || !strings.Contains(err.Error(), "another program has the port") {
		t.Errorf("Add() = %v; want one that tells of the other program", err)
	}
	if diff := cmp.Diff([]string(nil), groups(t, s.names[0])); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

// TestOrdinaryUser receives on the loopback interface with no capability at all.
func TestOrdinaryUser(t *testing.T) {
	here := netns.Here(t)
	here.Configure("lo")
	index := here.Index("lo")
	here.Do(func() error {
		var none [2]unix.CapUserData
		if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
			return err
		}
		if _, err := openSocket("lo", index, 319); err == nil || !strings.Contains(err.Error(), "CAP_NET_BIND_SERVICE") {
			t.Errorf("port 319: %v; want an error that names the capability", err)
		}
		c, err := openSocket("lo", index, 5004)
		if err != nil {
			return err
		}
		defer c.close()
		group := destination(0)
		if err := c.join(group.Addr()); err != nil {
			return err
		}
		udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer udp.Close()
		talker := ipv4.NewPacketConn(udp)
		if err := talker.SetMulticastInterface(&net.Interface{Index: index}); err != nil {
			return err
		}
		if _, err := talker.WriteTo([]byte("hello"), nil, net.UDPAddrFromAddrPort(group)); err != nil {
			return err
		}
		got, err := c.receive()
		if err != nil {
			return err
		}
		got[0].arrival = 0
		want := []packet{{link: index, to: group.Addr().As4(), data: []byte("hello")}}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(packet{})); diff != "" {
			t.Errorf("packets (-want +got):\n%s", diff)
		}
		return nil
	})
}

// TestLeaks counts what is left after Run: file descriptors, threads' goroutines, groups.
func TestLeaks(t *testing.T) {
	newStudio(t, 6).stop() // whatever is made once is there now
	files := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	s := newStudio(t, 7)
	goroutines, descriptors := runtime.NumGoroutine(), files()
	for i := range 30 {
		st := s.stream(i % 2)
		st.Legs[0].Destination = netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 1, 2, byte(i)}), uint16(5004+2*(i%3)))
		s.add(st)
	}
	if got := files() - descriptors; got < 6 {
		t.Errorf("%d sockets for 3 ports on 2 interfaces; want more", got)
	}
	func() {
		names := s.names
		s.names = nil // the interfaces stay
		s.stop()
		s.names = names
	}()
	for _, name := range s.names {
		if got := groups(t, name); got != nil {
			t.Errorf("%s is still in groups %v", name, got)
		}
		s.here.Link(name, netlink.LinkDel)
	}
	if got := files(); got > descriptors {
		t.Errorf("%d file descriptors; there were %d", got, descriptors)
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() >= goroutines; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left, there were %d with Run's", runtime.NumGoroutine(), goroutines)
		}
		runtime.Gosched() // a goroutine's end is told to nobody
	}
}

// TestRunAgain has the same receiver run twice, and not two at a time.
func TestRunAgain(t *testing.T) {
	s := newStudio(t, 8)
	sink := s.add(s.stream(0))
	if err := s.r.Run(t.Context(), s.names, rate, s.capture); err == nil {
		t.Error("Run() a second time at once succeeds")
	}
	names := s.names
	s.names = nil
	s.stop()
	s.r.Remove(sink)
	ctx, cancel := context.WithCancel(t.Context())
	s.r.Ready = cancel
	if err := s.r.Run(ctx, names, rate, s.capture); err != nil {
		t.Errorf("Run() = %v; want nil", err)
	}
	for _, name := range names {
		s.here.Link(name, netlink.LinkDel)
	}
}
