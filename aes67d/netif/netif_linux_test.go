package netif

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"aes67os/test/netns"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

// patience is how long a test waits for the kernel before it fails.
const patience = 20 * time.Second

var compare = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

// cable makes two interfaces, a cable's ends, of which eth0 has this MAC address.
func cable(in *netns.Namespace, mac net.HardwareAddr) {
	netns.Cable(netns.End{Namespace: in, Interface: "eth0", MAC: mac, Down: true},
		netns.End{Namespace: in, Interface: "peer0", Down: true})
}

func TestList(t *testing.T) {
	in := netns.New(t)
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	cable(in, mac)
	in.Configure("eth0", "10.1.0.1/24", "169.254.3.4/16")
	var got []Interface
	in.Do(func() (err error) {
		got, err = List()
		return err
	})
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
}

// TestWatch changes one thing after the other and waits to be told of each.
func TestWatch(t *testing.T) {
	in := netns.New(t)
	in.Link("lo", netlink.LinkSetDown)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var changes <-chan []Interface
	in.Do(func() (err error) {
		changes, err = Watch(ctx, slog.New(slog.DiscardHandler))
		return err
	})
	var before []Interface
	first := true
	until := func(what string, is func([]Interface) bool) {
		t.Helper()
		for deadline := time.After(patience); ; {
			select {
			case now, ok := <-changes:
				if !ok {
					t.Fatalf("the list ended before: %s", what)
				}
				if !first && slices.EqualFunc(before, now, equal) {
					t.Fatalf("told again what has not changed: %v", now)
				}
				before, first = now, false
				if is(now) {
					return
				}
			case <-deadline:
				t.Fatalf("not told: %s", what)
			}
		}
	}
	eth0 := func(is func(Interface) bool) func([]Interface) bool {
		return func(list []Interface) bool {
			return slices.ContainsFunc(list, func(i Interface) bool { return i.Name == "eth0" && is(i) })
		}
	}
	there := eth0(func(Interface) bool { return true })
	none := func(list []Interface) bool { return len(list) == 0 }
	for _, step := range []struct {
		what string
		do   func()
		is   func([]Interface) bool
	}{
		{"nothing is up", func() {}, none},
		{"eth0 is up", func() {
			cable(in, nil)
			in.Configure("eth0")
		}, eth0(func(i Interface) bool { return !i.Carrier })},
		{"the cable is in", func() { in.Configure("peer0") }, eth0(func(i Interface) bool { return i.Carrier })},
		{"an address came", func() { in.Configure("eth0", "10.1.0.1/24") },
			eth0(func(i Interface) bool { return len(i.Addresses) == 1 })},
		{"the address went", func() { in.Unconfigure("eth0", "10.1.0.1/24") },
			eth0(func(i Interface) bool { return len(i.Addresses) == 0 })},
		{"another MAC address", func() {
			in.Link("eth0", func(l netlink.Link) error {
				return netlink.LinkSetHardwareAddr(l, net.HardwareAddr{2, 0, 0, 0, 0, 7})
			})
		}, eth0(func(i Interface) bool { return i.MAC.String() == "02:00:00:00:00:07" })},
		{"eth0 is down", func() { in.Link("eth0", netlink.LinkSetDown) }, func(list []Interface) bool { return !there(list) }},
		{"the interface went", func() { in.Link("eth0", netlink.LinkDel) }, none},
	} {
		step.do()
		until(step.what, step.is)
	}

	// A reader who was away finds the newest list, not those in between.
	const last = 200
	var addresses []string
	for n := 1; n <= last; n++ {
		addresses = append(addresses, fmt.Sprintf("10.2.0.%d/32", n))
	}
	cable(in, nil)
	in.Configure("eth0")
	in.Configure("eth0", addresses...)
	lists := 0
	until("all addresses", eth0(func(i Interface) bool { lists++; return len(i.Addresses) == last }))
	if lists > 2 { // one that was waiting, and the newest
		t.Errorf("%d addresses came as %d lists to a reader who was away; want the newest", last, lists)
	}

	cancel()
	for range changes { // ends with ctx
	}
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
