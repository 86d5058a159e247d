package ptp

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"aes67os/test/netns"
)

// pretend has a wire believe that its interface has a clock.
func pretend(t *testing.T, u *udp) *fakeCard {
	t.Helper()
	c := &fakeCard{is: able(unix.HWTSTAMP_FILTER_PTP_V2_EVENT)}
	read := func() (crossing, error) { return bracket(unix.CLOCK_BOOTTIME) }
	err := u.stamps.begin(c, func(_ int32, h *host) (*phc, error) { return newPHC(h, read, func() {}) })
	if err != nil {
		t.Fatal(err)
	}
	if s := u.Stamping(); !s.hardware || !c.on() {
		t.Fatalf("timestamps %+v of a card that is set to %+v", s, c.now)
	}
	return c
}

func (c *fakeCard) on() bool { return c.now.Tx_type == unix.HWTSTAMP_TX_ON }

// TestStampsDoNotCome has cards that take no timestamps although they say so, which are
// those of veth with a clock that we made up. The kernel's take their place, and the card
// is set back.
func TestStampsDoNotCome(t *testing.T) {
	t.Parallel()
	one, two := netns.Pair(t, "10.68.6.1/24", "10.68.6.2/24")
	wires := openWires(t, newHost(readClocks, kernelTAI), 0, one, two)
	received := make(chan packet, 100)
	from, to := wires[0], wires[1]
	ended := make(chan error, 2)
	go func() { ended <- from.Receive(func(packet) {}) }()
	go func() { ended <- to.Receive(func(p packet) { received <- p }) }()
	for _, u := range wires {
		if s := u.Stamping(); s.hardware || !errors.Is(s.why, errNoHardware) {
			t.Errorf("timestamps %+v; want software, because of %v", s, errNoHardware)
		}
	}
	tick := time.NewTicker(10 * time.Millisecond) // the kernel looks after cables a little later
	defer tick.Stop()
	for from.carrier() != nil || to.carrier() != nil {
		<-tick.C
	}
	senders, receivers := pretend(t, from), pretend(t, to)
	event := make([]byte, syncSize)
	event[0], event[1] = 1, version
	sent := 0
	send := func(b []byte) {
		t.Helper()
		_, stamped, err := from.SendEvent(b, group)
		if err != nil {
			t.Fatal(err)
		}
		if sent++; stamped != (sent > maxMisses) {
			t.Errorf("message %d: time of sending known: %v", sent, stamped)
		}
	}
	next := func() packet {
		t.Helper()
		select {
		case p := <-received:
			return p
		case <-time.After(patience):
			t.Fatal("nothing comes")
		}
		return packet{}
	}
	for n := 1; n <= maxLost; n++ {
		if s := to.Stamping(); !s.hardware {
			t.Errorf("before message %d timestamps are %+v", n, s)
		}
		send(event)
		send([]byte("no PTP, of which cards take no time"))
		if p := next(); p.stamped {
			t.Errorf("message %d came at %d; want no time", n, p.stamp)
		}
		next()
	}
	for _, test := range []struct {
		u    *udp
		c    *fakeCard
		want string
	}{
		{from, senders, "does not tell when messages leave"},
		{to, receivers, "come without a timestamp"},
	} {
		if s := test.u.Stamping(); s.hardware || s.why == nil || !strings.Contains(s.why.Error(), test.want) || test.c.on() {
			t.Errorf("timestamps %+v, card %+v; want software, because %q, and the card set back", s, test.c.now, test.want)
		}
	}
	send(event)
	if p := next(); !p.stamped {
		t.Error("the kernel does not tell when a message came")
	}
	senders = pretend(t, from)
	from.Close()
	to.Close()
	if senders.on() {
		t.Error("the card is not set back at the end")
	}
	for range 2 {
		<-ended
	}
}

// TestStampsBegin has what cannot be used of a card tried, and given up.
func TestStampsBegin(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		name            string
		open, configure error
		socket          error
	}{
		{"no rights on the card", nil, unix.EPERM, nil},
		{"no rights on the clock", unix.EACCES, nil, nil},
		{"the socket has none", nil, nil, broken},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &fakeCard{is: able(unix.HWTSTAMP_FILTER_PTP_V2_EVENT), fault: test.configure}
			o := oscillator{}
			closed := 0
			open := func(_ int32, h *host) (*phc, error) {
				if test.open != nil {
					return nil, test.open
				}
				return newPHC(h, o.read, func() { closed++ })
			}
			asked := 0
			s := stamps{host: o.host(), control: func(func(int) error) error {
				if asked++; test.socket != nil && asked == 1 {
					return test.socket
				}
				return nil
			}}
			if err := s.begin(c, open); err != nil {
				t.Fatal(err)
			}
			why := errors.Join(test.open, test.configure, test.socket)
			if got := s.stamping(); got.hardware || got.why == nil || !strings.Contains(got.why.Error(), why.Error()) {
				t.Errorf("timestamps %+v; want software, because %v", got, why)
			}
			if c.on() || test.socket != nil && closed != 1 {
				t.Errorf("the card is left at %+v, its clock closed %d times", c.now, closed)
			}
		})
	}
}

// TestStampsArrive checks where in the kernel's control messages the timestamp is looked
// for, and what counts as lost.
func TestStampsArrive(t *testing.T) {
	control := func(software, hardware int64) []byte {
		b := make([]byte, unix.CmsgSpace(48))
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		h.Level, h.Type = unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW
		h.SetLen(unix.CmsgLen(48))
		for i, ns := range []int64{software, 0, hardware} {
			binary.NativeEndian.PutUint64(b[unix.CmsgLen(0)+16*i:], uint64(ns/1e9))
			binary.NativeEndian.PutUint64(b[unix.CmsgLen(0)+16*i+8:], uint64(ns%1e9))
		}
		return b
	}
	o := oscillator{now: 1e12, ahead: 5e15}
	s := stamps{host: o.host(), control: func(func(int) error) error { return nil }}
	c := &fakeCard{is: able(unix.HWTSTAMP_FILTER_PTP_V2_EVENT)}
	if err := s.begin(c, func(_ int32, h *host) (*phc, error) { return newPHC(h, o.read, func() {}) }); err != nil {
		t.Fatal(err)
	}
	event := make([]byte, syncSize)
	event[1] = version
	come := func(message, control []byte, own bool) (age int64) {
		o.now += 20 * ms
		raw, ok := s.arrived(message, control, own)
		if !ok {
			return -1
		}
		return o.now - raw
	}
	stamped := func(age int64) []byte { return control(0, o.time()+20*ms-age) }
	for range 3 {
		for range maxLost - 1 {
			if age := come(event, nil, false); age >= 0 {
				t.Errorf("a message without a timestamp came %d ns ago", age)
			}
		}
		if age := come(event, stamped(700), false); age != 700 {
			t.Errorf("one that came 700 ns ago came %d ns ago", age)
		}
	}
	for range 2 * maxLost {
		come(event, nil, true)
		come(event[:20], nil, false)
		come(append([]byte{8}, event[1:]...), nil, false)
		come(append([]byte{0, 1}, event[2:]...), nil, false)
	}
	if got := s.stamping(); !got.hardware {
		t.Fatalf("timestamps %+v though only such were lost as cards do not take", got)
	}
	for range maxLost {
		come(event, stamped(2e9), false)
	}
	if got := s.stamping(); got.hardware {
		t.Fatal("timestamps of the card though they are of no use")
	}
	if age := come(event, control(o.now+20*ms-900, 0), false); age != 900 {
		t.Errorf("by the kernel one that came 900 ns ago came %d ns ago", age)
	}
}
