package send

import (
	"errors"
	"log/slog"
	"net/netip"
	"syscall"
	"testing"

	"aes67os/driver"
	"aes67os/driver/userspace/ring"
	"aes67os/driver/userspace/rtp"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func equal(a, b netip.AddrPort) bool { return a == b }

// counting is a socket that only counts.
type counting struct{ packets int }

func (c *counting) Send(batch []message) (int, syscall.Errno) {
	c.packets += len(batch)
	return len(batch), 0
}
func (*counting) Close() error { return nil }

// TestContinue checks that a source changed by removing and adding it again goes on.
func TestContinue(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*driver.Stream)
		away   int64 // ns
		// passed is the time for which there is no packet, in samples.
		passed int64
		other  bool // stream, for the network
	}{
		{name: "at once", change: func(*driver.Stream) {}},
		{name: "other channels", change: func(s *driver.Stream) { s.Map = []int{7} }},
		{name: "after 2.5 ms", change: func(*driver.Stream) {}, away: 2.5e6, passed: 96},
		// The clock runs 50 ppm faster than local time.
		{name: "after a minute", change: func(*driver.Stream) {}, away: 60e9, passed: 60*48000 + 144},
		{name: "smaller packets", change: func(s *driver.Stream) { s.SamplesPerPacket = 36 }},
		{name: "larger packets", change: func(s *driver.Stream) { s.SamplesPerPacket = 192 }},
		{name: "another SSRC", change: func(s *driver.Stream) { s.SSRC++ }, other: true},
		{name: "another id", change: func(s *driver.Stream) { s.ID++ }, other: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, 48000)
			st := single(3)
			s := b.add(st)
			before := b.pass(10e6)
			last := before[len(before)-1]
			line := s.line
			b.Remove(s)
			b.time += test.away
			test.change(&st)
			s = b.add(st)
			after := b.pass(10e6)
			first := after[0]

			size := int64(st.SamplesPerPacket)
			want := b.position(last, st) + 48 + test.passed
			want += (size - want%size) % size
			if got := b.position(first, st); got != want {
				t.Errorf("goes on at position %d; want %d", got, want)
			}
			if test.other {
				if s.line == line {
					t.Error("goes on with the sequence numbers of another stream")
				}
			} else if want := last.Header.Sequence + 1; first.Header.Sequence != want {
				t.Errorf("goes on with sequence number %d; want %d", first.Header.Sequence, want)
			}
			if m := s.Figures().Missed; m != 0 {
				t.Errorf("%d packets missed; want none of when it was not there", m)
			}
		})
	}
}

// TestTwice checks that two sources of one ID and SSRC do not share a sequence.
func TestTwice(t *testing.T) {
	b := newBench(t, 48000)
	first, second := b.add(single(3)), b.add(single(3))
	if first.line == second.line {
		t.Error("both count the same sequence numbers")
	}
	if got := b.pass(10e6); len(got) != 20 {
		t.Errorf("%d packets; want 10 of each", len(got))
	}
}

