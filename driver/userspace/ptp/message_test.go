package ptp

import (
	"encoding/hex"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/facebook/time/ptp/protocol"
	"github.com/google/go-cmp/cmp"

	"aes67os/driver/userspace/media"
)

// recorded are messages of ptp4l 3.1.1.
var recorded = map[string]string{
	"announce":   "0b0200400000 0000 0000000000000000 00000000 caa608fffe572c99 0001 0000 05 01 00000000000000000000 0025 00 80 f8feffff 80 caa608fffe572c99 0000 a0",
	"sync":       "0002002c0000 0200 0000000000000000 00000000 caa608fffe572c99 0001 0007 00 fd 00000000000000000000",
	"follow up":  "0802002c0000 0000 0000000000000000 00000000 caa608fffe572c99 0001 0007 02 fd 00006b01f2b3 2874ff9e",
	"delay req":  "0102002c0000 0000 0000000000000000 00000000 aa3e8ffffec789b6 0001 0003 01 7f 00000000000000000000",
	"delay resp": "090200360000 0000 0000000000000000 00000000 caa608fffe572c99 0001 0003 03 00 00006b01f2b3 28795fd2 aa3e8ffffec789b6 0001",
	"pdelay":     "020200360000 0000 0000000000000000 00000000 caa608fffe572c99 0001 0000 05 7f 0000000000000000000000000000000000000000",
}

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecode(t *testing.T) {
	b := fromHex(t, recorded["follow up"])
	header, body, err := new(decoder).decode(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	if header.SequenceID != 7 || header.SourcePortIdentity.String() != "caa608.fffe.572c99-1" {
		t.Errorf("header %+v", header)
	}
	if ns, ok := nanoseconds(body.(*protocol.FollowUp).PreciseOriginTimestamp); !ok || ns != 0x6b01f2b3*1e9+0x2874ff9e {
		t.Errorf("time %d, %v", ns, ok)
	}
	change := func(name string, at int, to byte) []byte {
		b := fromHex(t, recorded[name])
		b[at] = to
		return b
	}
	for _, test := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"delay response", fromHex(t, recorded["delay resp"]), true},
		{"padding", append(fromHex(t, recorded["sync"]), 0, 0), true},
		{"version 2.1", change("sync", 1, 0x12), true},
		{"version 1", change("sync", 1, 1), false},
		{"domain", change("sync", 4, 1), false},
		{"802.1AS", change("sync", 0, 0x10), false},
		{"peer delay", fromHex(t, recorded["pdelay"]), false},
		{"signaling", change("announce", 0, 0xc), false},
		{"longer than it is", change("sync", 3, 45), false},
		{"shorter than a body", change("sync", 3, 43), false},
		{"no body", b[:headerSize], false},
		{"nothing", nil, false},
	} {
		if _, _, err := new(decoder).decode(test.b, 0); (err == nil) != test.want {
			t.Errorf("%s: error %v; want none: %v", test.name, err, test.want)
		}
	}
}

func TestNanoseconds(t *testing.T) {
	at := func(seconds uint64, ns uint32) (m protocol.Timestamp) {
		for i := range m.Seconds {
			m.Seconds[i] = byte(seconds >> (8 * (5 - i)))
		}
		m.Nanoseconds = ns
		return m
	}
	type result struct {
		NS int64
		OK bool
	}
	for _, test := range []struct {
		time        protocol.Timestamp
		corrections []protocol.Correction
		want        result
	}{
		{at(1, 2), nil, result{1e9 + 2, true}},
		{at(1, 2), []protocol.Correction{3 << 16, 4<<16 | 0xffff}, result{1e9 + 9, true}},
		{at(1, 2), []protocol.Correction{-3 << 16}, result{1e9 - 1, true}},
		{at(0, 0), nil, result{0, true}},
		{at(1<<33-1, 999_999_999), nil, result{(1<<33)*1e9 - 1, true}},
		{at(1<<33, 0), nil, result{}},
		{at(1<<48-1, 0), nil, result{}},
		{at(0, 1e9), nil, result{}},
		{at(1, 0), []protocol.Correction{1<<63 - 1}, result{}},
		{at(0, 1), []protocol.Correction{-2 << 16}, result{-1, false}},
	} {
		ns, ok := nanoseconds(test.time, test.corrections...)
		if diff := cmp.Diff(test.want, result{ns, ok}); diff != "" {
			t.Errorf("%v %v (-want +got):\n%s", test.time, test.corrections, diff)
		}
		if ok && len(test.corrections) == 0 {
			if diff := cmp.Diff(test.time, wireTime(ns)); diff != "" {
				t.Errorf("there and back (-want +got):\n%s", diff)
			}
		}
	}
}

// FuzzReceive gives a clock any messages whatever, among those of a real master, and
// checks that it lives and keeps within its bounds.
func FuzzReceive(f *testing.F) {
	for _, s := range recorded {
		b := fromHex(f, s)
		f.Add(b, b)
		f.Add(append(b, fromHex(f, "0008000812345678")...), b[:headerSize])
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		var now reading
		h := newHost(func() reading {
			now.raw, now.mono, now.real = now.raw+1000, now.mono+1000, now.real+1000
			return now
		}, func() int { return 0 })
		clock := newClock(new(media.Clock), nil, slog.New(slog.DiscardHandler), h, nil)
		at := time.Unix(1_800_000_000, 0)
		n := newNode(at, clock, Config{Interfaces: []string{"eth0"}}.withDefaults(), func(Status) {})
		p := n.ports[0]
		n.attach(at, p, deafWire{})
		for i := range 40 {
			at = at.Add(publishInterval)
			now.raw += publishInterval.Nanoseconds()
			now.mono += publishInterval.Nanoseconds()
			n.tick(at)
			for _, data := range [][]byte{one, fromHex(t, recorded["announce"]), two, fromHex(t, recorded["sync"]), fromHex(t, recorded["follow up"])} {
				if len(data) > headerSize && i%2 == 0 {
					data = append([]byte(nil), data...)
					data[30], data[31] = data[30]+byte(i), data[31]+byte(i) // another sequence number
				}
				n.receive(at, p, packet{data: data, from: group, stamp: now.raw, stamped: true})
			}
		}
		if len(p.foreigns) > maxForeign || n.slave != nil && (len(n.slave.pairs) > maxPairs || len(n.slave.estimator.strange) > stepPatience) {
			t.Errorf("kept: %d masters, slave %+v", len(p.foreigns), n.slave)
		}
		if m := clock.media.Mapping(); m != nil && !(m.Rate > 0.99 && m.Rate < 1.01) {
			t.Errorf("mapping %+v", m)
		}
	})
}
