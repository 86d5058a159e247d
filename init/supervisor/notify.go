package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"aes67os/init/journal"
)

// Bounds of what a service may say.
const (
	maxNotification = 4096 // bytes of a datagram
	maxExtension    = time.Hour
)

// notification is a datagram of sd_notify(3), as far as it means something here.
type notification struct {
	// pid is the process that sent it, as the kernel says.
	pid                           int
	ready, stopping               bool
	watchdogPing, watchdogTrigger bool
	// status is nil when the datagram has none.
	status *string
	extend time.Duration
	errno  syscall.Errno
}

// parseNotification reads newline-separated assignments. Those it does not know
// it passes over, as sd_notify(3) demands of a service manager. RELOADING and
// MAINPID are among them: no service here reloads, and none forks.
func parseNotification(datagram string) notification {
	var n notification
	for line := range strings.Lines(datagram) {
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "="); name {
		case "READY":
			n.ready = n.ready || value == "1"
		case "STOPPING":
			n.stopping = n.stopping || value == "1"
		case "WATCHDOG":
			n.watchdogPing = n.watchdogPing || value == "1"
			n.watchdogTrigger = n.watchdogTrigger || value == "trigger"
		case "STATUS":
			status := journal.Clean(value)
			n.status = &status
		case "EXTEND_TIMEOUT_USEC":
			if micros, err := strconv.ParseUint(value, 10, 64); err == nil {
				n.extend = time.Duration(min(micros, uint64(maxExtension/time.Microsecond))) * time.Microsecond
			}
		case "ERRNO":
			if errno, err := strconv.ParseUint(value, 10, 16); err == nil {
				n.errno = syscall.Errno(errno)
			}
		}
	}
	return n
}

// notifySocket is what NOTIFY_SOCKET of one service names. It stays the same
// over the service's starts.
type notifySocket struct {
	path     string
	conn     *net.UnixConn
	messages chan notification
	closing  chan struct{}
}

// openNotifySocket makes the socket of a service in dir, for its user only.
func openNotifySocket(dir string, spec Spec) (*notifySocket, error) {
	path := filepath.Join(dir, spec.Name)
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	// The kernel attaches the sender's process id only to datagrams sent after
	// this option is set, so it is set before the socket has a name.
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
		})
		return errors.Join(err, failed)
	}}
	conn, err := config.ListenPacket(context.Background(), "unixgram", path)
	if err != nil {
		return nil, fmt.Errorf("notification socket: %w", err)
	}
	n := &notifySocket{
		path: path, conn: conn.(*net.UnixConn),
		messages: make(chan notification), closing: make(chan struct{}),
	}
	if err := ownSocket(path, spec.User, 0o600); err != nil {
		n.conn.Close()
		return nil, err
	}
	go n.read()
	return n, nil
}

// read hands on every datagram, until close.
func (n *notifySocket) read() {
	buf := make([]byte, maxNotification)
	// There is room for the credentials and nothing else: file descriptors that
	// come along (FDSTORE, BARRIER) find none, and the kernel closes them.
	oob := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	for {
		size, oobSize, flags, _, err := n.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			return // nothing but close makes a datagram socket fail
		}
		if flags&unix.MSG_TRUNC != 0 {
			continue
		}
		m := parseNotification(string(buf[:size]))
		m.pid = senderOf(oob[:oobSize])
		select {
		case n.messages <- m:
		case <-n.closing:
			return
		}
	}
}

// senderOf returns the process id in the control messages, or 0, which is
// nobody's.
func senderOf(oob []byte) int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		if credentials, err := unix.ParseUnixCredentials(&m); err == nil {
			return int(credentials.Pid)
		}
	}
	return 0
}

func (n *notifySocket) close() {
	close(n.closing)
	n.conn.Close()
	os.Remove(n.path)
}
