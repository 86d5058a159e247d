package multicast

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"aes67os/aes67d/netif"
	"aes67os/test/netns"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// These tests use real interfaces in network namespaces that they make, and so need root.

// cable makes a pair of interfaces, called eth<index> and far<index>, and takes both up.
func cable(in *netns.Namespace, index int) {
	netns.Cable(netns.End{Namespace: in, Interface: fmt.Sprintf("eth%d", index), Index: index},
		netns.End{Namespace: in, Interface: fmt.Sprintf("far%d", index)})
}

// kernel reads what the calling thread's namespace is a member of, on interfaces of
// index 100 and more, without 224.0.0.1, in which every host is.
func kernel() (list []Membership, err error) {
	text, err := os.ReadFile("/proc/thread-self/net/igmp")
	if err != nil {
		return nil, err
	}
	index := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if line[0] != '\t' {
			index, _ = strconv.Atoi(fields[0]) // 0 for the title
			continue
		}
		n, err := strconv.ParseUint(fields[0], 16, 32)
		if err != nil {
			return nil, fmt.Errorf("unexpected line %q: %w", line, err)
		}
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], uint32(n)) // the kernel prints the word as it lies in memory
		if group := netip.AddrFrom4(b); index >= 100 && group != netip.AddrFrom4([4]byte{224, 0, 0, 1}) {
			list = append(list, Membership{index, group})
		}
	}
	slices.SortFunc(list, func(a, b Membership) int {
		if a.Interface != b.Interface {
			return a.Interface - b.Interface
		}
		return a.Group.Compare(b.Group)
	})
	return list, nil
}

// expect compares what the kernel says with want.
func expect(want []Membership) error {
	got, err := kernel()
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want, got, compareAddr); diff != "" {
		return fmt.Errorf("the kernel's memberships (-want +got):\n%s", diff)
	}
	return nil
}

var compareAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func group(n int) netip.Addr { return netip.AddrFrom4([4]byte{239, 1, 2, byte(n)}) }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// TestMany joins more than one socket may hold, on two interfaces.
func TestMany(t *testing.T) {
	in := netns.New(t)
	in.Sysctl("net.ipv4.igmp_max_memberships", "20")
	cable(in, 100)
	cable(in, 101)
	var all []Membership
	for _, index := range []int{100, 101} {
		for n := range 128 {
			all = append(all, Membership{index, group(n)})
		}
	}
	m := New(quiet())
	in.Do(func() error { return m.Set("sinks", all) })
	in.Do(func() error { return expect(all) })
	if got := len(m.sockets); got != 13 {
		t.Errorf("%d sockets; want 13", got)
	}
	half := all[:128]
	in.Do(func() error { return m.Set("sinks", half) })
	in.Do(func() error { return expect(half) })
	in.Do(func() error { return m.Set("sinks", all) }) // fills the gaps
	in.Do(func() error { return expect(all) })
	if got := len(m.sockets); got != 13 {
		t.Errorf("%d sockets after leaving and joining half; want 13", got)
	}
	in.Do(func() error { return m.Set("sinks", nil) })
	in.Do(func() error { return expect(nil) })
	if len(m.sockets) != 0 || len(m.wanted) != 0 {
		t.Errorf("%d sockets and %d owners remain", len(m.sockets), len(m.wanted))
	}
	in.Do(func() error { return m.Set("sinks", all) })
	in.Do(m.Close)
	in.Do(func() error { return expect(nil) })
}

// TestOwners shares groups between owners.
func TestOwners(t *testing.T) {
	in := netns.New(t)
	cable(in, 100)
	m := New(quiet())
	defer m.Close()
	list := func(groups ...int) (list []Membership) {
		for _, n := range groups {
			list = append(list, Membership{100, group(n)})
		}
		return list
	}
	for _, step := range []struct {
		owner      string
		wish, want []Membership
	}{
		{"sinks", list(1, 2, 2), list(1, 2)},
		{"ptp", list(2, 3), list(1, 2, 3)},
		{"sinks", list(4), list(2, 3, 4)},
		{"ptp", nil, list(4)},
		{"nobody", nil, list(4)},
		{"sinks", nil, nil},
	} {
		in.Do(func() error {
			if err := m.Set(step.owner, step.wish); err != nil {
				return err
			}
			if err := expect(step.want); err != nil {
				return fmt.Errorf("after %s wants %v: %w", step.owner, step.wish, err)
			}
			return nil
		})
	}
}

// TestErrors checks that one membership which cannot be does not hinder others, and
// that the error names it.
func TestErrors(t *testing.T) {
	in := netns.New(t)
	cable(in, 100)
	m := New(quiet())
	defer m.Close()
	good := []Membership{{100, group(1)}}
	for _, test := range []struct {
		bad  Membership
		says []string
	}{
		{Membership{999, group(2)}, []string{"239.1.2.2", "999", "the interface is gone"}},
		{Membership{0, group(2)}, []string{"239.1.2.2", "no interface's index"}},
		{Membership{100, netip.MustParseAddr("10.0.0.1")}, []string{"10.0.0.1", "not an IPv4 multicast group"}},
		{Membership{100, netip.MustParseAddr("ff02::1")}, []string{"ff02::1", "not an IPv4 multicast group"}},
		{Membership{100, netip.Addr{}}, []string{"not an IPv4 multicast group"}},
	} {
		in.Do(func() error {
			err := m.Set("sinks", []Membership{test.bad, good[0]})
			for _, part := range test.says {
				if err == nil || !strings.Contains(err.Error(), part) {
					return fmt.Errorf("Set(%v) = %v; want an error with %q", test.bad, err, part)
				}
			}
			return expect(good)
		})
	}

	in.Sysctl("net.ipv4.igmp_max_memberships", "0")
	in.Do(func() error {
		err := m.Set("ptp", []Membership{{100, group(3)}})
		if !errors.Is(err, unix.ENOBUFS) || !strings.Contains(err.Error(), "eth100: ") {
			return fmt.Errorf("with a limit of 0, Set = %v; want ENOBUFS and the interface's name", err)
		}
		return expect(good)
	})
}

