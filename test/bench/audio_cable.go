package main

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"aes67os/test/aes67d"
	"aes67os/test/netns"
)

// cable joins who sends with who receives, each in a namespace of its own, and tells when
// packets come out of it.
type cable struct {
	t                *runner
	sender, receiver *netns.Namespace
}

// The addresses of the ends. The sender has one more for each stream, from 192.0.2.10 on:
// PipeWire takes sessions with one origin for one.
const senderAddress, receiverAddress = "192.0.2.1", "192.0.2.2"

// group is where a stream is sent.
func group(stream int) netip.Addr { return netip.AddrFrom4([4]byte{239, 1, 0, byte(stream)}) }

// origin is the sender's address for a stream.
func origin(stream int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + stream)}) }

func newCable(t *runner) *cable {
	c := &cable{t: t, sender: netns.New(t), receiver: netns.New(t)}
	addresses := []string{senderAddress + "/24"}
	for i := range streams {
		addresses = append(addresses, origin(i).String()+"/24")
	}
	netns.Cable(netns.End{Namespace: c.sender, Interface: "eth0", Addresses: addresses},
		netns.End{Namespace: c.receiver, Interface: "eth0", Addresses: []string{receiverAddress + "/24"}})
	for _, in := range []*netns.Namespace{c.sender, c.receiver} {
		in.Run("ip", "route", "add", "224.0.0.0/4", "dev", "eth0")
		in.Sysctl("net.ipv4.igmp_max_memberships", "100")
	}
	return c
}

// settle waits until all streams come as they should, and then a little.
func (c *cable) settle() {
	const look = 300 * time.Millisecond
	aes67d.Until(c.t, "all streams sent", func() bool {
		g := c.capture(look)
		return len(g.counts) == streams && slices.Min(g.counts) > int(0.8*look.Seconds()*packetsPerSecond)
	})
	time.Sleep(time.Second)
}

// capture takes note of when packets come out of the cable, for so long. The times are the
// kernel's, which keeps the packets until that is over: nobody has to run meanwhile.
func (c *cable) capture(length time.Duration) *gaps {
	var fd int
	index := c.receiver.Index("eth0")
	c.receiver.Do(func() (err error) {
		const ip = unix.ETH_P_IP<<8&0xff00 | unix.ETH_P_IP>>8 // in the order of the wire
		// Nothing comes in before it is bound.
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		for _, set := range []error{
			filter(fd, toGroups),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<29),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: ip, Ifindex: index}),
		} {
			if set != nil {
				return fmt.Errorf("capture packets: %w", set)
			}
		}
		return nil
	})
	defer unix.Close(fd)
	time.Sleep(length)
	g := newGaps(length)
	err := filter(fd, []bpf.Instruction{bpf.RetConstant{}})
	var header [20]byte
	var control [64]byte
	for err == nil {
		var size int
		size, _, _, _, err = unix.Recvmsg(fd, header[:], control[:], 0)
		if err == nil && size == len(header) {
			g.add(header[19], (*unix.Timespec)(unsafe.Pointer(&control[unix.CmsgLen(0)])).Nano())
		}
	}
	if err != unix.EAGAIN {
		c.t.Fatalf("capture packets: %v", err)
	}
	if lost, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err != nil || lost.Drops > 0 {
		c.t.Fatalf("%+v captured packets did not find room, %v", lost, err)
	}
	g.end()
	return g
}

// toGroups takes the IP headers of packets to the groups of [group].
var toGroups = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 16, Size: 4}, // destination
	bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 8},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 239<<16 | 1<<8, SkipFalse: 1},
	bpf.RetConstant{Val: 20},
	bpf.RetConstant{},
}

func filter(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}

// datagrams is how many UDP packets programs at the receiving end have read so far.
func (c *cable) datagrams() (n int64) {
	c.receiver.Do(func() error {
		all, err := os.ReadFile("/proc/thread-self/net/snmp")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(all)) {
			if read, ok := strings.CutPrefix(line, "Udp: "); ok && read[0] != 'I' { // the names are above the figures
				_, err = fmt.Sscan(read, &n)
			}
		}
		return err
	})
	return n
}
