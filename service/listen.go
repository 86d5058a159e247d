package service

import (
	"fmt"
	"net"
	"slices"

	"github.com/coreos/go-systemd/v22/activation"
)

// Passed returns every stream socket that the supervisor passed (LISTEN_FDS,
// sd_listen_fds(3)), none if there is no such supervisor.
func Passed() ([]net.Listener, error) {
	passed, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take the sockets the supervisor passed: %w", err)
	}
	// nil stands for a descriptor that is no stream socket.
	return slices.DeleteFunc(passed, func(l net.Listener) bool { return l == nil }), nil
}

// Listen returns the sockets that were [Passed], or, when there are none, one that
// listens on the TCP address.
func Listen(address string) ([]net.Listener, error) {
	listeners, err := Passed()
	if err != nil || len(listeners) > 0 {
		return listeners, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (is another program using the port?): %w", address, err)
	}
	return []net.Listener{l}, nil
}
