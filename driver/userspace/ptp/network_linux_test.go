package ptp

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/test/netns"
	"aes67os/test/ptp4l"
)

// These tests use real sockets in network namespaces that they make, and so need root,
// and ptp4l of the package linuxptp. It runs free and never steers this host's clock.

// patience is how long a test waits before it fails.
const patience = time.Minute

// TestMain has the tests that wait for a network wait together, however few CPUs there are.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// live is a clock that runs.
type live struct {
	*Clock
	media    *media.Clock
	statuses chan Status
	stop     func()
}

// run runs a clock in a namespace until the test ends.
func run(t *testing.T, in *netns.Namespace, config Config) *live {
	t.Helper()
	l := &live{media: new(media.Clock), statuses: make(chan Status, 1000)}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	changed := func(s Status) {
		select {
		case l.statuses <- s:
		default:
		}
	}
	l.Clock = newClock(l.media, changed, log, newHost(readClocks, kernelTAI), func(ctx context.Context, name string, dscp uint8, h *host) (w wire, err error) {
		in.Do(func() error {
			w, err = openUDP(ctx, name, dscp, h)
			return nil // one that is not there is no failure of the test
		})
		return w, err
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx, config) }()
	stopped := false
	l.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run(%v) = %v; want nil", config, err)
		}
	}
	t.Cleanup(l.stop)
	return l
}

// until waits for a status.
func (l *live) until(t *testing.T, what string, is func(Status) bool) Status {
	t.Helper()
	var last Status
	for deadline := time.After(patience); ; {
		select {
		case last = <-l.statuses:
			if is(last) {
				return last
			}
		case <-deadline:
			t.Fatalf("not %s, but %+v", what, last)
		}
	}
}

func (l *live) following(t *testing.T, id string) Status {
	t.Helper()
	return l.until(t, "locked to "+id, func(s Status) bool {
		return s.Lock == driver.Locked && !s.Master && s.Grandmaster.String() == id
	})
}

func (l *live) leading(t *testing.T) Status {
	t.Helper()
	return l.until(t, "master", func(s Status) bool { return s.Master && s.Lock == driver.Locked })
}

// off collects by how much a mapping is ahead of a time, in nanoseconds and but for whole
// seconds.
func (l *live) off(length time.Duration, truth func(reading) int64) (off []float64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); time.Since(begin) < length; <-tick.C {
		now := readClocks()
		d := time.Duration(l.media.Mapping().PTPAt(now.mono) - truth(now))
		off = append(off, float64(d-d.Round(time.Second)))
	}
	return off
}

// TestSlaveOf4l follows a real master, and another one after it.
func TestSlaveOf4l(t *testing.T) {
	t.Parallel() // they mostly wait
	one, two := netns.Pair(t, "10.68.0.1/24", "10.68.0.2/24")
	master := ptp4l.Start(t, one)
	id := master.Identity()
	l := run(t, two, Config{Interfaces: []string{"eth0"}})
	begin := time.Now()
	s := l.following(t, id)
	if s.Interface != 0 || s.Fault != "" {
		t.Errorf("status %+v; want interface 0 without a fault", s)
	}
	t.Logf("locked after %v", time.Since(begin))
	// On one host ptp4l's clock is the host's, perhaps with the seconds of TAI.
	off := l.off(5*time.Second, func(now reading) int64 { return now.real })
	rms, p99, most := figures(off)
	t.Logf("true offset rms %.0f p99 %.0f most %.0f ns; %+v", rms, p99, most, l.Status())
	if most > 1e6 {
		t.Errorf("the mapping is off the master's clock by up to %.0f ns", most)
	}

	master.Stop()
	other := ptp4l.Start(t, one, "clockIdentity 001dc1.fffe.503633", "priority1 100")
	s = l.following(t, "00-1D-C1-FF-FE-50-36-33")
	if id := other.Identity(); s.Grandmaster.String() != id {
		t.Errorf("grandmaster %s; want %s", s.Grandmaster, id)
	}
}

// TestMasterOf4l has ptp4l follow us, in both ways of asking for the delay.
func TestMasterOf4l(t *testing.T) {
	t.Parallel()
	one, two := netns.Pair(t, "10.68.1.1/24", "10.68.1.2/24")
	l := run(t, one, Config{Interfaces: []string{"eth0"}})
	s := l.leading(t)
	for _, options := range [][]string{{"slaveOnly 1"}, {"slaveOnly 1", "hybrid_e2e 1"}} {
		slave := ptp4l.Start(t, two, options...)
		slave.Follows(s.Grandmaster.String())
		slave.Until("PARENT_DATA_SET", `gm.ClockClass +248\s+gm.ClockAccuracy +0xfe`)
		offset, delay := slave.Measures()
		t.Logf("%v: ptp4l is off by %s ns with a path delay of %s ns", options, offset, delay)
		slave.Until("TIME_PROPERTIES_DATA_SET", `ptpTimescale +1`)
		slave.Stop()
	}
}

