package ravenna

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/netlink"

	"aes67os/driver"
)

// Commands that the known daemon gives and we do not.
const (
	msgGetPTPConfig messageID = 31
	msgPing         messageID = 22
)

// source and sink are the streams of the recordings.
func source(codec driver.Codec, samples, ssrc uint32) driver.Stream {
	s := sink(codec, samples)
	s.Source, s.Name, s.DSCP, s.SSRC, s.PlayoutDelay = true, "ALSA Source 0", 34, ssrc, 0
	s.Legs[0].SourcePort = 5004
	return s
}

func sink(codec driver.Codec, samples uint32) driver.Stream {
	return driver.Stream{
		Name: "ALSA Sink 0", Codec: codec, SampleRate: 48000, SamplesPerPacket: samples,
		PayloadType: 98, TTL: 15, PlayoutDelay: 576, Map: []int{0, 1},
		Legs: []driver.Leg{{
			Local:          netip.MustParseAddr("127.0.0.1"),
			Destination:    netip.MustParseAddrPort("239.1.0.1:5004"),
			DestinationMAC: [6]byte{0x01, 0x00, 0x5e, 0x01, 0x00, 0x01},
		}},
	}
}

// add is the command that adds a stream's first leg.
func add(a abi, s driver.Stream) message {
	return message{id: msgAddRTPStream, data: a.streamInfo(s, s.Legs[0])}
}

// begins are the commands at every start, up to the first about the clock's state.
func begins(a abi) []message {
	return []message{
		{id: msgHello},
		{id: msgStart},
		{id: msgReset},
		{id: msgSetInterfaceName, data: a.interfaceNames([]string{"lo"})},
		{id: msgSetPTPConfig, data: ptpConfig(driver.PTPConfig{DSCP: 48})},
		{id: msgSetTICFrameSizeAt1FS, data: u64(48)},
		{id: msgSetPlayoutDelay, data: u32(0)},
		{id: msgSetMaxTICFrameSize, data: u64(1024)},
		{id: msgGetPTPConfig},
		{id: msgGetPTPStatus},
		{id: msgSetSampleRate, data: u32(48000)},
	}
}

// streams are the commands of the recordings with a source and a sink, as far as they are
// the same: the module gave them these handles, and the source made room for a second one.
func streams(a abi, first, second uint32, sinkHandle, sourceHandle uint64) []message {
	return append(begins(a),
		add(a, source(driver.L16, 48, first)),
		add(a, sink(driver.L16, 48)),
		message{id: msgGetRTPStreamStatus, data: u64(sinkHandle)},
		message{id: msgSetPTPConfig, data: ptpConfig(driver.PTPConfig{DSCP: 46})},
		message{id: msgRemoveRTPStream, data: u64(sourceHandle)},
		add(a, source(driver.L24, 96, second)),
		message{id: msgSetPlayoutDelay, data: u32(7)},
		message{id: msgSetSampleRate, data: u32(44100)},
		message{id: msgRemoveRTPStream, data: u64(sinkHandle)},
	)
}

// TestEncode makes every message that the known daemon sent and compares the bytes.
func TestEncode(t *testing.T) {
	for _, test := range []struct {
		recording, kind string
		port            uint32
		want            []message
	}{
		{"abi1", "command", 183, append(streams(abi1, 53603, 38232, 0xffffffffc04f23c8, 0xffffffffc04bc9b0),
			add(abi1, sink(driver.L24, 96)),
			message{id: msgRemoveRTPStream, data: u64(0xffffffffc04f23c8)},
			message{id: msgRemoveRTPStream, data: u64(0xffffffffc04bc9b0)},
			message{id: msgStop},
			message{id: msgBye},
		)},
		{"abi2", "command", 184, append(streams(abi2, 24909, 6525, 0xffffffffc042c7e0, 0xffffffffc03bfbc8),
			message{id: msgRemoveRTPStream, data: u64(0xffffffffc03bfbc8)},
			message{id: msgStop},
			message{id: msgBye},
		)},
	} {
		t.Run(test.recording+" "+test.kind, func(t *testing.T) {
			got := pick(readRecording(t, test.recording), test.kind)
			if len(got) != len(test.want) {
				t.Fatalf("%d messages are recorded; the test has %d", len(got), len(test.want))
			}
			for i, want := range test.want {
				if diff := cmp.Diff(got[i].bytes, want.encode(test.port)); diff != "" {
					t.Errorf("%d, %s: differs from the recording (-recorded +encoded):\n%s", i, got[i].name, diff)
				}
			}
		})
	}
}

