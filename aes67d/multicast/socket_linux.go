package multicast

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// socket holds memberships, as many as the kernel lets it.
type socket struct {
	fd   int
	held int
}

func open() (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	return &socket{fd: fd}, nil
}

func (s *socket) join(one Membership) error {
	if err := s.set(unix.IP_ADD_MEMBERSHIP, one); err != nil {
		return err
	}
	s.held++
	return nil
}

func (s *socket) leave(one Membership) error {
	s.held--
	return s.set(unix.IP_DROP_MEMBERSHIP, one)
}

func (s *socket) set(option int, one Membership) error {
	return unix.SetsockoptIPMreqn(s.fd, unix.IPPROTO_IP, option, &unix.IPMreqn{
		Multiaddr: one.Group.As4(), Ifindex: int32(one.Interface),
	})
}

func (s *socket) close() error { return os.NewSyscallError("close", unix.Close(s.fd)) }

// explain says what could not be joined, and what to do.
func explain(one Membership, err error) error {
	name := strconv.Itoa(one.Interface)
	if i, err := net.InterfaceByIndex(one.Interface); err == nil {
		name = i.Name
	}
	advice := ""
	switch {
	case errors.Is(err, unix.ENODEV):
		advice = "; the interface is gone, choose another or bring it back"
	case errors.Is(err, unix.ENOBUFS):
		advice = "; raise the sysctl net.ipv4.igmp_max_memberships or net.core.optmem_max"
	case errors.Is(err, unix.EMFILE):
		advice = "; raise the limit of open files"
	}
	return fmt.Errorf("join %s on interface %s: %w%s", one.Group, name, err, advice)
}
