package send

import (
	"fmt"
	"testing"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/rtp"

	"github.com/google/go-cmp/cmp"
)

var rates = []uint32{44100, 48000, 88200, 96000, 176400, 192000, 352800, 384000}

// TestPackets checks every packet of sources of all kinds: when it goes out, what it says, and each
// of its samples.
func TestPackets(t *testing.T) {
	for _, rate := range rates {
		for _, size := range []uint32{6, 12, 16, 48, 96, 192} {
			for _, channels := range []int{1, 2, 8, 64} {
				for _, codec := range []driver.Codec{driver.L16, driver.L24, driver.AM824} {
					st := single(1)
					st.SampleRate, st.SamplesPerPacket, st.Codec, st.Map = rate, size, codec, nil
					for i := range channels {
						st.Map = append(st.Map, driver.MaxChannels-1-i)
					}
					if st.Validate(2) != nil {
						continue // more than a packet holds
					}
					t.Run(fmt.Sprintf("%d Hz %d samples %d %s", rate, size, channels, codec), func(t *testing.T) {
						testPackets(t, st)
					})
				}
			}
		}
	}
}

func testPackets(t *testing.T, st driver.Stream) {
	b := newBench(t, st.SampleRate)
	s := b.add(st)
	m := b.clock.Mapping()
	size := int64(st.SamplesPerPacket)
	got := b.pass(4 * size * 1e9 / int64(st.SampleRate))
	// The first packet is that being filled when it began.
	next := media.Position(m.PTPAt(localStart), st.SampleRate) / size * size
	for i, packet := range got {
		want := rtp.Header{
			PayloadType: st.PayloadType, Sequence: got[0].Header.Sequence + uint16(i),
			Timestamp: uint32(next) + st.TimestampOffset, SSRC: st.SSRC,
		}
		if diff := cmp.Diff(want, packet.Header); diff != "" {
			t.Fatalf("packet %d (-want +got):\n%s", i, diff)
		}
		due := m.LocalAt(media.TimeOf(next+size, st.SampleRate))
		// Those due within a microsecond of the last wake-up wait for its end.
		if packet.At < due || packet.At > due+again {
			t.Fatalf("packet %d sent at %d; want %d", i, packet.At, due)
		}
		samples := make([]int32, size)
		for c, channel := range st.Map {
			rtp.Decode(st.Codec, packet.Payload, c, len(st.Map), samples)
			for j, sampled := range samples {
				if want := sample(channel, next+int64(j)); sampled != want {
					t.Fatalf("packet %d, channel %d, sample %d is %#x; want %#x", i, c, j, sampled, want)
				}
			}
		}
		next += size
	}
	if due := m.LocalAt(media.TimeOf(next+size, st.SampleRate)); due < b.time {
		t.Errorf("%d packets; want one more, that was due %d ns ago", len(got), b.time-due)
	}
	var payload uint64
	for _, packet := range got {
		payload += uint64(len(packet.Payload))
	}
	stats := s.Figures()
	want := driver.SourceFigures{Packets: uint64(len(got)), Octets: payload, Lateness: stats.Lateness, MaxLateness: stats.MaxLateness, TotalLateness: stats.TotalLateness}
	if diff := cmp.Diff(want, stats); diff != "" {
		t.Errorf("statistics (-want +got):\n%s", diff)
	}
}

