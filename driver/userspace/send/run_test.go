package send

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ring"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// device is a sender that runs, in a bubble's time.
type device struct {
	*bench
	ring      *ring.Ring
	log       strings.Builder
	absent    map[string]bool // interfaces
	oversleep time.Duration   // by which the next sleep is longer
}

// runDevice runs a test in a bubble with a sender that runs until its end.
func runDevice(t *testing.T, test func(t *testing.T, d *device)) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{
			bench: &bench{t: t, refuse: func(netip.AddrPort) syscall.Errno { return 0 }},
			ring:  ring.New(8, 1<<13), absent: map[string]bool{},
		}
		now := func() int64 { return time.Now().UnixNano() }
		d.Sender = New(&media.Clock{}, slog.New(slog.NewTextHandler(&d.log, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			},
		})))
		d.host = host{
			now: now,
			sleep: func(until int64) {
				d.guard.Lock()
				longer := d.oversleep
				d.oversleep = 0
				d.guard.Unlock()
				time.Sleep(time.Duration(until-now()) + longer)
				d.time = now()
			},
			find: func(name string) int32 {
				d.guard.Lock()
				defer d.guard.Unlock()
				if d.absent[name] {
					return absent
				}
				return 7
			},
			open: func(uint16, *slog.Logger) (socket, error) { d.open++; return memory{d.bench}, nil },
		}
		d.clock.Set(&media.Mapping{Local: now(), PTP: ptpStart, Rate: 1})
		ready := make(chan struct{})
		d.Ready = func() { close(ready) }

		if _, err := d.Add(stream(1)); !errors.Is(err, driver.ErrUnavailable) {
			t.Errorf("Add() = %v before Run; want driver.ErrUnavailable", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.Run(ctx, []string{"one", "other"}, 48000, d.ring, nil) }()
		<-ready
		test(t, d)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run() = %v; want nil", err)
		}
		if d.open != 0 {
			t.Errorf("%d sockets are open after Run", d.open)
		}
		if _, err := d.Add(stream(1)); !errors.Is(err, driver.ErrUnavailable) {
			t.Errorf("Add() = %v after Run; want driver.ErrUnavailable", err)
		}
	})
}

// after lets time pass and returns what is sent in it.
func (d *device) after(wait time.Duration) []sent {
	d.guard.Lock()
	d.sent = nil
	d.guard.Unlock()
	time.Sleep(wait)
	synctest.Wait()
	d.guard.Lock()
	defer d.guard.Unlock()
	return d.sent
}

// logged is what the log has been told since it was last asked.
func (d *device) logged() []string {
	lines := slices.Collect(strings.Lines(d.log.String()))
	d.log.Reset()
	return lines
}

func TestRun(t *testing.T) {
	runDevice(t, func(t *testing.T, d *device) {
		if err := d.Run(t.Context(), []string{"one"}, 48000, d.ring, nil); err == nil {
			t.Error("Run() = nil while it runs; want an error")
		}
		if err := d.Run(t.Context(), []string{"one"}, 0, d.ring, nil); !errors.Is(err, driver.ErrInvalid) {
			t.Errorf("Run(0 Hz) = %v; want driver.ErrInvalid", err)
		}
		for range 2 { // with a time without sources between
			one := d.add(single(1))
			if got := d.after(100 * time.Millisecond); len(got) < 99 || len(got) > 101 {
				t.Errorf("%d packets in 100 ms; want 100", len(got))
			}
			d.add(single(2))
			d.Remove(one)
			for _, packet := range d.after(10 * time.Millisecond) {
				if packet.Header.SSRC != single(2).SSRC {
					t.Errorf("a packet of SSRC %#x, which was removed", packet.Header.SSRC)
				}
			}
			for _, s := range d.Sender.run.table.Load().sources {
				d.Remove(s)
			}
			if got := d.after(time.Second); len(got) > 0 {
				t.Errorf("%d packets without a source", len(got))
			}
		}
		d.add(single(1))
	})
}

