// Package netns gives tests networks of their own: Linux network namespaces, joined by
// cables (veth pairs). Nothing that happens there reaches the host's network. It needs
// root.
package netns

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
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
	n := &Namespace{t: t, work: make(chan func() error), done: make(chan error)}
	go func() {
		// Never unlocked: the thread is spoilt and ends with the goroutine.
		runtime.LockOSThread()
		for f := range n.work {
			n.done <- f()
		}
	}()
	t.Cleanup(func() { close(n.work) })
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

// Do runs f in the namespace, on its thread, and fails the test on an error. Sockets
// that f opens and processes that it starts are, and stay, in the namespace;
// goroutines that it starts are not.
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

// Configure takes an interface up, with these addresses, each with the length of its
// subnet's prefix, besides what it has.
func (n *Namespace) Configure(name string, addresses ...string) {
	n.t.Helper()
	n.Do(func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
		for _, address := range addresses {
			a, err := netlink.ParseAddr(address)
			if err != nil {
				return err
			}
			if err := netlink.AddrReplace(l, a); err != nil {
				return fmt.Errorf("give %s the address %s: %w", name, address, err)
			}
		}
		return netlink.LinkSetUp(l)
	})
}

// End is one end of a cable.
type End struct {
	Namespace *Namespace
	// Interface is its name there.
	Interface string
	// Addresses are as for [Namespace.Configure].
	Addresses []string
}

// Cable joins two namespaces; both ends are up.
func Cable(a, b End) {
	a.Namespace.t.Helper()
	var other netns.NsHandle
	b.Namespace.Do(func() (err error) {
		other, err = netns.Get()
		return err
	})
	defer other.Close()
	a.Namespace.Do(func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: a.Interface}, PeerName: b.Interface, PeerNamespace: netlink.NsFd(other),
		})
	})
	for _, end := range []End{a, b} {
		end.Namespace.Configure(end.Interface, end.Addresses...)
	}
}