// TestUnpunctual checks what is sent when the thread or the clock is not as it should be.
// The packets are numbered by time: 0 is that being filled at the event. They are
// of 1 ms; the event is 0.5 ms after one was due.
func TestUnpunctual(t *testing.T) {
	const ms = 1_000_000
	for _, test := range []struct {
		name string
		// late is how long the thread sleeps in the event, jump by how much the clock is set.
		late, jump int64
		lost       bool // there is no mapping meanwhile
		// first and packets are the first packet after the event and the number in the next 10
		// ms, of which atOnce are sent at its end. Numbers are of the time after the event.
		first, packets, atOnce int64
		missed                 uint64
	}{
		{name: "nothing", first: 0, packets: 10},
		{name: "in time", late: 0.4 * ms, first: 0, packets: 10},
		{name: "late", late: 3 * ms, first: -3, packets: 13, atOnce: 3},
		{name: "late, but not too late", late: 20.2 * ms, first: -20, packets: 30, atOnce: 20},
		{name: "too late", late: 21 * ms, first: 0, packets: 10, missed: 21},
		{name: "an hour late", late: 3_600_000 * ms, first: 0, packets: 10, missed: 3_600_000},
		{name: "clock is followed", jump: 20_000, first: 0, packets: 10},
		{name: "clock is followed back", jump: -20_000, first: 0, packets: 10},
		{name: "forward", jump: 5 * ms, first: 0, packets: 10},
		{name: "far forward", jump: 1e17, first: 0, packets: 10},
		{name: "back", jump: -5 * ms, first: 5, packets: 5},
		{name: "less than a second back", jump: -999 * ms, first: 0, packets: 0},
		{name: "another time scale", jump: -1e18, first: 0, packets: 10},
		{name: "more than a second back", jump: -1002 * ms, first: 0, packets: 10},
		{name: "without a clock", late: 1000 * ms, lost: true, first: 0, packets: 10},
		{name: "without a clock, then another", late: 1000 * ms, lost: true, jump: -1e18, first: 0, packets: 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, 48000)
			// A packet is due at the start; the event is in the middle of the next.
			mapping := media.Mapping{Local: localStart, PTP: 1_750_000_000_000_000_000, Rate: 1}
			b.clock.Set(&mapping)
			st := single(3)
			s := b.add(st)
			before := b.pass(50.5 * ms)
			last := before[len(before)-1]

			if test.lost {
				b.clock.Set(nil)
				if got := b.pass(test.late); len(got) > 0 {
					t.Fatalf("%d packets sent while there is no clock", len(got))
				}
			} else {
				b.time += test.late
			}
			changed := mapping
			changed.PTP += test.jump
			b.clock.Set(&changed)
			now := media.Position(changed.PTPAt(b.time), 48000)
			start := b.time
			after := b.pass(10 * ms)

			var atOnce int64
			for i, packet := range after {
				if want := last.Header.Sequence + 1 + uint16(i); packet.Header.Sequence != want {
					t.Errorf("packet %d has sequence number %d; want %d", i, packet.Header.Sequence, want)
				}
				if want := now/48 + test.first + int64(i); b.position(packet, st) != want*48 {
					t.Errorf("packet %d has position %d; want %d", i, b.position(packet, st), want*48)
				}
				if packet.At == start {
					atOnce++
				}
			}
			if int64(len(after)) != test.packets || atOnce != test.atOnce {
				t.Errorf("%d packets, %d of them at once; want %d, %d", len(after), atOnce, test.packets, test.atOnce)
			}
			stats := s.Figures()
			if stats.Missed != test.missed {
				t.Errorf("%d packets missed; want %d", stats.Missed, test.missed)
			}
			if max := stats.MaxLateness.Nanoseconds(); test.atOnce > 0 && max < test.late-ms {
				t.Errorf("at most %d ns late; want %d ns, to a packet", max, test.late)
			}
		})
	}
}

// TestTogether checks the order of sources with the same packets, and of legs, which is
// always the same, and that what is late goes out by turns.
func TestTogether(t *testing.T) {
	b := newBench(t, 48000)
	for _, id := range []int{5, 2, 9} {
		b.add(stream(id))
	}
	b.pass(1e6)
	b.time += 3e6
	got := b.pass(5e6)
	for i, packet := range got {
		want := sent{
			Header: rtp.Header{
				PayloadType: 98, SSRC: 0x1000 + []uint32{5, 2, 9}[i/2%3],
				Sequence: got[i%6].Header.Sequence + uint16(i/6), Timestamp: got[0].Header.Timestamp + uint32(i/6*48),
			},
			To:   stream([]int{5, 2, 9}[i/2%3]).Legs[i%2].Destination,
			Link: []int32{3, 5}[i%2], At: packet.At, Payload: packet.Payload,
		}
		if diff := cmp.Diff(want, packet, cmp.Comparer(equal)); diff != "" {
			t.Errorf("packet %d (-want +got):\n%s", i, diff)
		}
		if i%2 == 1 && !cmp.Equal(packet.Payload, got[i-1].Payload) {
			t.Errorf("the legs' packets %d and %d are not the same", i-1, i)
		}
	}
	if len(got) != 6*8 {
		t.Errorf("%d packets; want 8 ms of 3 sources with 2 legs", len(got))
	}
}

func TestTickAllocatesNothing(t *testing.T) {
	b := newBench(t, 48000)
	for id := range driver.MaxStreams {
		st := stream(id)
		st.Map, st.SamplesPerPacket = []int{0, 1, 2, driver.Unmapped, 4, 5, 6, 7}, 6+6*uint32(id%8)
		st.Legs[1].SourcePort = 5006
		b.add(st)
	}
	count := &counting{}
	for _, o := range b.run.table.Load().outlets {
		o.socket = count
	}
	if n := testing.AllocsPerRun(100, func() { b.time = b.run.tick() }); n > 0 {
		t.Errorf("%v allocations in a tick; want none", n)
	}
	if count.packets < 1000 {
		t.Errorf("%d packets sent; want more to have been tested", count.packets)
	}
}