// TestReply compares our replies to the recorded events with those recorded.
func TestReply(t *testing.T) {
	for recording, port := range map[string]uint32{"abi1": 183, "application": 185, "abi2": 184} {
		t.Run(recording, func(t *testing.T) {
			all := readRecording(t, recording)
			events, want := pick(all, "event"), pick(all, "reply")
			if len(events) != len(want) {
				t.Fatalf("%d events and %d replies are recorded", len(events), len(want))
			}
			out := &sent{}
			l := &link{port: port, events: out, rates: make(chan uint32, 1)}
			m := mixer{volume: defaultVolume}
			for i, e := range events {
				decoded, err := decode(receive(t, e.bytes))
				if err != nil {
					t.Fatalf("decode(%s) = %v; want no error", e.name, err)
				}
				l.event(&m, decoded)
				if diff := cmp.Diff(want[i].bytes, out.last); diff != "" {
					t.Errorf("%d, %s: differs from the recording (-recorded +encoded):\n%s", i, e.name, diff)
				}
			}
			if recording == "application" {
				if hz := <-l.rates; hz != 96000 {
					t.Errorf("the application's rate is %d; want 96000", hz)
				}
			}
		})
	}
}

// sent is an endpoint that keeps what was sent last.
type sent struct{ last []byte }

func (s *sent) Send(b []byte) error                 { s.last = b; return nil }
func (s *sent) Receive() ([]netlink.Message, error) { return nil, errors.ErrUnsupported }
func (s *sent) Close() error                        { return nil }

// answer is what we make of one.
type answer struct {
	ID   string
	Code errorCode
	Data any
}

// read reads an answer as the driver does.
func read(t *testing.T, r recorded) answer {
	t.Helper()
	m, err := decode(receive(t, r.bytes))
	if err != nil {
		t.Fatalf("decode(%s) = %v; want no error", r.name, err)
	}
	got := answer{ID: m.id.String(), Code: m.code}
	switch {
	case m.code != 0:
		if len(m.data) > 0 {
			t.Errorf("%s: failed, with %d bytes of data", r.name, len(m.data))
		}
	case m.id == msgGetPTPStatus:
		a, s, err := ptpStatus(m.data)
		if err != nil {
			t.Errorf("ptpStatus() = %v; want no error", err)
		}
		got.Data = fmt.Sprintf("ABI %d: %s %s %d", a, s.Lock, s.Grandmaster, s.Jitter)
	case m.id == msgGetRTPStreamStatus:
		got.Data, err = streamStatus(m.data)
	case m.id == msgAddRTPStream:
		got.Data, err = readU64(m.id, m.data)
	case m.id == msgGetPTPConfig:
		got.Data = driver.PTPConfig{Domain: m.data[0], DSCP: m.data[1]}
	case len(m.data) > 0:
		got.Data, err = readU32(m.id, m.data)
	}
	if err != nil {
		t.Errorf("%s: %v; want no error", r.name, err)
	}
	return got
}

