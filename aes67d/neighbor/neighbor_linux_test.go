package neighbor

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"aes67os/test/netns"

	"github.com/vishvananda/netlink"
)

// TestResolve has a router between two networks.
func TestResolve(t *testing.T) {
	us, router := netns.Pair(t, "192.0.2.1/24", "192.0.2.254/24")
	router.Configure("eth0", "198.51.100.1/24")
	var theirs net.HardwareAddr
	router.Link("eth0", func(l netlink.Link) error {
		theirs = l.Attrs().HardwareAddr
		return nil
	})
	us.Run("ip", "route", "add", "default", "via", "192.0.2.254")
	index := us.Index("eth0")
	for _, test := range []struct {
		name, host string
		want       net.HardwareAddr
		words      string
	}{
		{"a host on the link", "192.0.2.254", theirs, ""},
		{"the same, known by now", "192.0.2.254", theirs, ""},
		{"a host behind the router", "198.51.100.1", theirs, ""},
		{"this host", "192.0.2.1", make(net.HardwareAddr, 6), ""},
		{"nobody", "192.0.2.77", nil, "192.0.2.77 does not answer"},
	} {
		us.Do(func() error {
			mac, err := Resolve(t.Context(), index, netip.MustParseAddr(test.host))
			switch {
			case test.words != "" && (err == nil || !strings.Contains(err.Error(), test.words)):
				t.Errorf("%s: %v, %v; want an error with %q", test.name, mac, err, test.words)
			case test.words == "" && (err != nil || mac.String() != test.want.String()):
				t.Errorf("%s: %v, %v; want %v", test.name, mac, err, test.want)
			}
			return nil
		})
	}
}
