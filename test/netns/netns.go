// Package netns gives tests networks of their own: Linux network namespaces, joined by
// cables (veth pairs). Nothing that happens there reaches the host's network. It needs
// root.
//
// A namespace belongs to a thread, and a goroutine runs on any. So there are two ways.
// What opens its sockets once, at the beginning, can be made to do so in a namespace by
// [Namespace.Do]. What opens them whenever it wants, on goroutines of its own, needs a
// whole program in the namespace: see [Isolate].
package netns

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// T is what is needed of a [testing.TB], so that a program that measures can be one.
type T interface {
	Helper()
	// Cleanup has f called in the end, the last f first.
	Cleanup(f func())
	Context() context.Context
	TempDir() string
	Logf(format string, a ...any)
	Errorf(format string, a ...any)
	// Fatal and Fatalf do not return.
	Fatal(a ...any)
	Fatalf(format string, a ...any)
	Failed() bool
}

// Namespace is a network namespace with a loopback interface that is up. It lasts as
// long as the test, or a socket or process in it.
type Namespace struct {
	t    T
	work chan func() error
	done chan error
}

// New makes a namespace for the test.
func New(t T) *Namespace {
	t.Helper()
	n := Here(t)
	n.Do(func() error {
		ns, err := netns.New()
		if err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		return ns.Close() // the thread keeps it
	})
	n.Configure("lo")
	return n
}

// Here is the namespace that the program is in.
func Here(t T) *Namespace {
	n := &Namespace{t: t, work: make(chan func() error), done: make(chan error)}
	go func() {
		// Never unlocked: the thread may be spoilt, and ends with the goroutine.
		runtime.LockOSThread()
		for f := range n.work {
			n.done <- f()
		}
	}()
	t.Cleanup(func() { close(n.work) })
	return n
}

// isolated tells a program that it is the second that [Isolate] is called in.
const isolated = "AES67OS_TEST_ISOLATED"

// Isolate puts the program into a namespace of its own, for a TestMain to call before
// anything else: a thread takes the new namespace and becomes the whole process by
// executing the program again. There it returns nil. All interfaces are down there.
func Isolate() error {
	if os.Getenv(isolated) != "" {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace, which needs root: %w", err)
	}
	return fmt.Errorf("execute %s: %w", program, syscall.Exec(program, os.Args, append(os.Environ(), isolated+"=1")))
}

// Main runs a program's tests in a network of their own, whose only interface is a loopback
// that is up, and ends the program.
func Main(m interface{ Run() int }) {
	err := Isolate()
	if err == nil {
		var lo netlink.Link
		if lo, err = netlink.LinkByName("lo"); err == nil {
			err = netlink.LinkSetUp(lo)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Do runs f in the namespace, on its thread, and fails the test on an error. Sockets
// that f opens and processes that it starts are, and stay, in the namespace;
// goroutines that it starts are not. f must not use methods of n.
func (n *Namespace) Do(f func() error) {
	n.t.Helper()
	n.work <- f
	if err := <-n.done; err != nil {
		n.t.Fatal(err)
	}
}

// Run runs a program in the namespace and returns what it prints. The test fails if the
// program does.
func (n *Namespace) Run(name string, arguments ...string) (output string) {
	n.t.Helper()
	n.Do(func() error {
		out, err := exec.CommandContext(n.t.Context(), name, arguments...).CombinedOutput()
		output = string(out)
		if err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, out)
		}
		return nil
	})
	return output
}

// Start starts a program in the namespace.
func (n *Namespace) Start(c *exec.Cmd) {
	n.t.Helper()
	n.Do(c.Start)
}

// Link has do, such as [netlink.LinkSetDown], done to an interface.
func (n *Namespace) Link(name string, do func(netlink.Link) error) {
	n.t.Helper()
	n.Do(func() error {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = do(l)
		}
		if err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
		return nil
	})
}

// Index is the number of an interface.
func (n *Namespace) Index(name string) (index int) {
	n.t.Helper()
	n.Link(name, func(l netlink.Link) error {
		index = l.Attrs().Index
		return nil
	})
	return index
}

// Configure takes an interface up, with these addresses, each with the length of its
// subnet's prefix, besides what it has.
func (n *Namespace) Configure(name string, addresses ...string) {
	n.t.Helper()
	n.address(name, addresses)
	n.Link(name, netlink.LinkSetUp)
}

func (n *Namespace) address(name string, addresses []string) {
	n.t.Helper()
	n.Link(name, func(l netlink.Link) error {
		for _, address := range addresses {
			a, err := netlink.ParseAddr(address)
			if err != nil {
				return err
			}
			if err := netlink.AddrReplace(l, a); err != nil {
				return fmt.Errorf("address %s: %w", address, err)
			}
		}
		return nil
	})
}

// Unconfigure takes an address from an interface.
func (n *Namespace) Unconfigure(name, address string) {
	n.t.Helper()
	n.Link(name, func(l netlink.Link) error {
		a, err := netlink.ParseAddr(address)
		if err != nil {
			return err
		}
		return netlink.AddrDel(l, a)
	})
}

// Sysctl sets one of the kernel's parameters that a namespace has of its own, such as
// net.ipv4.igmp_max_memberships.
func (n *Namespace) Sysctl(name, value string) {
	n.t.Helper()
	n.Do(func() error {
		return os.WriteFile("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), []byte(value), 0)
	})
}

// End is one end of a cable.
type End struct {
	Namespace *Namespace
	// Interface is its name there.
	Interface string
	// Addresses are as for [Namespace.Configure].
	Addresses []string
	// MAC is its hardware address, nil for any.
	MAC net.HardwareAddr
	// Index is its number, 0 for any. Only the first end of a cable can have one.
	Index int
	// Down leaves it down.
	Down bool
}

// Cable joins two ends, which may be in one namespace.
func Cable(a, b End) {
	t := a.Namespace.t
	t.Helper()
	if b.Index != 0 {
		t.Fatalf("%s, second end of a cable, cannot have the index %d", b.Interface, b.Index)
	}
	var other netns.NsHandle
	b.Namespace.Do(func() (err error) {
		other, err = netns.Get()
		return err
	})
	defer other.Close()
	a.Namespace.Do(func() error {
		err := netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: a.Interface, HardwareAddr: a.MAC, Index: a.Index},
			PeerName:  b.Interface, PeerHardwareAddr: b.MAC, PeerNamespace: netlink.NsFd(other),
		})
		if err != nil {
			return fmt.Errorf("make a cable from %s to %s: %w", a.Interface, b.Interface, err)
		}
		return nil
	})
	for _, end := range []End{a, b} {
		end.Namespace.address(end.Interface, end.Addresses)
		if !end.Down {
			end.Namespace.Link(end.Interface, netlink.LinkSetUp)
		}
	}
}

// Pair makes two namespaces with a cable between, at both ends eth0, with an address
// each.
func Pair(t T, address, other string) (one, two *Namespace) {
	t.Helper()
	one, two = New(t), New(t)
	Cable(End{Namespace: one, Interface: "eth0", Addresses: []string{address}},
		End{Namespace: two, Interface: "eth0", Addresses: []string{other}})
	return one, two
}