// TestDecode reads every recorded answer.
func TestDecode(t *testing.T) {
	const nobody, gm = "00-00-00-00-00-00-00-00", "00-00-00-FF-FE-00-00-00"
	done := func(ids ...messageID) []answer {
		var all []answer
		for _, id := range ids {
			all = append(all, answer{ID: id.String()})
		}
		return all
	}
	begun := append(done(msgHello, msgStart, msgReset, msgSetInterfaceName, msgSetPTPConfig, msgSetTICFrameSizeAt1FS,
		msgSetPlayoutDelay, msgSetMaxTICFrameSize), answer{ID: "message 31", Data: driver.PTPConfig{DSCP: 48}})
	changed := answer{ID: "message 31", Data: driver.PTPConfig{DSCP: 46}}
	ptp := func(s string) answer { return answer{ID: "GetPTPStatus", Data: s} }
	added := func(h uint64) answer { return answer{ID: "Add_RTPStream", Data: h} }
	status := func(s driver.StreamStatus) answer { return answer{ID: "GetRTPStreamStatus", Data: s} }
	for recording, want := range map[string][][]answer{
		"abi1": {
			begun,
			{ptp("ABI 1: unlocked " + nobody + " 0"), ptp("ABI 1: unlocked " + gm + " 0"), ptp("ABI 1: locked " + gm + " 0")},
			done(msgSetSampleRate),
			{added(0xffffffffc04bc9b0), added(0xffffffffc04f23c8)},
			{status(driver.StreamStatus{}), status(driver.StreamStatus{SequenceError: true, TimestampError: true, Receiving: true})},
			done(msgSetPTPConfig, msgRemoveRTPStream),
			{added(0xffffffffc04bc9b0), status(driver.StreamStatus{Receiving: true, Muted: true})},
			done(msgSetPlayoutDelay, msgSetSampleRate),
			{changed},
			done(msgRemoveRTPStream),
			{added(0xffffffffc04f23c8)},
			done(msgRemoveRTPStream, msgRemoveRTPStream, msgStop, msgBye),
		},
		"abi2": {
			begun,
			{ptp("ABI 2: unlocked " + nobody + " 7995"), ptp("ABI 2: unlocked " + gm + " 141"), ptp("ABI 2: locked " + gm + " 118")},
			done(msgSetSampleRate),
			{added(0xffffffffc03bfbc8), added(0xffffffffc042c7e0)},
			{status(driver.StreamStatus{}), ptp("ABI 2: locked " + gm + " 1613"), ptp("ABI 2: locked " + gm + " 116")},
			{status(driver.StreamStatus{SequenceError: true, TimestampError: true, Receiving: true, AllMuted: true})},
			{ptp("ABI 2: locked " + gm + " 664")},
			done(msgSetPTPConfig, msgRemoveRTPStream),
			{added(0xffffffffc03bfbc8), status(driver.StreamStatus{Receiving: true, AllMuted: true})},
			done(msgSetPlayoutDelay, msgSetSampleRate),
			{changed},
			done(msgRemoveRTPStream, msgRemoveRTPStream),
			{ptp("ABI 2: locked " + gm + " 320")},
			done(msgStop, msgBye),
		},
		"errors": {
			done(msgHello), {{ID: "message 22", Code: codeUnknownID}},
			{ptp("ABI 1: unlocked " + nobody + " 0"), {ID: "message 31", Data: driver.PTPConfig{}}, {ID: "GetSampleRate", Data: uint32(44100)}},
			{{ID: "message 7", Data: uint32(0)}, {ID: "message 13", Data: uint32(64)}, {ID: "message 14", Data: uint32(64)}},
			{{ID: "message 19", Code: codeUnknownID}},
			done(msgSetInterfaceName, msgSetInterfaceName, msgStart, msgStart, msgReset, msgSetInterfaceName),
			{{ID: "SetPTPConfig", Code: codeBadSize}}, done(msgSetPTPConfig), {{ID: "message 31", Data: driver.PTPConfig{Domain: 200, DSCP: 63}}},
			done(msgSetPTPConfig, msgSetTICFrameSizeAt1FS), {{ID: "SetTICFrameSizeAt1FS", Code: codeBadSize}},
			done(msgSetMaxTICFrameSize), {{ID: "SetPlayoutDelay", Code: codeBadSize}}, done(msgSetPlayoutDelay), {{ID: "message 28"}},
			{{ID: "Add_RTPStream", Code: codeBadSize}, {ID: "Add_RTPStream", Code: codeFailed}, {ID: "Add_RTPStream", Code: codeBadSize}},
			{{ID: "Remove_RTPStream", Code: codeFailed}, status(driver.StreamStatus{}), {ID: "GetRTPStreamStatus", Code: codeBadSize}},
			{{ID: "message 3", Code: codeFailed}, {ID: "message 4", Code: codeFailed}, {ID: "SetSampleRate", Code: codeBadSize}},
			done(msgSetSampleRate, msgSetSampleRate), {{ID: "GetSampleRate", Data: uint32(48000)}},
			{{ID: "message 11"}, {ID: "message 13", Data: uint32(8)}, {ID: "message 77", Code: codeUnknownID}}, done(msgStop, msgBye),
		},
	} {
		t.Run(recording, func(t *testing.T) {
			var got, flat []answer
			for _, r := range pick(readRecording(t, recording), "answer") {
				got = append(got, read(t, r))
			}
			for _, w := range want {
				flat = append(flat, w...)
			}
			if diff := cmp.Diff(flat, got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := message{id: msgGetSampleRate, data: u32(48000)}.encode(0)
	for name, spoil := range map[string]func([]byte) []byte{
		"another type":        func(b []byte) []byte { b[4] = 2; return b },
		"no header":           func(b []byte) []byte { native.PutUint32(b, 16+20); return b[:16+20] },
		"more data claimed":   func(b []byte) []byte { native.PutUint32(b[16+8:], 5); return b },
		"much more":           func(b []byte) []byte { native.PutUint32(b[16+8:], 0xffffffff); return b },
		"more than can be":    func([]byte) []byte { return message{data: make([]byte, maxData+4)}.encode(0) },
		"no header, only its": func(b []byte) []byte { native.PutUint32(b, 16); return b[:16] },
	} {
		_, err := decode(receive(t, spoil(append([]byte(nil), good...))))
		if !errors.Is(err, driver.ErrProtocol) {
			t.Errorf("%s: decode() = %v; want ErrProtocol", name, err)
		}
	}
}

func TestPTPStatus(t *testing.T) {
	first, second := driver.ClockID{1, 1, 1, 1, 1, 1, 1, 1}, driver.ClockID{2, 2, 2, 2, 2, 2, 2, 2}
	two := func(stateFirst, stateSecond uint32) []byte {
		b := append(u32(2), first[:]...)
		b = append(b, second[:]...)
		b = append(append(b, u32(stateFirst)...), u32(stateSecond)...)
		return append(append(b, u32(5)...), u32(uint32(0xffffffff))...)
	}
	for _, test := range []struct {
		name string
		data []byte
		want driver.ClockID
		err  error
	}{
		{"first port", two(1, 2), first, nil},
		{"second port", two(0, 1), second, nil},
		{"second port, first is up", two(2, 1), second, nil},
		{"both", two(1, 1), first, nil},
		{"the module does not say", two(0, 0), first, nil},
		{"another size", make([]byte, 20), driver.ClockID{}, driver.ErrProtocol},
		{"nothing", nil, driver.ClockID{}, driver.ErrProtocol},
		{"another lock", append(u32(3), make([]byte, 12)...), driver.ClockID{}, driver.ErrProtocol},
	} {
		_, got, err := ptpStatus(test.data)
		if !errors.Is(err, test.err) || err == nil && got != (driver.PTPStatus{Lock: driver.Locked, Grandmaster: test.want, Jitter: -1}) {
			t.Errorf("%s: ptpStatus() = %v, %v; want %v, %v", test.name, got, err, test.want, test.err)
		}
	}
}

func TestErrorCode(t *testing.T) {
	for _, test := range []struct {
		code errorCode
		want error
		says string
	}{
		{0, nil, ""},
		{-314, driver.ErrProtocol, "does not know Add_RTPStream"},
		{-315, driver.ErrInvalid, "other data for Add_RTPStream"},
		{-401, driver.ErrRefused, "refuses Add_RTPStream"},
		{-805, driver.ErrProtocol, "-805"},
	} {
		err := test.code.err(msgAddRTPStream)
		if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%d: %v; want %v, %q", test.code, err, test.want, test.says)
		}
	}
}

func TestMerge(t *testing.T) {
	lost := driver.StreamStatus{SequenceError: true, Muted: true, AllMuted: true, SomeMuted: true, MinimumTime: -7}
	fine := driver.StreamStatus{Receiving: true, MinimumTime: 40}
	late := driver.StreamStatus{Receiving: true, TimestampError: true, MinimumTime: 3}
	for _, test := range []struct{ a, b, want driver.StreamStatus }{
		{fine, lost, driver.StreamStatus{Receiving: true, SequenceError: true, MinimumTime: 40}},
		{late, fine, driver.StreamStatus{Receiving: true, TimestampError: true, MinimumTime: 40}},
		{lost, lost, lost},
		{late, driver.StreamStatus{MinimumTime: 90}, late},
	} {
		for _, got := range []driver.StreamStatus{merge(test.a, test.b), merge(test.b, test.a)} {
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("merge(%+v, %+v) (-want +got):\n%s", test.a, test.b, diff)
			}
		}
	}
}

// TestSecondLeg looks at the fields that the recordings have on one interface only.
func TestSecondLeg(t *testing.T) {
	s := source(driver.AM824, 6, 1)
	s.ID, s.TimestampOffset, s.Map = 63, 0xdeadbeef, []int{63, driver.Unmapped}
	s.Legs[0].Interface = 1
	base, info := abi2.streamInfo(source(driver.AM824, 6, 1), s.Legs[0]), abi2.streamInfo(s, s.Legs[0])
	want := map[int]byte{121: 0xef, 122: 0xbe, 123: 0xad, 124: 0xde, 142: 63, 147: 63, 151: 0xff, 152: 0xff, 153: 0xff, 154: 0xff}
	got := make(map[int]byte)
	for i := range base {
		if base[i] != info[i] {
			got[i] = info[i]
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("bytes that differ (-want +got):\n%s", diff)
	}
	if info[7] != 1 || string(info[129:135]) != "AM824\x00" || info[139] != 4 {
		t.Errorf("interface %d, codec %q, word length %d; want 1, AM824, 4", info[7], info[129:135], info[139])
	}
}

// FuzzDecode reads anything as the module's answers and events.
func FuzzDecode(f *testing.F) {
	for _, recording := range []string{"abi1", "abi2", "errors", "application"} {
		for _, r := range readRecording(f, recording) {
			f.Add(r.bytes)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var n netlink.Message
		if n.UnmarshalBinary(b) != nil {
			return
		}
		m, err := decode(n)
		if err != nil {
			if !errors.Is(err, driver.ErrProtocol) {
				t.Errorf("decode() = %v; want ErrProtocol", err)
			}
			return
		}
		if len(m.data) > maxData || len(m.data) > len(b) {
			t.Errorf("%d bytes of data of %d", len(m.data), len(b))
		}
		if a, s, err := ptpStatus(m.data); err == nil && (a != abi1 && a != abi2 || s.Lock > driver.Locked) {
			t.Errorf("ptpStatus() = %d, %v", a, s)
		}
		if _, err := streamStatus(m.data); err == nil && len(m.data) != 8 {
			t.Errorf("stream status of %d bytes", len(m.data))
		}
		out := &sent{}
		l := &link{port: 7, events: out, rates: make(chan uint32, 1)}
		l.event(&mixer{}, m)
		reply, err := decode(receive(t, append(out.last, make([]byte, -len(out.last)&3)...)))
		if err != nil || reply.id != m.id || reply.code != 0 {
			t.Errorf("the reply to %v is %v, %v", m, reply, err)
		}
	})
}