// TestInterfaceReturns removes an interface and makes another of the same index: the
// kernel has forgotten the membership then, but not the socket.
func TestInterfaceReturns(t *testing.T) {
	in := netns.New(t)
	cable(in, 100)
	cable(in, 101)
	there := []netif.Interface{{Index: 100, Carrier: true}, {Index: 101, Carrier: true}}
	all := []Membership{{100, group(1)}, {101, group(1)}}
	m := New(quiet())
	defer m.Close()
	in.Do(func() error { return errors.Join(m.Follow(there), m.Set("sinks", all)) })
	in.Link("eth100", netlink.LinkDel)
	in.Do(func() error { return m.Follow(there[1:]) })
	in.Do(func() error { return expect(all[1:]) })
	cable(in, 100)
	in.Do(func() error { return m.Follow(there) })
	in.Do(func() error { return expect(all) })
	in.Do(func() error { return m.Follow(there) })
	in.Do(func() error { return expect(all) })
}

// TestCarrierReturns pulls a cable and puts it back: the membership must be reported
// again, which Linux does not do by itself, nor if one of several sockets joins again.
func TestCarrierReturns(t *testing.T) {
	in := netns.New(t)
	cable(in, 100)
	state := func(carrier bool) []netif.Interface { return []netif.Interface{{Index: 100, Carrier: carrier}} }
	m, other := New(quiet()), New(quiet())
	defer m.Close()
	defer other.Close()
	in.Do(func() error {
		switchPort, err := capture("far100")
		if err != nil {
			return err
		}
		defer unix.Close(switchPort)
		want := []Membership{{100, group(1)}}
		if err := errors.Join(m.Follow(state(true)), m.Set("sinks", want), other.Set("driver", want)); err != nil {
			return err
		}
		// By RFC 3376 §8.1 a report is repeated once.
		return errors.Join(hear(switchPort, version3(group(1))), hear(switchPort, version3(group(1))))
	})
	in.Link("far100", netlink.LinkSetDown)
	in.Do(func() error { return m.Follow(state(false)) })
	in.Do(func() error { return expect([]Membership{{100, group(1)}}) })
	in.Link("far100", netlink.LinkSetUp)
	in.Do(func() error {
		switchPort, err := capture("far100")
		if err != nil {
			return err
		}
		defer unix.Close(switchPort)
		if err := m.Follow(state(true)); err != nil {
			return err
		}
		return errors.Join(hear(switchPort, version3(group(1))), hear(switchPort, version2(group(1))))
	})
}

// capture returns a socket that sees what arrives on an interface.
func capture(name string) (fd int, err error) {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return 0, err
	}
	const protocol = unix.ETH_P_IP>>8 | unix.ETH_P_IP&0xff<<8 // in the order of the network
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return 0, err
	}
	return fd, errors.Join(
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: l.Attrs().Index}),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}))
}

// version3 is what is in an IGMPv3 report (RFC 3376 §4.2) that says the group is wanted:
// "change to exclude mode", no sources, which is from everybody.
func version3(group netip.Addr) []byte { return append([]byte{4, 0, 0, 0}, group.AsSlice()...) }

// version2 is a membership report (RFC 2236 §2).
func version2(group netip.Addr) []byte {
	b := append([]byte{0x16, 0, 0, 0}, group.AsSlice()...)
	binary.BigEndian.PutUint16(b[2:], checksum(b))
	return b
}

// hear waits for an IGMP message with this in it, to everybody on the network and nobody
// beyond (RFC 3376 §4).
func hear(fd int, part []byte) error {
	b := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			return fmt.Errorf("wait for an IGMP message with %x: %w", part, err)
		}
		if n <= 24 || b[9] != unix.IPPROTO_IGMP || !bytes.Contains(b[24:n], part) {
			continue
		}
		if ttl, options := b[8], b[20:24]; ttl != 1 || !bytes.Equal(options, []byte{0x94, 4, 0, 0}) || checksum(b[24:n]) != 0 {
			return fmt.Errorf("IGMP message %x; want a TTL of 1, router alert, and the right checksum", b[:n])
		}
		return nil
	}
}

// TestConcurrent has owners come and go at once; the race detector looks on.
func TestConcurrent(t *testing.T) {
	in := netns.New(t)
	cable(in, 100)
	m := New(quiet())
	var owners sync.WaitGroup
	for n := range 8 {
		owners.Go(func() {
			// Not in the namespace: nothing can be joined there, which must not matter.
			for range 20 {
				m.Set(strconv.Itoa(n), []Membership{{1 << 30, group(n)}})
				m.Follow([]netif.Interface{{Index: 1 << 30, Carrier: true}})
				m.Set(strconv.Itoa(n), nil)
			}
		})
	}
	owners.Wait()
	in.Do(func() error { return expect(nil) })
	if len(m.sockets) != 0 || len(m.wanted) != 0 {
		t.Errorf("%d sockets and %d owners remain", len(m.sockets), len(m.wanted))
	}
}
