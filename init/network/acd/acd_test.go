package acd_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/init/network/acd"
	"aes67os/init/network/arp"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	ours     = arp.MAC{2, 0, 0, 0, 0, 1}
	theirs   = arp.MAC{2, 0, 0, 0, 0, 2}
	addr     = netip.MustParseAddr("169.254.7.9")
	other    = netip.MustParseAddr("169.254.7.10")
	sameAddr = cmpopts.EquateComparable(netip.Addr{})
)

// sent is a packet with the time at which it left.
type sent struct {
	At     time.Duration
	Packet arp.Packet
}

// wire is a segment in memory.
type wire struct {
	start  time.Time
	sent   []sent
	in     chan arp.Packet
	closed chan struct{}
}

func newWire() *wire {
	return &wire{start: time.Now(), in: make(chan arp.Packet), closed: make(chan struct{})}
}

func (w *wire) Send(p arp.Packet) error {
	w.sent = append(w.sent, sent{time.Since(w.start), p})
	return nil
}

func (w *wire) Receive() (arp.Packet, error) {
	select {
	case p, ok := <-w.in:
		if !ok {
			return arp.Packet{}, io.ErrUnexpectedEOF
		}
		return p, nil
	case <-w.closed:
		return arp.Packet{}, io.ErrClosedPipe
	}
}

func (w *wire) Close() error {
	close(w.closed)
	return nil
}

// hear delivers a packet after a time.
func (w *wire) hear(after time.Duration, p arp.Packet) {
	go func() {
		time.Sleep(after)
		w.in <- p
	}()
}

// even has no randomness left, but the RFC's other constants.
func even() acd.Timings {
	t := acd.DefaultTimings()
	t.ProbeWait = 0
	t.ProbeMin, t.ProbeMax = time.Second, time.Second
	return t
}

func TestProbeFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		d := acd.New(w, ours, even())
		defer d.Close()
		if err := d.Probe(t.Context(), addr); err != nil {
			t.Fatalf("Probe() = %v", err)
		}
		probe := arp.Probe(ours, addr)
		want := []sent{{0, probe}, {time.Second, probe}, {2 * time.Second, probe}}
		if diff := cmp.Diff(want, w.sent, sameAddr); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
		if got, want := time.Since(w.start), 4*time.Second; got != want {
			t.Errorf("Probe() took %v, want %v", got, want)
		}
	})
}

// With the RFC's own constants the times are random within limits.
func TestProbeRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			w := newWire()
			d := acd.New(w, ours, acd.DefaultTimings())
			if err := d.Probe(t.Context(), addr); err != nil {
				t.Fatalf("Probe() = %v", err)
			}
			d.Close()
			if len(w.sent) != 3 {
				t.Fatalf("%d probes, want 3", len(w.sent))
			}
			if at := w.sent[0].At; at > time.Second {
				t.Errorf("first probe at %v, want within PROBE_WAIT", at)
			}
			for i := range 2 {
				if gap := w.sent[i+1].At - w.sent[i].At; gap < time.Second || gap > 2*time.Second {
					t.Errorf("%v between probes, want PROBE_MIN to PROBE_MAX", gap)
				}
			}
		}
	})
}

func TestProbeHears(t *testing.T) {
	for _, tt := range []struct {
		name     string
		packet   arp.Packet
		after    time.Duration
		conflict bool
	}{
		{"reply", arp.Packet{Operation: arp.Reply, SenderMAC: theirs, SenderIP: addr, TargetMAC: ours}, time.Second, true},
		{"announcement", arp.Announcement(theirs, addr), time.Second, true},
		{"request by the owner", arp.Packet{Operation: arp.Request, SenderMAC: theirs, SenderIP: addr, TargetIP: other}, time.Second, true},
		{"in the last moment", arp.Announcement(theirs, addr), 3999 * time.Millisecond, true},
		{"somebody probes too", arp.Probe(theirs, addr), time.Second, true},
		{"our own probe comes back", arp.Probe(ours, addr), time.Second, false},
		{"another address is probed", arp.Probe(theirs, other), time.Second, false},
		{"another address is announced", arp.Announcement(theirs, other), time.Second, false},
		{"somebody asks for it", arp.Packet{Operation: arp.Request, SenderMAC: theirs, SenderIP: other, TargetIP: addr}, time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				d := acd.New(w, ours, even())
				defer d.Close()
				w.hear(tt.after, tt.packet)
				err := d.Probe(t.Context(), addr)
				if !tt.conflict {
					if err != nil {
						t.Errorf("Probe() = %v, want it free", err)
					}
					return
				}
				var got *acd.Conflict
				if !errors.As(err, &got) {
					t.Fatalf("Probe() = %v, want a conflict", err)
				}
				if diff := cmp.Diff(&acd.Conflict{Address: addr, MAC: theirs}, got, sameAddr); diff != "" {
					t.Errorf("conflict (-want +got):\n%s", diff)
				}
				if took := time.Since(w.start); took != tt.after {
					t.Errorf("Probe() took %v, want it to end at once, after %v", took, tt.after)
				}
			})
		})
	}
}

func TestHold(t *testing.T) {
	announcement := arp.Announcement(ours, addr)
	announced := []sent{{0, announcement}, {2 * time.Second, announcement}}
	conflict := arp.Announcement(theirs, addr)
	for _, tt := range []struct {
		name  string
		hears []sent
		want  []sent
		// end is when Hold gives up; 0 is never.
		end time.Duration
	}{
		{name: "quiet", want: announced},
		{
			name:  "one conflict is defended",
			hears: []sent{{5 * time.Second, conflict}},
			want:  append(announced[:2:2], sent{5 * time.Second, announcement}),
		},
		{
			name:  "two far apart are defended",
			hears: []sent{{5 * time.Second, conflict}, {15 * time.Second, conflict}},
			want:  append(announced[:2:2], sent{5 * time.Second, announcement}, sent{15 * time.Second, announcement}),
		},
		{
			name:  "two close together are not",
			hears: []sent{{5 * time.Second, conflict}, {14 * time.Second, conflict}},
			want:  append(announced[:2:2], sent{5 * time.Second, announcement}),
			end:   14 * time.Second,
		},
		{
			name:  "a conflict while still announcing",
			hears: []sent{{time.Second, conflict}},
			want:  []sent{{0, announcement}, {time.Second, announcement}, {2 * time.Second, announcement}},
		},
		{
			name:  "a probe by another is the kernel's to answer",
			hears: []sent{{5 * time.Second, arp.Probe(theirs, addr)}},
			want:  announced,
		},
		{
			name:  "our own announcement comes back",
			hears: []sent{{5 * time.Second, announcement}},
			want:  announced,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				d := acd.New(w, ours, even())
				defer d.Close()
				for _, h := range tt.hears {
					w.hear(h.At, h.Packet)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := d.Hold(ctx, addr)
				var conflict *acd.Conflict
				if gaveUp := errors.As(err, &conflict); gaveUp != (tt.end != 0) {
					t.Errorf("Hold() = %v", err)
				}
				if took := time.Since(w.start); tt.end != 0 && took != tt.end {
					t.Errorf("gave up after %v, want %v", took, tt.end)
				}
				if diff := cmp.Diff(tt.want, w.sent, sameAddr); diff != "" {
					t.Errorf("sent (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestWireFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		d := acd.New(w, ours, even())
		defer d.Close()
		close(w.in)
		if err := d.Probe(t.Context(), addr); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Probe() = %v, want the wire's error", err)
		}
		if err := d.Hold(t.Context(), addr); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Hold() = %v, want the wire's error", err)
		}
	})
}
