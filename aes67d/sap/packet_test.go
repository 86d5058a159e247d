package sap

import (
	"bytes"
	"compress/zlib"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var compareAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// example is a description as the known daemon writes it, from its documentation.
const example = "v=0\no=- 1311738121 1311738121 IN IP4 192.168.1.1\ns=Stage left I/O\nc=IN IP4 239.0.0.1/15\nt=0 0\n" +
	"a=clock-domain:PTPv2 0\nm=audio 5004 RTP/AVP 98\nc=IN IP4 239.0.0.1/15\na=rtpmap:98 L16/48000/8\na=sync-time:0\n" +
	"a=framecount:48\na=ptime:1\na=mediaclk:direct=0\na=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-12-00-A4:0\na=recvonly\n"

const exampleHeader = "\x20\x00\x12\x34\xc0\xa8\x01\x01application/sdp\x00"

var exampleOrigin = netip.MustParseAddr("192.168.1.1")

func deflate(s string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

func TestMarshal(t *testing.T) {
	for _, test := range []struct {
		name   string
		packet Packet
		want   string
	}{
		{"announcement", Packet{Hash: 0x1234, Origin: exampleOrigin, Payload: []byte(example)}, exampleHeader + example},
		{"deletion", Packet{Delete: true, Hash: 0xfffe, Origin: exampleOrigin, Payload: []byte("o=- 1 2 IN IP4 192.168.1.1\r\n")},
			"\x24\x00\xff\xfe\xc0\xa8\x01\x01application/sdp\x00o=- 1 2 IN IP4 192.168.1.1\r\n"},
		{"other type", Packet{Hash: 1, Origin: exampleOrigin, Type: "text/plain"}, "\x20\x00\x00\x01\xc0\xa8\x01\x01text/plain\x00"},
	} {
		got, err := test.packet.Marshal()
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(test.want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	for name, p := range map[string]Packet{
		"IPv6 origin": {Origin: netip.MustParseAddr("fe80::1")},
		"no origin":   {},
		"zero byte":   {Origin: exampleOrigin, Type: "a\x00b"},
	} {
		if b, err := p.Marshal(); err == nil {
			t.Errorf("%s: Marshal = %q; want an error", name, b)
		}
	}
}

func TestParse(t *testing.T) {
	announcement := Packet{Hash: 0x1234, Origin: exampleOrigin, Type: TypeSDP, Payload: []byte(example)}
	deletion := Packet{Delete: true, Hash: 0x1234, Origin: exampleOrigin, Type: TypeSDP, Payload: []byte("o=- 1 1 IN IP4 192.168.1.1\n")}
	empty := deletion
	empty.Payload = nil
	text := announcement
	text.Type = "text/plain"
	zero := announcement
	zero.Hash = 0
	zero.Origin = netip.IPv4Unspecified()
	const plain, gone = "\x20\x00\x12\x34\xc0\xa8\x01\x01", "\x24\x00\x12\x34\xc0\xa8\x01\x01"
	for _, test := range []struct {
		name, data string
		want       Packet
	}{
		{"announcement", exampleHeader + example, announcement},
		{"letter case of the type", plain + "Application/SDP\x00" + example, announcement},
		{"parameters of the type", plain + "application/sdp; charset=utf-8\x00" + example, announcement},
		{"empty type", plain + "\x00" + example, announcement},
		{"type missing", plain + example, announcement},
		{"reserved bit", "\x28" + plain[1:] + example, announcement},
		{"broken parameters of the type", plain + "application/sdp; charset\x00" + example, announcement},
		{"authentication", "\x20\x02\x12\x34\xc0\xa8\x01\x01signatur" + example, announcement},
		{"compressed", "\x21" + plain[1:] + deflate("application/sdp\x00"+example), announcement},
		{"compressed without a type", "\x21" + plain[1:] + deflate(example), announcement},
		{"compressed and authenticated", "\x21\x01" + plain[2:] + "sign" + deflate(example), announcement},
		{"other type", plain + "text/plain\x00" + example, text},
		{"version 0 of the protocol's fields", "\x20\x00\x00\x00\x00\x00\x00\x00" + example, zero},
		{"deletion", gone + "application/sdp\x00o=- 1 1 IN IP4 192.168.1.1\n", deletion},
		{"deletion without a type", gone + "o=- 1 1 IN IP4 192.168.1.1\n", deletion},
		{"deletion of nothing but the header", gone, empty},
	} {
		got, err := Parse([]byte(test.data))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if len(got.Payload) == 0 {
			got.Payload = nil
		}
		if diff := cmp.Diff(test.want, got, compareAddr); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	origin := "\x00\x12\x34\xc0\xa8\x01\x01"
	for _, test := range []struct {
		name, data, says string
		unsupported      bool
	}{
		{"nothing", "", "shorter", false},
		{"short", "\x20\x00\x12\x34\xc0\xa8\x01", "shorter", false},
		{"version 0", "\x00" + origin + example, "version 0", false},
		{"version 2", "\x40" + origin + example, "version 2", false},
		{"encrypted", "\x22" + origin + example, "encrypted", true},
		{"IPv6", "\x30" + origin + strings.Repeat("\x00", 12) + example, "IPv6", true},
		{"authentication too long", "\x20\xff" + origin[1:] + example, "authentication", false},
		{"neither type nor SDP", "\x20" + origin + "hello", "neither", false},
		{"no media type", "\x20" + origin + " v=0\x00" + example, "payload type", false},
		{"not zlib", "\x21" + origin + example, "unpack", false},
		{"zlib cut short", "\x21" + origin + deflate(example)[:50], "unpack", false},
		{"zlib bomb", "\x21" + origin + deflate("v=0"+strings.Repeat("\x00", 1<<20)), "more than", false},
	} {
		_, err := Parse([]byte(test.data))
		if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, errors.ErrUnsupported) != test.unsupported {
			t.Errorf("%s: err = %v; want one that says %q, unsupported: %v", test.name, err, test.says, test.unsupported)
		}
	}
}

// FuzzParse checks that what is understood of any bytes is understood the same when
// it is written by us, and that it is bounded.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		exampleHeader + example,
		"\x24\x00\x12\x34\xc0\xa8\x01\x01application/sdp\x00o=- 1311738121 1311738121 IN IP4 192.168.1.1\n",
		"\x20\x00\x12\x34\xc0\xa8\x01\x01" + example,
		"\x21\x00\x12\x34\xc0\xa8\x01\x01" + deflate("application/sdp\x00"+example),
		"\x20\x02\x12\x34\xc0\xa8\x01\x01signatur" + example,
		"\x30\x00\x12\x34" + strings.Repeat("\xfe", 16) + "application/sdp\x00" + example,
		"\x22\x00\x12\x34\xc0\xa8\x01\x01\x00\x00\x00\x00" + example,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			return
		}
		if len(p.Payload) > max(len(data), maxPacket) {
			t.Fatalf("%d bytes come out of %d", len(p.Payload), len(data))
		}
		b, err := p.Marshal()
		if err != nil {
			t.Fatalf("Marshal of what was read: %v", err)
		}
		again, err := Parse(b)
		if err != nil {
			t.Fatalf("Parse of %q: %v", b, err)
		}
		if len(p.Payload) == 0 && len(again.Payload) == 0 {
			again.Payload = p.Payload
		}
		if diff := cmp.Diff(p, again, compareAddr); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	})
}