// TestErrors checks that a leg which fails does not hold up others, and what is counted.
func TestErrors(t *testing.T) {
	b := newBench(t, 48000)
	good, bad := b.add(stream(1)), b.add(stream(2))
	failing := stream(2).Legs[0].Destination
	b.refuse = func(to netip.AddrPort) syscall.Errno {
		if to == failing {
			return unix.ENETUNREACH
		}
		return 0
	}
	got := map[netip.AddrPort]int{}
	for _, packet := range b.pass(10e6) {
		got[packet.To]++
	}
	want := map[netip.AddrPort]int{
		stream(1).Legs[0].Destination: 10, stream(1).Legs[1].Destination: 10, stream(2).Legs[1].Destination: 10,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
	if n := good.Figures().Errors; n != 0 {
		t.Errorf("%d errors of the good source; want none", n)
	}
	if n := bad.Figures().Errors; n != 10 {
		t.Errorf("%d errors of the bad source; want 10", n)
	}
}

func TestUnmapped(t *testing.T) {
	for _, codec := range []driver.Codec{driver.L16, driver.L24, driver.AM824} {
		b := newBench(t, 48000)
		st := single(0)
		st.Codec, st.Map = codec, []int{driver.Unmapped, 5, driver.Unmapped}
		b.add(st)
		got := b.pass(3e6)
		samples, silence := make([]int32, 48), make([]byte, len(got[0].Payload))
		for c, channel := range st.Map {
			rtp.Decode(codec, got[2].Payload, c, 3, samples)
			for i, s := range samples {
				want := int32(0)
				if channel != driver.Unmapped {
					want = sample(channel, b.position(got[2], st)+int64(i))
				}
				if s != want {
					t.Errorf("%s: channel %d, sample %d is %#x; want %#x", codec, c, i, s, want)
				}
			}
			rtp.Encode(codec, silence, c, 3, make([]int32, 48))
		}
		// The label of AM824 is there too.
		if word := codec.WordLength(); !cmp.Equal(silence[:word], got[2].Payload[:word]) {
			t.Errorf("%s: silence is %x; want %x", codec, got[2].Payload[:word], silence[:word])
		}
	}
}

func TestAddRefuses(t *testing.T) {
	for what, spoil := range map[string]func(*driver.Stream){
		"sink":                func(s *driver.Stream) { s.Source, s.PlayoutDelay = false, 48 },
		"another rate":        func(s *driver.Stream) { s.SampleRate = 96000 },
		"third interface":     func(s *driver.Stream) { s.Legs[0].Interface = 2 },
		"too large":           func(s *driver.Stream) { s.SamplesPerPacket = 480 },
		"no such channel":     func(s *driver.Stream) { s.Map = []int{64} },
		"channel of the ring": func(s *driver.Stream) { s.Map = []int{8} },
	} {
		b := newBench(t, 48000)
		if what == "channel of the ring" {
			b.run.playback = ring.New(8, 1024)
		}
		st := stream(1)
		spoil(&st)
		if _, err := b.Add(st); !errors.Is(err, driver.ErrInvalid) {
			t.Errorf("Add(%s) = %v; want driver.ErrInvalid", what, err)
		}
		if b.open != 0 {
			t.Errorf("Add(%s) has left %d sockets open", what, b.open)
		}
	}

	b := newBench(t, 48000)
	works := b.host.open
	b.host.open = func(port uint16, log *slog.Logger) (socket, error) {
		if port == 6000 {
			return nil, unix.EMFILE
		}
		return works(port, log)
	}
	st := stream(1)
	st.Legs[1].SourcePort = 6000
	if _, err := b.Add(st); !errors.Is(err, unix.EMFILE) || b.open != 0 {
		t.Errorf("Add(the second socket fails) = %v, %d sockets are open; want EMFILE, none", err, b.open)
	}
	for id := range driver.MaxStreams {
		b.add(single(id % 8))
	}
	if _, err := b.Add(single(1)); !errors.Is(err, driver.ErrRefused) {
		t.Errorf("Add(one too many) = %v; want driver.ErrRefused", err)
	}
}

// TestSockets checks that sources with one port share a socket, and that it is closed
// with the last of them.
func TestSockets(t *testing.T) {
	b := newBench(t, 48000)
	first, second := b.add(stream(1)), b.add(stream(2))
	st := stream(3)
	st.Legs[1].SourcePort = 6000
	third := b.add(st)
	for i, step := range []struct {
		remove *Source
		want   int
	}{{nil, 2}, {first, 2}, {first, 2}, {third, 1}, {second, 0}, {second, 0}} {
		if step.remove != nil {
			b.Remove(step.remove)
		}
		if b.open != step.want {
			t.Errorf("step %d: %d sockets are open; want %d", i, b.open, step.want)
		}
	}
	if got := b.pass(10e6); len(got) > 0 {
		t.Errorf("%d packets of sources that were removed", len(got))
	}
	b.add(stream(1))
	b.end()
	if b.open != 0 {
		t.Errorf("%d sockets are open at the end", b.open)
	}
}
