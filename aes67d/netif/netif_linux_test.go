package netif

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// patience is how long a test waits for the kernel before it fails.
const patience = 20 * time.Second

var compare = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

// inNamespace runs a test in a network namespace of its own, and so needs root. The
// thread is never given back: it ends with the goroutine, and the namespace with it.
func inNamespace(t *testing.T, test func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		ns, err := netns.New()
		if err != nil {
			done <- fmt.Errorf("make a network namespace: %w", err)
			return
		}
		defer ns.Close()
		done <- test()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// pair makes two interfaces, a cable's ends, of which eth0 has this MAC address.
func pair(mac net.HardwareAddr) error {
	return netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: "eth0", HardwareAddr: mac}, PeerName: "peer0",
	})
}

func up(name string) error   { return with(name, netlink.LinkSetUp) }
func down(name string) error { return with(name, netlink.LinkSetDown) }

func address(do func(netlink.Link, *netlink.Addr) error, name, prefix string) error {
	a, err := netlink.ParseAddr(prefix)
	if err != nil {
		return err
	}
	return with(name, func(l netlink.Link) error { return do(l, a) })
}

func with(name string, do func(netlink.Link) error) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return do(l)
}

func TestList(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	inNamespace(t, func() error {
		for _, step := range []func() error{
			func() error { return pair(mac) },
			func() error { return up("lo") },
			func() error { return up("eth0") },
			func() error { return address(netlink.AddrAdd, "eth0", "10.1.0.1/24") },
			func() error { return address(netlink.AddrAdd, "eth0", "169.254.3.4/16") },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		got, err := List()
		if err != nil {
			return err
		}
		for i := range got {
			got[i].Index = 0
			if len(got[i].MAC) == 6 && got[i].Loopback {
				got[i].MAC = nil // all zeros on some kernels, nothing on others
			}
		}
		want := []Interface{
			{Name: "lo", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}, Loopback: true, Carrier: true},
			// Its other end is down, so nothing can pass; that end is not listed.
			{Name: "eth0", MAC: mac, Multicast: true, Addresses: []netip.Prefix{
				netip.MustParsePrefix("10.1.0.1/24"), netip.MustParsePrefix("169.254.3.4/16"),
			}},
		}
		if diff := cmp.Diff(want, got, compare); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		return nil
	})
}

// TestWatch changes one thing after the other and waits to be told of each.
func TestWatch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	inNamespace(t, func() error {
		changes, err := Watch(ctx, slog.New(slog.NewTextHandler(io.Discard, nil)))
		if err != nil {
			return err
		}
		var before []Interface
		first := true
		until := func(what string, is func([]Interface) bool) error {
			for deadline := time.After(patience); ; {
				select {
				case now, ok := <-changes:
					if !ok {
						return fmt.Errorf("the list ended before: %s", what)
					}
					if !first && slices.EqualFunc(before, now, equal) {
						return fmt.Errorf("told again what has not changed: %v", now)
					}
					before, first = now, false
					if is(now) {
						return nil
					}
				case <-deadline:
					return fmt.Errorf("not told: %s", what)
				}
			}
		}
		eth0 := func(is func(Interface) bool) func([]Interface) bool {
			return func(list []Interface) bool {
				for _, i := range list {
					if i.Name == "eth0" {
						return is(i)
					}
				}
				return false
			}
		}
		none := func(list []Interface) bool { return len(list) == 0 }
		for _, step := range []struct {
			what string
			do   func() error
			is   func([]Interface) bool
		}{
			{"nothing is up", func() error { return nil }, none},
			{"eth0 is up", func() error {
				if err := pair(nil); err != nil {
					return err
				}
				return up("eth0")
			}, eth0(func(i Interface) bool { return !i.Carrier })},
			{"the cable is in", func() error { return up("peer0") }, eth0(func(i Interface) bool { return i.Carrier })},
			{"an address came", func() error { return address(netlink.AddrAdd, "eth0", "10.1.0.1/24") },
				eth0(func(i Interface) bool { return len(i.Addresses) == 1 })},
			{"the address went", func() error { return address(netlink.AddrDel, "eth0", "10.1.0.1/24") },
				eth0(func(i Interface) bool { return len(i.Addresses) == 0 })},
			{"another MAC address", func() error {
				return with("eth0", func(l netlink.Link) error {
					return netlink.LinkSetHardwareAddr(l, net.HardwareAddr{2, 0, 0, 0, 0, 7})
				})
			}, eth0(func(i Interface) bool { return i.MAC.String() == "02:00:00:00:00:07" })},
			{"eth0 is down", func() error { return down("eth0") }, func(list []Interface) bool { return !eth0(func(Interface) bool { return true })(list) }},
			{"the interface went", func() error { return with("eth0", netlink.LinkDel) }, none},
		} {
			if err := step.do(); err != nil {
				return fmt.Errorf("%s: %w", step.what, err)
			}
			if err := until(step.what, step.is); err != nil {
				return err
			}
		}

		// A reader who was away finds the newest list, not those in between.
		if err := pair(nil); err != nil {
			return err
		}
		if err := up("eth0"); err != nil {
			return err
		}
		const last = 200
		for n := 1; n <= last; n++ {
			if err := address(netlink.AddrAdd, "eth0", fmt.Sprintf("10.2.0.%d/32", n)); err != nil {
				return err
			}
		}
		lists := 0
		if err := until("all addresses", eth0(func(i Interface) bool { lists++; return len(i.Addresses) == last })); err != nil {
			return err
		}
		if lists > 2 { // one that was waiting, and the newest
			t.Errorf("%d addresses came as %d lists to a reader who was away; want the newest", last, lists)
		}

		cancel()
		for range changes { // ends with ctx
		}
		return nil
	})
}

// TestEqual changes one thing at a time.
func TestEqual(t *testing.T) {
	example := func() Interface {
		return Interface{Index: 2, Name: "eth0", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1},
			Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24")}}
	}
	for name, change := range map[string]func(*Interface){
		"index":     func(i *Interface) { i.Index++ },
		"name":      func(i *Interface) { i.Name = "eth1" },
		"MAC":       func(i *Interface) { i.MAC[5]++ },
		"address":   func(i *Interface) { i.Addresses[0] = netip.MustParsePrefix("10.1.0.2/24") },
		"prefix":    func(i *Interface) { i.Addresses[0] = netip.MustParsePrefix("10.1.0.1/16") },
		"loopback":  func(i *Interface) { i.Loopback = true },
		"multicast": func(i *Interface) { i.Multicast = true },
		"carrier":   func(i *Interface) { i.Carrier = true },
		"wireless":  func(i *Interface) { i.Wireless = true },
	} {
		a, b := example(), example()
		if !equal(a, b) {
			t.Fatal("equal = false; want true where nothing has changed")
		}
		if change(&b); equal(a, b) {
			t.Errorf("equal = true; want false where the %s has changed", name)
		}
	}
}

func TestWireless(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"wlan0/phy80211", "wlan1/wireless", "eth0/statistics"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{"wlan0": true, "wlan1": true, "eth0": false, "gone0": false} {
		if got := wireless(dir, name); got != want {
			t.Errorf("wireless(%s) = %v; want %v", name, got, want)
		}
	}
}
