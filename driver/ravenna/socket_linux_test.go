package ravenna

import (
	"errors"
	"strings"
	"testing"

	"aes67os/test/netns"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// open opens a socket of the protocol that the kernel leaves to programs, in a namespace
// where port ids are free.
func open(t *testing.T, in *netns.Namespace, port uint32) (s *socket) {
	t.Helper()
	in.Do(func() (err error) {
		s, err = openSocket(unix.NETLINK_USERSOCK, port)
		return err
	})
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSocket(t *testing.T) {
	in := netns.New(t)
	a, b := open(t, in, ourPort), open(t, in, otherPort)
	for _, r := range readRecording(t, "abi2") {
		if err := a.sendTo(r.bytes, otherPort); err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		messages, err := b.Receive()
		if err != nil || len(messages) != 1 {
			t.Fatalf("%s: Receive() = %d messages, %v; want 1", r.name, len(messages), err)
		}
		m, err := decode(messages[0])
		if err != nil {
			t.Fatalf("%s: decode() = %v", r.name, err)
		}
		if want, err := decode(receive(t, append(r.bytes, make([]byte, -len(r.bytes)&3)...))); err != nil || !cmp.Equal(want, m, cmp.AllowUnexported(message{})) {
			t.Errorf("%s: received %v; want %v, %v", r.name, m, want, err)
		}
	}
	if err := a.Send(message{id: msgHello}.encode(ourPort)); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("Send() to a kernel that does not listen = %v; want ECONNREFUSED", err)
	}
	ended := make(chan error)
	go func() {
		_, err := b.Receive()
		ended <- err
	}()
	b.Close()
	if err := <-ended; err == nil {
		t.Error("Receive() goes on after Close")
	}
}

func TestSocketTaken(t *testing.T) {
	in := netns.New(t)
	open(t, in, ourPort)
	in.Do(func() error {
		_, err := openSocket(unix.NETLINK_USERSOCK, ourPort)
		if !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), "port id 100, our process id, is taken") {
			t.Errorf("openSocket() = %v; want EADDRINUSE, and what it means", err)
		}
		return nil
	})
}

func TestSocketAbsent(t *testing.T) {
	netns.New(t).Do(func() error {
		if _, _, err := dial(ourPort); !errors.Is(err, errNotLoaded) {
			t.Errorf("dial() = %v; want %v", err, errNotLoaded)
		}
		return nil
	})
}

// sockets is the kernel's list while a daemon, process 183, uses the module.
const sockets = `sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
000000000dc3d284 0   0          00000000 0        0        0     2        0        4       
0000000019c64663 0   700        00000550 0        0        0     2        0        560     
000000005d4c94af 29  0          00000000 0        0        0     2        0        562     
0000000063467679 29  183        00000000 0        0        0     2        0        174     
000000005d4c94ae 31  0          00000000 0        0        0     2        0        561     
0000000063467678 31  183        00000000 0        0        0     2        0        173     
`

func TestOtherUser(t *testing.T) {
	for _, test := range []struct {
		name, list string
		port       uint32
		want       uint32
	}{
		{"ourselves", sockets, 183, 0},
		{"another", sockets, 184, 183},
		{"both", sockets + "0 31 184\n", 184, 183},
		{"bound by the kernel", "0 31 4294962939 00000000\n", 184, 4294962939},
		{"nobody", "", 184, 0},
	} {
		got, err := otherUser(strings.NewReader(test.list), test.port)
		if got != test.want || err != nil {
			t.Errorf("%s: otherUser() = %d, %v; want %d", test.name, got, err, test.want)
		}
	}
}

func FuzzOtherUser(f *testing.F) {
	f.Add(sockets, uint32(183))
	f.Fuzz(func(t *testing.T, list string, port uint32) {
		got, err := otherUser(strings.NewReader(list), port)
		if err == nil && got != 0 && got == port {
			t.Errorf("otherUser(%d) finds ourselves", port)
		}
	})
}
