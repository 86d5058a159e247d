package network

import (
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A worker that was busy sees that the carrier was lost in between, however often,
// though it gets only the newest state.
func TestCarrierLossIsNotMissed(t *testing.T) {
	link := func(up bool) netlink.Link {
		a := netlink.LinkAttrs{Index: 7, Name: "eth0", HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}}
		if up {
			a.RawFlags = unix.IFF_RUNNING
		}
		return &netlink.Device{LinkAttrs: a}
	}
	for _, tt := range []struct {
		name string
		seen []bool
		want carrier
	}{
		{"up", []bool{true}, carrier{up: true}},
		{"other changes of the link", []bool{true, true, true}, carrier{up: true}},
		{"down", []bool{true, false}, carrier{losses: 1}},
		{"down and up", []bool{true, false, true}, carrier{up: true, losses: 1}},
		{"twice", []bool{true, false, true, false, true}, carrier{up: true, losses: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &worker{name: "eth0", hw: net.HardwareAddr{2, 0, 0, 0, 0, 1}, carrier: make(chan carrier, 1)}
			m := &Manager{workers: map[int]*managed{7: {worker: w}}}
			for _, up := range tt.seen {
				m.update(t.Context(), link(up))
			}
			if diff := cmp.Diff(tt.want, <-w.carrier, cmp.AllowUnexported(carrier{})); diff != "" {
				t.Errorf("carrier (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLifetime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                "for ever",
		3 * time.Second:  "3 s",
		90 * time.Second: "90 s",
		10 * time.Minute: "10 min",
		12 * time.Hour:   "12 h",
	} {
		if got := lifetime(d); got != want {
			t.Errorf("lifetime(%v) = %q, want %q", d, got, want)
		}
	}
}
