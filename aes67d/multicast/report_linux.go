package multicast

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Types of IGMP messages and records (RFC 3376 §4, §4.2.12; RFC 2236 §2.1).
const (
	reportV2        = 0x16
	reportV3        = 0x22
	changeToExclude = 4
)

// allRouters is where reports of version 3 go (RFC 3376 §4.2.14).
var allRouters = netip.AddrFrom4([4]byte{224, 0, 0, 22})

// maxRecords is how many groups there are in a report, which fits an Ethernet frame.
const maxRecords = 128

// report tells switches that this host wants groups on an interface. Those that only know
// version 2 of IGMP are told, too; the kernel would know whether there are any.
func report(index int, groups []netip.Addr) error {
	fd, err := openIGMP(index)
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w; it needs CAP_NET_RAW", err)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var errs []error
	send := func(to netip.Addr, message []byte) {
		binary.BigEndian.PutUint16(message[2:], checksum(message))
		errs = append(errs, os.NewSyscallError("sendto", unix.Sendto(fd, message, 0, &unix.SockaddrInet4{Addr: to.As4()})))
	}
	for some := range slices.Chunk(groups, maxRecords) {
		message := []byte{reportV3, 0, 0, 0, 0, 0, 0, byte(len(some))}
		for _, group := range some {
			// No sources are excluded.
			message = append(append(message, changeToExclude, 0, 0, 0), group.AsSlice()...)
		}
		send(allRouters, message)
	}
	for _, group := range groups {
		send(group, append([]byte{reportV2, 0, 0, 0}, group.AsSlice()...))
	}
	return errors.Join(errs...)
}

// openIGMP opens a socket for messages as RFC 3376 §4 wants them.
func openIGMP(index int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_IGMP)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	const (
		internetworkControl = 6 << 5             // RFC 791 §3.1
		routerAlert         = "\x94\x04\x00\x00" // RFC 2113 §2.1
	)
	err = errors.Join(
		unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(index)}),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, internetworkControl),
		unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_OPTIONS, routerAlert),
	)
	if err != nil {
		unix.Close(fd)
		return 0, os.NewSyscallError("setsockopt", err)
	}
	return fd, nil
}

// checksum is the Internet checksum (RFC 1071) of a message with an even length, 0 if it has
// the right one in it.
func checksum(message []byte) uint16 {
	var sum uint32
	for words := range slices.Chunk(message, 2) {
		sum += uint32(binary.BigEndian.Uint16(words))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
