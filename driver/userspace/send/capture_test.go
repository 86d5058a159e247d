package send

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"aes67os/test/netns"

	"golang.org/x/sys/unix"
)

// captured is an RTP packet as it came over the cable.
type captured struct {
	At       int64 // kernel's time of arrival, ns
	From, To netip.AddrPort
	TOS, TTL byte
	RTP      []byte
}

// capture takes all that comes to an interface, in the manner of tcpdump.
type capture struct {
	file    *os.File
	packet  [2048]byte // IPv4
	control [64]byte
}

func newCapture(in *netns.Namespace, name string) (c *capture) {
	index := in.Index(name)
	in.Do(func() error {
		const protocol = unix.ETH_P_IP<<8&0xff00 | unix.ETH_P_IP>>8 // in the order of the wire
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
		if err != nil {
			return err
		}
		c = &capture{file: os.NewFile(uintptr(fd), "capture")}
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: index}))
	})
	return c
}

func (c *capture) Close() { c.file.Close() }

// receive receives the next UDP packet into c.packet, and tells its size and when it came.
// It waits for one for so long.
func (c *capture) receive(wait time.Duration) (size int, at int64, err error) {
	if err := c.file.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return 0, 0, err
	}
	raw, err := c.file.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	for {
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			size, _, _, _, failed = unix.Recvmsg(int(fd), c.packet[:], c.control[:], 0)
			return failed != unix.EAGAIN
		})
		if err = errors.Join(err, failed); err != nil {
			return 0, 0, err
		}
		if size > 28 && c.packet[0] == 0x45 && c.packet[9] == unix.IPPROTO_UDP {
			stamp := (*unix.Timespec)(unsafe.Pointer(&c.control[unix.CmsgLen(0)]))
			return size, stamp.Nano(), nil
		}
	}
}

// next returns the next UDP packet. It waits for one for 20 seconds.
func (c *capture) next() (p captured, err error) {
	size, at, err := c.receive(20 * time.Second)
	if err != nil {
		return p, err
	}
	b := c.packet[:size]
	address := func(ip, port []byte) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip)), uint16(port[0])<<8|uint16(port[1]))
	}
	length := int(b[24])<<8 | int(b[25])
	if length < 8 || 20+length > len(b) {
		return p, fmt.Errorf("UDP packet of %d bytes", length)
	}
	return captured{
		At: at, From: address(b[12:16], b[20:22]), To: address(b[16:20], b[22:24]),
		TOS: b[1], TTL: b[8], RTP: bytes.Clone(b[28 : 20+length]),
	}, nil
}