// TestTwo has two of ours elect, and the other take over without a jump.
func TestTwo(t *testing.T) {
	t.Parallel()
	one, two := netns.Pair(t, "10.68.2.1/24", "10.68.2.2/24")
	a := run(t, one, Config{Interfaces: []string{"eth0"}, Priority1: 100})
	b := run(t, two, Config{Interfaces: []string{"eth0"}})
	id := a.leading(t).Grandmaster
	b.following(t, id.String())
	off := b.off(2*time.Second, func(now reading) int64 { return a.media.Mapping().PTPAt(now.mono) })
	rms, p99, most := figures(off)
	t.Logf("offset rms %.0f p99 %.0f most %.0f ns", rms, p99, most)
	if most > 1e6 {
		t.Errorf("the two differ by %.0f ns", most)
	}
	before := *b.media.Mapping()
	a.stop()
	s := b.leading(t)
	if s.Grandmaster == id {
		t.Errorf("master as %s, the other's identity", s.Grandmaster)
	}
	if now := media.Now(); max(b.media.Mapping().PTPAt(now)-before.PTPAt(now), before.PTPAt(now)-b.media.Mapping().PTPAt(now)) > 1e6 {
		t.Errorf("time has jumped: from %+v to %+v", before, *b.media.Mapping())
	}
}

// TestTwoInterfaces pulls the one cable and then the other (SMPTE ST 2022-7), and takes
// an interface away.
func TestTwoInterfaces(t *testing.T) {
	t.Parallel()
	one, two := netns.Pair(t, "10.68.3.1/24", "10.68.3.2/24")
	netns.Cable(netns.End{Namespace: one, Interface: "eth1", Addresses: []string{"10.69.3.1/24"}},
		netns.End{Namespace: two, Interface: "eth1", Addresses: []string{"10.69.3.2/24"}})
	interfaces := []string{"eth0", "eth1"}
	master := run(t, one, Config{Interfaces: interfaces, Priority1: 100})
	id := master.leading(t).Grandmaster
	slave := run(t, two, Config{Interfaces: interfaces, SlaveOnly: true})
	once := false // it has locked, and stays so
	by := func(n int) Status {
		return slave.until(t, fmt.Sprintf("locked by interface %d", n), func(s Status) bool {
			if once && s.Lock != driver.Locked {
				t.Errorf("status %+v; want it to stay locked", s)
			}
			once = s.Lock == driver.Locked
			return once && s.Grandmaster == id && s.Interface == n
		})
	}
	by(0)
	one.Link("eth0", netlink.LinkSetDown) // the cable's other end
	by(1)
	one.Link("eth0", netlink.LinkSetUp)
	by(0)
	two.Link("eth0", netlink.LinkDel)
	if s := by(1); !strings.HasPrefix(s.Fault, "eth0: ") {
		t.Errorf("fault %q; want that eth0 has gone", s.Fault)
	}
	master.stop()
	slave.until(t, "unlocked", func(s Status) bool { return s.Lock == driver.Unlocked && s.Grandmaster == driver.ClockID{} })
	if slave.media.Mapping() == nil {
		t.Error("no mapping; want it to be held over")
	}
}

// TestLate has an interface come after the clock, and get its address later still.
func TestLate(t *testing.T) {
	t.Parallel()
	one := netns.New(t)
	l := run(t, one, Config{Interfaces: []string{"eth0"}})
	l.until(t, "without the interface", func(s Status) bool { return strings.Contains(s.Fault, "no such network interface") })
	two := netns.New(t)
	netns.Cable(netns.End{Namespace: one, Interface: "eth0"}, netns.End{Namespace: two, Interface: "eth0", Addresses: []string{"10.68.4.2/24"}})
	l.until(t, "without an address", func(s Status) bool { return strings.Contains(s.Fault, "no IPv4 address") })
	one.Configure("eth0", "10.68.4.1/24")
	l.until(t, "without a fault", func(s Status) bool { return s.Fault == "" })
	one.Unconfigure("eth0", "10.68.4.1/24")
	l.until(t, "without an address again", func(s Status) bool { return strings.Contains(s.Fault, "no IPv4 address") })
}

// TestLoopback has two clocks on one host, on lo.
func TestLoopback(t *testing.T) {
	t.Parallel()
	n := netns.New(t)
	config := Config{Interfaces: []string{"lo"}}
	a := run(t, n, config)
	id := a.leading(t).Grandmaster
	if id[0]&3 != 2 {
		t.Errorf("identity %s; want a random one, locally administered", id)
	}
	config.SlaveOnly = true
	run(t, n, config).following(t, id.String())
}

