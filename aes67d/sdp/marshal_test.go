package sdp

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/driver"
)

// grandmaster is the one in the known daemon's documentation.
var grandmaster = driver.ClockID{0x00, 0x10, 0x4b, 0xff, 0xfe, 0x7a, 0x87, 0xfc}

// source is the stream of the known daemon's documentation, its "ALSA Source 2".
func source() Description {
	return Description{
		Origin: Origin{SessionID: "2", Address: netip.MustParseAddr("10.0.0.13")},
		Name:   "ALSA Source 2",
		Streams: []Stream{{
			Destination:      netip.MustParseAddrPort("239.1.0.3:5004"),
			TTL:              15,
			PayloadType:      98,
			Codec:            "L16",
			SampleRate:       48000,
			Channels:         2,
			SamplesPerPacket: 48,
			Clock:            Clock{Grandmaster: grandmaster, HasDomain: true},
		}},
	}
}

// TestMarshalDocumented compares with the known daemon's documentation, byte for byte.
func TestMarshalDocumented(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "aes67-linux-daemon-3.sdp"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := source().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMarshalDuplicate compares with what the known daemon writes for SMPTE ST 2022-7.
// It forgets the direction of the second stream.
func TestMarshalDuplicate(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "aes67-linux-daemon-4-2022-7.sdp"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(string(text), "a=mid:2", "a=recvonly\na=mid:2", 1)
	d := source()
	d.Origin = Origin{"-", "2831159553", 317021570, netip.MustParseAddr("192.168.1.17")}
	d.Name = "Daemon a8c01101 ALSA Source 0"
	first := &d.Streams[0]
	first.Destination = netip.MustParseAddrPort("239.1.0.1:5004")
	first.Sources = []netip.Addr{netip.MustParseAddr("192.168.1.17")}
	first.Codec = "L24"
	first.Clock.Grandmaster = driver.ClockID{0x00, 0x1d, 0xc1, 0xff, 0xfe, 0x50, 0x36, 0x33}
	second := *first
	second.Destination = netip.MustParseAddrPort("239.1.0.1:5006")
	second.Sources = []netip.Addr{netip.MustParseAddr("192.168.1.18")}
	d.Streams = append(d.Streams, second)
	got, err := d.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMarshalLines(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(*Description)
		with    []string // whole lines
		without string
	}{
		{"traceable", func(d *Description) { d.Streams[0].Clock.Traceable = true },
			[]string{"a=clock-domain:PTPv2 0", "a=ts-refclk:ptp=IEEE1588-2008:traceable"}, "00-10"},
		{"domain", func(d *Description) { d.Streams[0].Clock.Domain = 127 },
			[]string{"a=clock-domain:PTPv2 127", "a=ts-refclk:ptp=IEEE1588-2008:00-10-4B-FF-FE-7A-87-FC:127"}, ""},
		{"no domain", func(d *Description) { d.Streams[0].Clock.HasDomain = false },
			[]string{"a=ts-refclk:ptp=IEEE1588-2008:00-10-4B-FF-FE-7A-87-FC"}, "clock-domain"},
		{"no grandmaster yet", func(d *Description) { d.Streams[0].Clock.Grandmaster = driver.ClockID{} },
			[]string{"a=ts-refclk:ptp=IEEE1588-2008:00-00-00-00-00-00-00-00:0"}, ""},
		{"no clock", func(d *Description) { d.Streams[0].Clock = Clock{} }, nil, "clk:ptp"},
		{"offset", func(d *Description) { d.Streams[0].TimestampOffset = 1<<32 - 1 },
			[]string{"a=mediaclk:direct=4294967295", "a=sync-time:4294967295"}, ""},
		{"channels listed", func(d *Description) { d.Info = "2 channels: Left, Right" },
			[]string{"i=2 channels: Left, Right"}, ""},
		{"filter", func(d *Description) {
			d.Streams[0].Sources = []netip.Addr{netip.MustParseAddr("10.0.0.13"), netip.MustParseAddr("10.0.0.14")}
		}, []string{"a=source-filter: incl IN IP4 239.1.0.3 10.0.0.13 10.0.0.14"}, ""},
		{"unicast", func(d *Description) { d.Streams[0].Destination = netip.MustParseAddrPort("10.0.0.7:6000") },
			[]string{"m=audio 6000 RTP/AVP 98", "c=IN IP4 10.0.0.7"}, "10.0.0.7/"},
		{"no packet time", func(d *Description) { d.Streams[0].SamplesPerPacket = 0 }, nil, "ptime"},
		{"no name", func(d *Description) { d.Name = "" }, []string{"s=-"}, ""},
		{"user", func(d *Description) { d.Origin.Username, d.Origin.Version = "me", 7 },
			[]string{"o=me 2 7 IN IP4 10.0.0.13"}, ""},
		{"origin of IPv6", func(d *Description) { d.Origin.Address = netip.MustParseAddr("fd00::1") },
			[]string{"o=- 2 0 IN IP6 fd00::1"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := source()
			tt.change(&d)
			b, err := d.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range tt.with {
				if !strings.Contains(string(b), "\n"+line+"\n") {
					t.Errorf("no line %q in\n%s", line, b)
				}
			}
			if tt.without != "" && strings.Contains(string(b), tt.without) {
				t.Errorf("%q in\n%s", tt.without, b)
			}
		})
	}
}

// TestMarshalPacketTime has the packet times of every number of samples that users may
// choose, and some where a daemon once went wrong.
func TestMarshalPacketTime(t *testing.T) {
	for _, tt := range []struct {
		samples, rate uint32
		want          string
	}{
		{48, 44100, "1.08843537415"},
		{16, 44100, "0.362811791383"},
		{192, 44100, "4.353741496599"},
		{6, 48000, "0.125"},
		{12, 48000, "0.25"},
		{16, 48000, "0.333333333333"},
		{48, 48000, "1"},
		{96, 48000, "2"},
		{192, 48000, "4"},
		{480, 48000, "10"},
		{48, 192000, "0.25"},
		{16, 96000, "0.166666666667"},
		{800, 8000, "100"},
		{48, 384000, "0.125"},
	} {
		got := packetTime(tt.samples, tt.rate)
		if got != tt.want {
			t.Errorf("packetTime(%d, %d) = %q; want %q", tt.samples, tt.rate, got, tt.want)
		}
		if n, err := parsePacketTime(got, tt.rate); n != tt.samples || err != nil {
			t.Errorf("parsePacketTime(%q, %d) = %d, %v; want %d", got, tt.rate, n, err, tt.samples)
		}
	}
}

func TestMarshalRefuses(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(*Description)
	}{
		{"no stream", func(d *Description) { d.Streams = nil }},
		{"at most two", func(d *Description) { d.Streams = append(d.Streams, d.Streams[0], d.Streams[0]) }},
		{"cannot carry the same", func(d *Description) {
			d.Streams = append(d.Streams, d.Streams[0])
			d.Streams[1].Channels = 1
		}},
		{"cannot be printed", func(d *Description) { d.Name = "a\r\nb" }},
		{"cannot be printed", func(d *Description) { d.Info = "a\x00" }},
		{"cannot be printed", func(d *Description) { d.Name = "\xff" }},
		{"has spaces", func(d *Description) { d.Origin.Username = "a b" }},
		{"not a 64-bit number", func(d *Description) { d.Origin.SessionID = "" }},
		{"not a 64-bit number", func(d *Description) { d.Origin.SessionID = "x" }},
		{"no address", func(d *Description) { d.Origin.Address = netip.Addr{} }},
		{"zone", func(d *Description) { d.Origin.Address = netip.MustParseAddr("fe80::1%eth0") }},
		{"not an IPv4 address", func(d *Description) { d.Streams[0].Destination = netip.MustParseAddrPort("[ff02::1]:5004") }},
		{"not an IPv4 address", func(d *Description) { d.Streams[0].Destination = netip.AddrPort{} }},
		{"no port", func(d *Description) { d.Streams[0].Destination = netip.MustParseAddrPort("239.1.0.3:0") }},
		{"needs a TTL", func(d *Description) { d.Streams[0].TTL = 0 }},
		{"not an IPv4 address", func(d *Description) { d.Streams[0].Sources = []netip.Addr{netip.IPv6Loopback()} }},
		{"not 0 to 127", func(d *Description) { d.Streams[0].PayloadType = 128 }},
		{"codec", func(d *Description) { d.Streams[0].Codec = "l16" }},
		{"sample rate", func(d *Description) { d.Streams[0].SampleRate = 7999 }},
		{"sample rate", func(d *Description) { d.Streams[0].SampleRate = 384001 }},
		{"channels", func(d *Description) { d.Streams[0].Channels = 0 }},
		{"channels", func(d *Description) { d.Streams[0].Channels = 65 }},
		{"do not fit", func(d *Description) { d.Streams[0].SamplesPerPacket = 16374 }},
	} {
		d := source()
		tt.change(&d)
		b, err := d.Marshal()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Marshal(%+v) = %q, %v; want an error with %q", d, b, err, tt.want)
		}
	}
}

func TestSameSession(t *testing.T) {
	o := Origin{"-", "7", 1, netip.MustParseAddr("10.0.0.1")}
	newer, session, host, user := o, o, o, o
	newer.Version = 2
	session.SessionID = "8"
	host.Address = netip.MustParseAddr("10.0.0.2")
	user.Username = "me"
	for _, tt := range []struct {
		name string
		a, b Origin
		want bool
	}{
		{"itself", o, o, true},
		{"a newer version", o, newer, true},
		{"another session", o, session, false},
		{"another host", o, host, false},
		{"another user", o, user, false},
		{"none", Origin{}, Origin{}, false},
	} {
		if got := tt.a.SameSession(tt.b); got != tt.want {
			t.Errorf("%s: SameSession = %v; want %v", tt.name, got, tt.want)
		}
	}
}
