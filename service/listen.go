package service

import (
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
)

// Listen returns every stream socket that the supervisor passed (LISTEN_FDS,
// sd_listen_fds(3)), or, when it passed none, one that listens on the TCP address.
func Listen(address string) ([]net.Listener, error) {
	passed, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take the sockets the supervisor passed: %w", err)
	}
	var listeners []net.Listener
	for _, l := range passed {
		if l != nil { // nil stands for a descriptor that is no stream socket
			listeners = append(listeners, l)
		}
	}
	if len(listeners) > 0 {
		return listeners, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (is another program using the port?): %w", address, err)
	}
	return []net.Listener{l}, nil
}