// TestNoRights runs the clock as an ordinary user, who may not open the ports.
func TestNoRights(t *testing.T) {
	t.Parallel()
	n := netns.New(t)
	n.Sysctl("net.ipv4.ip_unprivileged_port_start", "1024")
	n.Do(func() error { // the thread is the namespace's own and needs them no more
		none := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		return unix.Capset(&none, &data[0])
	})
	l := run(t, n, Config{Interfaces: []string{"lo"}})
	s := l.leading(t)
	if want := "lo: open UDP port 319: permission: needs CAP_NET_BIND_SERVICE"; !strings.HasPrefix(s.Fault, want) {
		t.Errorf("fault %q; want %q", s.Fault, want)
	}
	if l.media.Mapping() == nil {
		t.Error("no mapping; want one of the host's time")
	}
}

// openWires opens the wires of eth0 in namespaces.
func openWires(t *testing.T, h *host, dscp uint8, in ...*netns.Namespace) []*udp {
	t.Helper()
	var wires []*udp
	for _, n := range in {
		n.Do(func() error {
			w, err := openUDP(t.Context(), "eth0", dscp, h)
			if err == nil {
				wires = append(wires, w.(*udp))
			}
			return err
		})
	}
	return wires
}

// TestSockets checks that the kernel tells when event messages left and came, and how they
// are marked.
func TestSockets(t *testing.T) {
	t.Parallel()
	one, two := netns.Pair(t, "10.68.5.1/24", "10.68.5.2/24")
	h := newHost(readClocks, kernelTAI)
	wires := openWires(t, h, 46, one, two)
	received := make(chan packet, 10)
	ended := make(chan error, 2)
	for i := range wires {
		go func() {
			ended <- wires[i].Receive(func(p packet) {
				if i == 1 {
					received <- p
				}
			})
		}()
	}
	for _, conn := range []*net.UDPConn{wires[0].event, wires[0].general} {
		p := ipv4.NewPacketConn(conn)
		tos, err := p.TOS()
		ttl, err2 := p.MulticastTTL()
		if err != nil || err2 != nil || tos != 46<<2 || ttl != 1 {
			t.Errorf("TOS %d, TTL %d, %v, %v; want %d and 1", tos, ttl, err, err2, 46<<2)
		}
	}
	// The kernel looks after cables a little later.
	until := func(what string, is func() bool) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(patience); !is(); <-tick.C {
			if time.Now().After(deadline) {
				t.Fatalf("not %s", what)
			}
		}
	}
	until("plugged in", func() bool { return wires[0].carrier() == nil && wires[1].carrier() == nil })
	next := func() packet {
		t.Helper()
		select {
		case p := <-received:
			return p
		case <-time.After(patience):
			t.Fatal("nothing comes")
		}
		return packet{}
	}
	from := netip.MustParseAddr("10.68.5.1")
	for _, to := range []netip.Addr{group, netip.MustParseAddr("10.68.5.2")} {
		before := h.now().raw
		left, stamped, err := wires[0].SendEvent([]byte("event"), to)
		if err != nil || !stamped || left < before {
			t.Fatalf("SendEvent(%s) = %d, %v, %v; want a time after %d", to, left, stamped, err, before)
		}
		p := next()
		if string(p.data) != "event" || p.from != from || !p.stamped || p.stamp < left-int64(time.Microsecond) || p.stamp > h.now().raw {
			t.Errorf("received %+v; want it to have come after %d", p, left)
		}
		if err := wires[0].SendGeneral([]byte("general"), to); err != nil {
			t.Fatal(err)
		}
		if p := next(); string(p.data) != "general" || p.from != from {
			t.Errorf("received %+v", p)
		}
	}
	if _, err := wires[0].event.WriteToUDPAddrPort([]byte("event"), netip.AddrPortFrom(group, eventPort)); err != nil {
		t.Fatal(err)
	}
	if left, err := wires[0].sent(h.now().raw + 2*maxUncertain); !errors.Is(err, errOther) {
		t.Errorf("the time of an earlier message: %d, %v; want %v", left, err, errOther)
	}
	two.Link("eth0", netlink.LinkSetDown)
	until("unplugged", func() bool { return wires[0].carrier() != nil })
	if _, _, err := wires[0].SendEvent([]byte("event"), group); !errors.Is(err, errNoCarrier) {
		t.Errorf("SendEvent without a carrier = %v; want %v", err, errNoCarrier)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "down") {
		t.Errorf("Receive = %v; want that the interface is down", err)
	}
	wires[0].Close()
	if err := <-ended; err == nil {
		t.Error("Receive of what is closed = nil")
	}
}
