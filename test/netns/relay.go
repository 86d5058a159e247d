package netns

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Impairment is what a bad network does to packets, each way. The zero value does nothing.
type Impairment struct {
	// Delay is how long a packet is held, give or take Jitter, evenly distributed.
	Delay, Jitter time.Duration
	// Reorder is the share of packets, 0 to 1, that are not held, and so overtake others.
	Reorder float64
	// Loss is the share of packets, 0 to 1, that are lost.
	Loss float64
}

// Relay is a cable with somebody in the middle who can treat packets badly. The kernel's
// netem does the same, but not every kernel has it, and it does not tell which packets it
// has lost.
//
// The one in the middle is a process of its own. See [ServeRelay].
type Relay struct {
	t      T
	middle *Namespace

	mu         sync.Mutex
	impairment Impairment
	ask        *json.Encoder
	answers    *json.Decoder
}

// relayPriority is above those of the daemon's threads.
const relayPriority = "80"

// NewRelay joins two ends by way of a namespace in the middle, until the test ends. It adds
// some 50 µs.
func NewRelay(a, b End) *Relay {
	t := a.Namespace.t
	t.Helper()
	middle := New(t)
	Cable(a, End{Namespace: middle, Interface: "a"})
	Cable(b, End{Namespace: middle, Interface: "b"})
	var taps []*os.File
	for _, name := range []string{"a", "b"} {
		tap := os.NewFile(uintptr(middle.tap(name)), name)
		defer tap.Close()
		taps = append(taps, tap)
	}
	in, out := Itself(t, relaying, "rr", relayPriority, taps...)
	r := &Relay{t: t, middle: middle, ask: json.NewEncoder(in), answers: json.NewDecoder(out)}
	r.Set(Impairment{})
	return r
}

// Set changes what happens to packets from now on.
func (r *Relay) Set(i Impairment) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.impairment = i
	r.tell()
}

// Pull takes the cable out at both ends, which lose their carrier.
func (r *Relay) Pull() { r.ends(netlink.LinkSetDown) }

// Plug puts the cable back in.
func (r *Relay) Plug() { r.ends(netlink.LinkSetUp) }

func (r *Relay) ends(do func(netlink.Link) error) {
	r.t.Helper()
	for _, name := range []string{"a", "b"} {
		r.middle.Link(name, do)
	}
}

// Lost is how many UDP packets to a port were lost, both ways together.
func (r *Relay) Lost(port uint16) int {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tell()[port]
}

// tell tells the process what to do, and returns how many packets it has lost by now.
func (r *Relay) tell() (lost map[uint16]int) {
	r.t.Helper()
	if err := r.ask.Encode(r.impairment); err != nil {
		r.t.Fatalf("a relay of packets has ended: %v", err)
	}
	if err := r.answers.Decode(&lost); err != nil {
		r.t.Fatalf("a relay of packets has ended: %v", err)
	}
	return lost
}

// tap opens a socket for all that comes by an interface.
func (n *Namespace) tap(name string) (fd int) {
	n.t.Helper()
	n.Link(name, netlink.SetPromiscOn)
	index := n.Index(name)
	n.Do(func() (err error) {
		all := binary.NativeEndian.Uint16([]byte{unix.ETH_P_ALL >> 8, unix.ETH_P_ALL & 0xff})
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open a packet socket: %w", err)
		}
		for _, option := range []struct{ level, name, value int }{
			{unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16 << 20},
			// Cables leave checksums to whoever has the packet last; this header says so.
			{unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
			{unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
		} {
			if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
				return fmt.Errorf("set up a packet socket: %w", err)
			}
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})
	})
	return fd
}
