package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
)

// openSocket starts to listen and returns the socket as a file to hand over.
func openSocket(s Socket, owner *User) (*os.File, error) {
	var config net.ListenConfig
	// A socket that other programs accept from is what its network says: TCP.
	config.SetMultipathTCP(false)
	isUnix := strings.HasPrefix(s.Network, "unix")
	if isUnix {
		if err := removeSocket(s.Address); err != nil {
			return nil, err
		}
	}
	listener, err := config.Listen(context.Background(), s.Network, s.Address)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", s.Name, err)
	}
	defer listener.Close() // the file is a duplicate
	if isUnix {
		listener.(*net.UnixListener).SetUnlinkOnClose(false)
		if err := ownSocket(s.Address, owner, cmp.Or(s.Mode, 0o666)); err != nil {
			return nil, err
		}
	}
	file, ok := listener.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("socket %s: cannot hand over network %q", s.Name, s.Network)
	}
	return file.File()
}

// ownSocket gives a socket file to the user of a service.
func ownSocket(path string, owner *User, mode fs.FileMode) error {
	var uid, gid int
	if owner != nil {
		uid, gid = int(owner.UID), int(owner.GID)
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("permissions of socket: %w", err)
	}
	if err := os.Chown(path, uid, gid); err != nil {
		return fmt.Errorf("owner of socket: %w", err)
	}
	return nil
}

// removeSocket removes a socket file of an earlier run, and nothing else.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil // none, or listening will say what is wrong
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way of a socket: it is %s", path, info.Mode().Type())
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("socket of an earlier run: %w", err)
	}
	return nil
}