// TestLog checks that trouble is told once, and its end.
func TestLog(t *testing.T) {
	runDevice(t, func(t *testing.T, d *device) {
		d.add(single(1))
		d.add(stream(2))
		good := d.refuse
		noRoute := func(to netip.AddrPort) syscall.Errno {
			if to == stream(2).Legs[1].Destination {
				return unix.ENETUNREACH
			}
			return 0
		}
		for _, step := range []struct {
			name string
			do   func()
			want []string
		}{
			{"nothing", func() {}, nil},
			{"no route", func() { d.refuse = noRoute }, []string{
				`level=WARN msg="packets cannot be sent" source="source 2" err="network is unreachable"` + "\n"}},
			{"a route", func() { d.refuse = good }, []string{
				`level=INFO msg="packets can be sent again" source="source 2" not_sent=2000` + "\n"}},
			{"too late", func() { d.oversleep = 100 * time.Millisecond }, []string{
				`level=WARN msg="packets left out: the thread that sends was run more than 20 ms late. Is the host overloaded?" missed=202` + "\n"}},
			{"in time", func() {}, nil},
			{"too late again", func() { d.oversleep = 50 * time.Millisecond }, []string{
				`level=WARN msg="packets left out: the thread that sends was run more than 20 ms late. Is the host overloaded?" missed=102` + "\n"}},
			{"interface gone", func() { d.absent["other"] = true }, []string{
				`level=WARN msg="sources are not sent: the network interface is not there" interface=other` + "\n"}},
			{"interface back", func() { delete(d.absent, "other") }, []string{
				`level=INFO msg="sources are sent: the network interface is there" interface=other` + "\n"}},
		} {
			time.Sleep(500 * time.Microsecond) // between packets
			d.guard.Lock()
			step.do()
			d.guard.Unlock()
			d.after(2*time.Second - 500*time.Microsecond)
			if diff := cmp.Diff(step.want, d.logged()); diff != "" {
				t.Errorf("log after %s (-want +got):\n%s", step.name, diff)
			}
		}
	})
}

// TestInterface checks by which interface packets go when it comes and goes.
func TestInterface(t *testing.T) {
	runDevice(t, func(t *testing.T, d *device) {
		d.add(stream(1))
		for _, want := range []int32{7, absent, 7} {
			d.guard.Lock()
			d.absent["other"] = want == absent
			d.guard.Unlock()
			d.after(time.Second + time.Millisecond)
			for _, packet := range d.after(time.Millisecond) {
				want := want
				if packet.To == stream(1).Legs[0].Destination {
					want = 7
				}
				if packet.Link != want {
					t.Errorf("packet to %v over interface %d; want %d", packet.To, packet.Link, want)
				}
			}
		}
	})
}

// TestClear checks which of the ring's samples are cleared as time passes.
func TestClear(t *testing.T) {
	runDevice(t, func(t *testing.T, d *device) {
		one := []int32{1}
		m := d.clock.Mapping()
		start := media.Position(m.PTPAt(time.Now().UnixNano()), 48000)
		size := int64(d.ring.Samples())
		// silent is the share of [from, to) that is silent.
		silent := func(from, to int64) float64 {
			n := 0
			for p := from; p < to; p++ {
				if d.ring.Read(5, p, one); one[0] == 0 {
					n++
				}
			}
			return float64(n) / float64(to-from)
		}
		fill := func(from, to int64) {
			for p := from; p < to; p++ {
				d.ring.Write(5, p, []int32{1})
			}
		}
		interval := cleanInterval.Milliseconds() * 48 // in samples
		d.after(cleanInterval * 3 / 2)                // it begins
		fill(start-size/2, start+size/2)
		d.after(10 * cleanInterval)
		now := start + interval*23/2
		if got := silent(start-size/4+2*interval, now-size/4-interval); got != 1 {
			t.Errorf("%v of what is past is silent; want all", got)
		}
		if got := silent(now-size/4, start+size/2); got != 0 {
			t.Errorf("%v of what is not past is silent; want none", got)
		}
		// Time goes back by an hour: there was nothing then.
		changed := *m
		changed.PTP -= int64(time.Hour)
		d.clock.Set(&changed)
		d.after(cleanInterval * 3 / 2)
		if got := silent(0, size); got != 1 {
			t.Errorf("%v of another time is silent; want all", got)
		}
	})
}
