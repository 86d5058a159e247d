package ravenna

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// New makes a driver for the kernel module on this host. The module need not be there
// yet.
func New(log *slog.Logger) *Driver { return newDriver(log, uint32(os.Getpid()), dial) }

// errNotLoaded is what the user can do something about most often.
var errNotLoaded = errors.New("the RAVENNA kernel module is not loaded: load it (modprobe MergingRavennaALSA) or choose another driver")

// socket is a netlink socket. The library opens it and receives; see [message.encode]
// for why it does not send.
type socket struct {
	*netlink.Conn
	raw syscall.RawConn
}

// dial opens both sockets. The module sends answers and events to the port id that the
// messages give, so both must have it; by custom it is the process id.
func dial(port uint32) (commands, events endpoint, err error) {
	c, err := openSocket(protocolCommands, port)
	if err != nil {
		return nil, nil, err
	}
	e, err := openSocket(protocolEvents, port)
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	// The module would take our Hello and forget the other daemon.
	if err := checkAlone(port); err != nil {
		c.Close()
		e.Close()
		return nil, nil, err
	}
	return c, e, nil
}

// Loaded tells whether the module is there, used by somebody or not.
func Loaded() bool {
	conn, err := netlink.Dial(protocolCommands, nil)
	if err != nil {
		return !errors.Is(err, unix.EPROTONOSUPPORT)
	}
	conn.Close()
	return true
}

func openSocket(protocol int, port uint32) (*socket, error) {
	conn, err := netlink.Dial(protocol, &netlink.Config{PID: port})
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT):
		return nil, errNotLoaded
	case errors.Is(err, unix.EADDRINUSE):
		return nil, fmt.Errorf("netlink port id %d, our process id, is taken by another program on this host; start aes67d again: %w", port, err)
	case err != nil:
		return nil, fmt.Errorf("cannot open a socket to the RAVENNA kernel module: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &socket{conn, raw}, nil
}

// Send implements endpoint.
func (s *socket) Send(b []byte) error { return s.sendTo(b, 0) }

// sendTo sends to a port id; 0 is the kernel's.
func (s *socket) sendTo(b []byte, port uint32) error {
	var err error
	failed := s.raw.Write(func(fd uintptr) bool {
		err = unix.Sendto(int(fd), b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port})
		return !errors.Is(err, unix.EAGAIN)
	})
	return errors.Join(failed, os.NewSyscallError("sendto", err))
}

// checkAlone tells whether another process has a socket to the module.
func checkAlone(port uint32) error {
	f, err := os.Open("/proc/net/netlink")
	if err != nil {
		return fmt.Errorf("cannot tell whether another daemon uses the RAVENNA kernel module: %w", err)
	}
	defer f.Close()
	other, err := otherUser(f, port)
	if err != nil {
		return fmt.Errorf("cannot tell whether another daemon uses the RAVENNA kernel module: %w", err)
	}
	if other == 0 {
		return nil
	}
	who := fmt.Sprintf("another program (netlink port id %d)", other)
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", other)); err == nil {
		who = fmt.Sprintf("process %d (%s)", other, strings.TrimSpace(string(name)))
	}
	return fmt.Errorf("%s uses the RAVENNA kernel module, which can have one daemon only: stop the other", who)
}

// otherUser finds in the kernel's list of netlink sockets the port id, other than ours,
// of a socket for commands; 0 if there is none. A line has an address, the protocol, the
// port id, and more; port id 0 is the kernel's end.
func otherUser(list io.Reader, port uint32) (uint32, error) {
	for lines := bufio.NewScanner(list); ; {
		if !lines.Scan() {
			return 0, lines.Err()
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || fields[1] != strconv.Itoa(protocolCommands) {
			continue
		}
		if id, err := strconv.ParseUint(fields[2], 10, 32); err == nil && id != 0 && uint32(id) != port {
			return uint32(id), nil
		}
	}
}
