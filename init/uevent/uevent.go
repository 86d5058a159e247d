// Package uevent hears from the kernel which devices come and go.
//
// The kernel multicasts an event for each change to netlink family
// NETLINK_KOBJECT_UEVENT. It is not the format of other netlink families, only a
// line "ACTION@DEVPATH" and KEY=VALUE strings, each ended by a zero byte.
package uevent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Event is one change of a device.
type Event struct {
	// Action is "add", "remove", "change", "bind" and the like.
	Action string
	// Path is the device's directory below /sys.
	Path string
	// Env holds the event's variables: SUBSYSTEM, MODALIAS, DEVNAME and others.
	Env map[string]string
}

var errNotEvent = errors.New("not a kernel event")

// Parse reads a message of the kernel.
func Parse(msg []byte) (Event, error) {
	head, rest, ok := bytes.Cut(msg, []byte{0})
	action, path, at := strings.Cut(string(head), "@")
	if !ok || !at || action == "" || !strings.HasPrefix(path, "/") {
		return Event{}, errNotEvent
	}
	e := Event{Action: action, Path: path, Env: map[string]string{}}
	for len(rest) > 0 {
		var pair []byte
		pair, rest, _ = bytes.Cut(rest, []byte{0})
		if k, v, ok := strings.Cut(string(pair), "="); ok {
			e.Env[k] = v
		}
	}
	return e, nil
}

// Listener receives events from the moment it is made.
type Listener struct {
	socket *os.File
}

// Listen starts to receive. Events wait in the socket until Run is called, so that a
// caller may look at what is there already without missing what comes meanwhile.
func Listen() (*Listener, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open the uevent socket: %w", err)
	}
	// Group 1 is the kernel's own; a boot makes several hundred events at once.
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20),
		unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}))
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind the uevent socket: %w", err)
	}
	return &Listener{os.NewFile(uintptr(fd), "uevent")}, nil
}

// Run calls each for every event, one after the other, until ctx ends. lost is
// called when the kernel dropped events because they came faster than each took
// them: the caller has to look at the devices anew.
func (l *Listener) Run(ctx context.Context, each func(Event), lost func()) error {
	stop := context.AfterFunc(ctx, func() { l.socket.Close() })
	defer stop()
	buf := make([]byte, 64<<10)
	for {
		n, err := l.socket.Read(buf)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, unix.ENOBUFS):
			lost()
			continue
		case err != nil:
			return fmt.Errorf("read events: %w", err)
		}
		if e, err := Parse(buf[:n]); err == nil {
			each(e)
		}
	}
}
