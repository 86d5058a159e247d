package sdp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/driver"
)

// TestMarshalParse reads everything that can be written.
func TestMarshalParse(t *testing.T) {
	compare := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	comparePort := cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })
	for _, codec := range []driver.Codec{driver.L16, driver.L24, driver.AM824} {
		for _, rate := range []uint32{8000, 32000, 44100, 48000, 88200, 96000, 176400, 192000, 352800, 384000} {
			for _, channels := range []int{1, 2, 8, 64} {
				for _, samples := range []uint32{0, 1, 6, 12, 16, 48, 96, 192} {
					d := source()
					d.Origin.Username = "-"
					s := &d.Streams[0]
					s.Codec, s.SampleRate, s.Channels, s.SamplesPerPacket = string(codec), rate, channels, samples
					s.TimestampOffset = rate
					b, err := d.Marshal()
					if err != nil {
						t.Fatal(err)
					}
					got, warnings, err := Parse(b)
					if err != nil || len(warnings) > 0 {
						t.Fatalf("Parse(%q): %q, %v", b, warnings, err)
					}
					if diff := cmp.Diff(d, got, compare, comparePort); diff != "" {
						t.Fatalf("Parse(%q) (-want +got):\n%s", b, diff)
					}
				}
			}
		}
	}
}

// stream returns a description with some lines after those every stream has.
func stream(lines ...string) string {
	return "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=x\nc=IN IP4 239.1.2.3/32\nt=0 0\nm=audio 5004 RTP/AVP 97\n" +
		strings.Join(lines, "\n") + "\n"
}

const l24 = "a=rtpmap:97 L24/48000/2"

// TestParseStream is about what a stream says of itself, line by line.
func TestParseStream(t *testing.T) {
	for _, tt := range []struct {
		name    string
		text    string
		want    string // begins what String says after the destination
		warning string // in the only warning; empty: there is none
	}{
		{"no channels", stream("a=rtpmap:97 L24/48000"), "97 L24/48000/1", ""},
		{"any case", stream("a=rtpmap:97 l24/48000/2"), "97 L24/48000/2", ""},
		{"space", stream("a=rtpmap: 97  L24/48000/2"), "97 L24/48000/2", ""},
		{"static stereo", strings.ReplaceAll(stream(), " 97", " 10"), "10 L16/44100/2", ""},
		{"static mono", strings.ReplaceAll(stream(), " 97", " 11"), "11 L16/44100/1", ""},
		{"static, but said otherwise", strings.ReplaceAll(stream("a=rtpmap:10 L16/48000/4"), " 97", " 10"), "10 L16/48000/4", ""},
		{"first that we play", strings.ReplaceAll(stream("a=rtpmap:96 opus/48000/2", "a=rtpmap:98 L16/48000/2"), " 97", " 96 97 98"), "98 L16/48000/2", ""},
		{"of another type", stream("a=rtpmap:96 L16/8000/1", l24), "97 L24/48000/2", ""},

		{"framecount", stream(l24, "a=framecount:48"), "97 L24/48000/2 48", ""},
		{"framecount range", stream(l24, "a=framecount:64-192"), "97 L24/48000/2 192", ""},
		{"framecount list", stream(l24, "a=framecount:48,6,12"), "97 L24/48000/2 48", ""},
		{"framecount and ptime", stream(l24, "a=framecount:6", "a=ptime:0.12"), "97 L24/48000/2 6", ""},
		{"framecount against ptime", stream(l24, "a=ptime:1", "a=framecount:6"), "97 L24/48000/2 6", "makes 48 samples"},
		{"framecount range against ptime", stream(l24, "a=framecount:64-192", "a=ptime:1"), "97 L24/48000/2 192", "makes 48 samples"},
		{"framecount of nothing", stream(l24, "a=framecount:0", "a=ptime:1"), "97 L24/48000/2 48", `"0" is not a number of samples`},
		{"framecount empty", stream(l24, "a=framecount:", "a=ptime:1"), "97 L24/48000/2 48", "no number of samples"},
		{"ptime", stream(l24, "a=ptime:0.25"), "97 L24/48000/2 12", ""},
		{"ptime with a comma", stream(l24, "a=ptime:1,0"), "97 L24/48000/2 48", ""},
		{"ptime in words", stream(l24, "a=ptime:one"), "97 L24/48000/2 0", "not a time in ms"},
		{"maxptime alone", stream(l24, "a=maxptime:4"), "97 L24/48000/2 192", ""},
		{"ptime before maxptime", stream(l24, "a=maxptime:5", "a=ptime:1"), "97 L24/48000/2 48", ""},
		{"packet too large", stream(l24, "a=ptime:1000"), "97 L24/48000/2 0", "do not fit"},

		{"offset", stream(l24, "a=mediaclk:direct=963214424"), "97 L24/48000/2 0 @963214424", ""},
		{"offset and rate", stream(l24, "a=mediaclk:direct=963214424 rate=48000/1"), "97 L24/48000/2 0 @963214424", ""},
		{"no offset", stream(l24, "a=mediaclk:direct"), "97 L24/48000/2 0 @0", ""},
		{"offset too large", stream(l24, "a=mediaclk:direct=4294967296", "a=sync-time:5"), "97 L24/48000/2 0 @5", "not a 32-bit number"},
		{"sync-time", stream(l24, "a=sync-time:77"), "97 L24/48000/2 0 @77", ""},
		{"mediaclk before sync-time", stream(l24, "a=sync-time:77", "a=mediaclk:direct=1"), "97 L24/48000/2 0 @1", ""},
		{"sync-time in words", stream(l24, "a=sync-time:now"), "97 L24/48000/2 0 @0", "not a 32-bit number"},

		{"inactive", stream(l24, "a=inactive"), "97 L24/48000/2", "nothing is sent"},
		{"from the session", "v=0\nm=audio 5004 RTP/AVP 97\n" + l24 + "\nc=IN IP4 239.1.2.3/32\na=ptime:1\n", "97 L24/48000/2 48", ""},
		{"two ports", strings.Replace(stream(l24), "5004", "5004/2", 1), "97 L24/48000/2", ""},
		{"more feedback", strings.Replace(stream(l24), "AVP", "AVPF", 1), "97 L24/48000/2", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, warnings, err := Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			s := d.Streams[0]
			got := fmt.Sprintf("%d %s/%d/%d %d @%d", s.PayloadType, s.Codec, s.SampleRate, s.Channels, s.SamplesPerPacket, s.TimestampOffset)
			if !strings.HasPrefix(got, tt.want) || len(d.Streams) != 1 || s.Destination.String() != "239.1.2.3:5004" {
				t.Errorf("stream %v %s, %d in all; want %s", s.Destination, got, len(d.Streams), tt.want)
			}
			checkWarnings(t, warnings, tt.warning)
		})
	}
}

// checkWarnings tests for the one warning wanted, or none.
func checkWarnings(t *testing.T, got []string, want string) {
	t.Helper()
	if want == "" && len(got) == 0 {
		return
	}
	if len(got) != 1 || want == "" || !strings.Contains(got[0], want) {
		t.Errorf("warnings %q; want one with %q", got, want)
	}
}

// TestParsePacketTime has the roundings seen in the field.
func TestParsePacketTime(t *testing.T) {
	for _, tt := range []struct {
		value string
		rate  uint32
		want  uint32
	}{
		{"1", 48000, 48},
		{"1.0", 48000, 48},
		{"1,0", 48000, 48},
		{"1.000000", 48000, 48},
		{"1", 44100, 48},
		{"1.09", 44100, 48},
		{"1.088", 44100, 48},
		{"1.08843537415", 44100, 48},
		{"1", 88200, 96},
		{"1.09", 176400, 192},
		{"0.12", 48000, 6},
		{"0.13", 48000, 6},
		{"0.125", 48000, 6},
		{"0.1", 48000, 6},
		{"0.14", 44100, 6},
		{".125", 48000, 6},
		{"0.12", 192000, 24},
		{"0.13", 96000, 12},
		{"0.25", 48000, 12},
		{"0.3", 48000, 16},
		{"0.33", 48000, 16},
		{"0.333", 48000, 16},
		{"0.33", 96000, 32},
		{"0.33", 192000, 64},
		{"0.36", 44100, 16},
		{"2", 44100, 96},
		{"4", 44100, 192},
		{"4.35374165", 44100, 192},
		{"4", 48000, 192},
		{"5", 48000, 240},
		{"5.333333", 48000, 256},
		{"0.5", 48000, 24},
		{"3", 44100, 132},
		{"20", 8000, 160},
		{"0.02", 48000, 1},
	} {
		if got, err := parsePacketTime(tt.value, tt.rate); got != tt.want || err != nil {
			t.Errorf("parsePacketTime(%q, %d) = %d, %v; want %d", tt.value, tt.rate, got, err, tt.want)
		}
	}
	for _, value := range []string{"", ".", ",", "0", "0.0", "-1", "1e3", "0x1p4", "inf", "NaN", "1.2.3", "1 ms", "0.001", "99999999999", strings.Repeat("1", 40)} {
		if got, err := parsePacketTime(value, 48000); err == nil {
			t.Errorf("parsePacketTime(%q) = %d; want an error", value, got)
		}
	}
}

func TestParseClock(t *testing.T) {
	id := driver.ClockID{0x00, 0x1d, 0xc1, 0xff, 0xfe, 0x50, 0x36, 0x33}
	known := Clock{Grandmaster: id, HasDomain: true}
	for _, tt := range []struct {
		name    string
		lines   []string
		want    Clock
		warning string
	}{
		{"nothing", nil, Clock{}, ""},
		{"grandmaster", []string{"a=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-50-36-33:0"}, known, ""},
		{"of PTP 2.1", []string{"a=ts-refclk:ptp=IEEE1588-2019:00-1d-c1-ff-fe-50-36-33:0"}, known, ""},
		{"of 802.1AS", []string{"a=ts-refclk:ptp=IEEE802.1AS-2011:00-1D-C1-FF-FE-50-36-33"}, Clock{Grandmaster: id}, ""},
		{"domain", []string{"a=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-50-36-33:domain-nmbr=12"}, Clock{Grandmaster: id, Domain: 12, HasDomain: true}, ""},
		{"domain name", []string{"a=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-50-36-33:domain-name=x"}, Clock{Grandmaster: id}, ""},
		{"domain of RAVENNA", []string{"a=clock-domain:PTPv2 3", "a=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-50-36-33"}, Clock{Grandmaster: id, Domain: 3, HasDomain: true}, ""},
		{"both domains", []string{"a=clock-domain:PTPv2 3", "a=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-50-36-33:0"}, known, ""},
		{"colons", []string{"a=ts-refclk:ptp=IEEE1588-2008:00:1D:C1:FF:FE:50:36:33:0"}, known, ""},
		{"nothing between", []string{"a=ts-refclk:ptp=IEEE1588-2008:001DC1FFFE503633:0"}, known, ""},
		{"without ptp", []string{"a=ts-refclk:IEEE1588-2008:00-1D-C1-FF-FE-50-36-33:0"}, known, ""},
		{"traceable", []string{"a=ts-refclk:ptp=IEEE1588-2008:traceable"}, Clock{Traceable: true}, ""},
		{"traceable of no version", []string{"a=ts-refclk:ptp=traceable"}, Clock{Traceable: true}, ""},
		{"several", []string{
			"a=ts-refclk:ptp=IEEE1588-2008:traceable",
			"a=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-50-36-33:0",
			"a=ts-refclk:ptp=IEEE1588-2008:11-11-11-FF-FE-11-11-11:0",
		}, known, ""},
		{"traceable before nothing", []string{"a=clock-domain:PTPv2 5", "a=ts-refclk:ptp=IEEE1588-2008:traceable"}, Clock{Traceable: true, Domain: 5, HasDomain: true}, ""},
		{"NTP too", []string{"a=ts-refclk:ntp=/traceable/", "a=ts-refclk:ptp=IEEE1588-2008:traceable"}, Clock{Traceable: true}, "not PTP"},
		{"GPS", []string{"a=ts-refclk:gps"}, Clock{}, "not PTP"},
		{"own", []string{"a=ts-refclk:localmac=00-20-FC-32-2F-40"}, Clock{}, "not PTP"},
		{"short identity", []string{"a=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-50-36-33:0"}, Clock{}, "clock identity"},
		{"long identity", []string{"a=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-50-36-33-44:0"}, Clock{}, "clock identity"},
		{"no identity", []string{"a=ts-refclk:ptp=IEEE1588-2008:"}, Clock{}, "clock identity"},
		{"large domain", []string{"a=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-50-36-33:256"}, Clock{}, "PTP domain"},
		{"PTP of old", []string{"a=clock-domain:PTPv1 0"}, Clock{}, "PTPv2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, warnings, err := Parse([]byte(stream(append(tt.lines, l24)...)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, d.Streams[0].Clock); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			checkWarnings(t, warnings, tt.warning)
		})
	}
}

// TestParseLegs is about where streams go and come from, and which of them count.
func TestParseLegs(t *testing.T) {
	section := func(lines ...string) string {
		return "m=audio 5004 RTP/AVP 97\n" + l24 + "\n" + strings.Join(lines, "\n") + "\n"
	}
	one, two := "c=IN IP4 239.1.1.1/32", "c=IN IP4 239.2.2.2/32"
	for _, tt := range []struct {
		name    string
		text    string
		want    []string // destination, TTL and sources
		warning string
	}{
		{"of the session", "v=0\n" + one + "\n" + section(), []string{"239.1.1.1 32 []"}, ""},
		{"its own", "v=0\n" + one + "\n" + section(two), []string{"239.2.2.2 32 []"}, ""},
		{"unicast", section("c=IN IP4 10.0.0.1"), []string{"10.0.0.1 0 []"}, ""},
		{"unicast with a TTL", section("c=IN IP4 10.0.0.1/32"), []string{"10.0.0.1 0 []"}, ""},
		{"no TTL", section("c=IN IP4 239.1.1.1"), []string{"239.1.1.1 0 []"}, "without a TTL"},
		{"TTL too large", section("c=IN IP4 239.1.1.1/256"), []string{"239.1.1.1 0 []"}, "without a TTL"},
		{"one address", section("c=IN IP4 239.1.1.1/32/1"), []string{"239.1.1.1 32 []"}, ""},
		{"several addresses", section("c=IN IP4 239.1.1.1/32/2"), []string{"239.1.1.1 32 []"}, "only the first"},

		{"source", section(one, "a=source-filter: incl IN IP4 239.1.1.1 10.0.0.1"), []string{"239.1.1.1 32 [10.0.0.1]"}, ""},
		{"source for all", "v=0\na=source-filter:incl IN IP4 * 10.0.0.1\n" + section(one), []string{"239.1.1.1 32 [10.0.0.1]"}, ""},
		{"source of another", section(one, "a=source-filter: incl IN IP4 239.9.9.9 10.0.0.1"), []string{"239.1.1.1 32 []"}, ""},
		{"any of two sources", section(one, "a=source-filter: incl IN IP4 239.1.1.1 10.0.0.1 10.0.0.2 10.0.0.1"), []string{"239.1.1.1 32 [10.0.0.1 10.0.0.2]"}, ""},
		{"source by name", section(one, "a=source-filter: incl IN IP4 239.1.1.1 host"), []string{"239.1.1.1 32 []"}, `"host" is not`},
		{"excluded", section(one, "a=source-filter: excl IN IP4 239.1.1.1 10.0.0.1"), []string{"239.1.1.1 32 []"}, "only filters that include"},

		{"two c= lines", section(one, two, "a=source-filter: incl IN IP4 239.1.1.1 10.0.0.1", "a=source-filter: incl IN IP4 239.2.2.2 10.0.1.1"),
			[]string{"239.1.1.1 32 [10.0.0.1]", "239.2.2.2 32 [10.0.1.1]"}, ""},
		{"two sources of the same", section(one, "a=source-filter: incl IN IP4 239.1.1.1 10.0.0.1 10.0.1.1", "a=ssrc-group:DUP 1 2"),
			[]string{"239.1.1.1 32 [10.0.0.1]", "239.1.1.1 32 [10.0.1.1]"}, ""},

		{"DUP", "v=0\na=group:DUP p s\n" + section(one, "a=mid:p") + section(two, "a=mid:s"), []string{"239.1.1.1 32 []", "239.2.2.2 32 []"}, ""},
		{"DUP in its order", "v=0\na=group:DUP s p\n" + section(one, "a=mid:p") + section(two, "a=mid:s"), []string{"239.2.2.2 32 []", "239.1.1.1 32 []"}, ""},
		{"DUP of the nameless", "v=0\na=group:DUP 1 2\n" + section(one) + section(two), []string{"239.1.1.1 32 []", "239.2.2.2 32 []"}, ""},
		{"DUP of one", "v=0\na=group:DUP p s\n" + section(one, "a=mid:p"), []string{"239.1.1.1 32 []"}, ""},
		{"DUP of others", "v=0\na=group:DUP a b\n" + section(one, "a=mid:p") + section(two, "a=mid:s"), []string{"239.1.1.1 32 []"}, "another stream"},
		{"DUP of itself", "v=0\na=group:DUP p p\n" + section(one, "a=mid:p") + section(two, "a=mid:s"), []string{"239.1.1.1 32 []"}, "another stream"},
		{"DUP among more", "v=0\na=group:FID x p\na=group:DUP p s\n" + section("c=IN IP4 239.3.3.3/1", "a=mid:x") + section(one, "a=mid:p") + section(two, "a=mid:s"),
			[]string{"239.1.1.1 32 []", "239.2.2.2 32 []"}, "another stream"},
		{"DUP of broken ones", "v=0\na=group:DUP p s\n" + section(one, "a=mid:p") + section("c=IN IP6 ff02::1", "a=mid:s"), []string{"239.1.1.1 32 []"}, "IPv6"},
		{"not the same", "v=0\n" + section(one) + section(two), []string{"239.1.1.1 32 []"}, "another stream"},
		{"after video", "v=0\nm=video 6000 RTP/AVP 96\nc=IN IP4 239.9.9.9/1\na=mid:v\n" + section(one), []string{"239.1.1.1 32 []"}, "it is not audio"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, warnings, err := Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range d.Streams {
				got = append(got, fmt.Sprint(s.Destination.Addr(), " ", s.TTL, " ", s.Sources))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			checkWarnings(t, warnings, tt.warning)
		})
	}
	text := "v=0\na=group:DUP 1 2\n" + section(one) + strings.Replace(section(two), "L24", "L16", 1)
	d, warnings, err := Parse([]byte(text))
	if err != nil || len(d.Streams) != 1 || len(warnings) != 2 || !strings.Contains(warnings[0], "differ") {
		t.Errorf("two streams of different formats: %d streams, %q, %v", len(d.Streams), warnings, err)
	}
}

// TestParseFaults reads what is not quite SDP.
func TestParseFaults(t *testing.T) {
	right := stream("i=2 channels", l24)
	for _, tt := range []struct {
		name, text, warning string
	}{
		{"as it should be", right, ""},
		{"CRLF", strings.ReplaceAll(right, "\n", "\r\n"), ""},
		{"CR", strings.ReplaceAll(right, "\n", "\r"), ""},
		{"no end of the last line", strings.TrimSpace(right), ""},
		{"NUL at the end", right + "\x00\x00", ""},
		{"byte order mark", "\ufeff" + right, ""},
		{"indented", strings.ReplaceAll(right, "\n", "\n\t  "), ""},
		{"empty lines", strings.ReplaceAll(right, "\n", "\n\n"), ""},
		{"c= after t=", strings.Replace(right, "c=IN IP4 239.1.2.3/32\nt=0 0\n", "t=0 0\na=tool:x\nc=IN IP4 239.1.2.3/32\n", 1), ""},
		{"c= before s=", strings.Replace(right, "s=x\nc=IN IP4 239.1.2.3/32\n", "c=IN IP4 239.1.2.3/32\ns=x\n", 1), ""},
		{"i= after the attributes", stream(l24, "i=2 channels"), ""},
		{"no v=", strings.TrimPrefix(right, "v=0\n"), ""},
		{"no t=", strings.Replace(right, "t=0 0\n", "", 1), ""},
		{"several t=", strings.Replace(right, "t=0 0", "t=1 2\nr=1 1 0\nt=3 4", 1), ""},
		{"strange t=", strings.Replace(right, "t=0 0", "t=now", 1), ""},
		{"lines of no use", strings.Replace(right, "t=0 0", "u=::\ne=a@b\np=1\nb=X\nt=0 0\nr=1\nz=x\nk=prompt\nX=1", 1), ""},
		{"a= for c=", right + "a=c\na=c:x\n", ""},
		{"bandwidth", right + "b=AS\n", ""},
		{"no SDP at all", right + "hello\n", "equals sign"},
		{"second s=", strings.Replace(right, "s=x", "s=x\ns=y", 1), "such a line before"},
		{"second c= of the session", strings.Replace(right, "t=0 0", "c=IN IP4 239.9.9.9/1\nt=0 0", 1), "such a line before"},
		{"broken c=", strings.Replace(right, "m=", "m=audio 5006 RTP/AVP 96\nc=IN\nm=", 1), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, warnings, err := Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			s := d.Streams[0]
			if d.Name != "x" || d.Info != "2 channels" || d.Origin.SessionID != "1" || s.Destination.String() != "239.1.2.3:5004" || s.Codec != "L24" {
				t.Errorf("%+v", d)
			}
			if tt.name != "broken c=" {
				checkWarnings(t, warnings, tt.warning)
			} else if len(warnings) != 2 {
				t.Errorf("warnings %q; want of the c= line and of the stream without", warnings)
			}
		})
	}
}

// TestParseOrigin reads o= lines; those that cannot be are as good as none.
func TestParseOrigin(t *testing.T) {
	for _, tt := range []struct {
		line, warning string
		want          Origin
	}{
		{"o=me 12 13 IN IP4 10.0.0.9", "", Origin{"me", "12", 13, netip.MustParseAddr("10.0.0.9")}},
		{"o=- 18446744073709551615 18446744073709551615 IN IP4 10.0.0.9", "", Origin{"-", "18446744073709551615", 1<<64 - 1, netip.MustParseAddr("10.0.0.9")}},
		{"o=- 007 1 IN IP4 10.0.0.9", "", Origin{"-", "7", 1, netip.MustParseAddr("10.0.0.9")}},
		{"o=- 1 1 IN IP6 fd00::1", "", Origin{"-", "1", 1, netip.MustParseAddr("fd00::1")}},
		{"o=- 1 1 IN IP4 0.0.0.0", "", Origin{"-", "1", 1, netip.IPv4Unspecified()}},
		{"o=- 1 1 IN IP4 host.example.com", "", Origin{"-", "1", 1, netip.Addr{}}},
		{"o=- 1 1 IN IP4 10.0.0.9 and more", "", Origin{"-", "1", 1, netip.MustParseAddr("10.0.0.9")}},
		{"o=- 1 1", "not a user", Origin{}},
		{"o=- x 1 IN IP4 10.0.0.9", `"x" is not`, Origin{}},
		{"o=- 1 18446744073709551616 IN IP4 10.0.0.9", "is not a 64-bit number", Origin{}},
		{"o=- 1 1 ATM IP4 10.0.0.9", "not a user", Origin{}},
		{"o=\xff 1 1 IN IP4 10.0.0.9", "cannot be printed", Origin{}},
	} {
		d, warnings, err := Parse([]byte(strings.Replace(stream(l24), "o=- 1 1 IN IP4 10.0.0.1", tt.line, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if d.Origin != tt.want {
			t.Errorf("%q: origin %+v; want %+v", tt.line, d.Origin, tt.want)
		}
		checkWarnings(t, warnings, tt.warning)
	}
}

// TestParseNames reads names that are to be shown to people.
func TestParseNames(t *testing.T) {
	for _, tt := range []struct{ line, name, info string }{
		{"s=Stage", "Stage", ""},
		{"s=Bühne 1", "Bühne 1", ""},
		{"s=B\xfchne", "B\ufffdhne", ""},
		{"s=a\tb\x1b", "a b", ""},
		{"s=-", "", ""},
		{"s= ", "", ""},
		{"i=all of it", "", "all of it"},
	} {
		text := strings.Replace(stream(l24), "s=x", tt.line, 1)
		d, _, err := Parse([]byte(text))
		if err != nil || d.Name != tt.name || d.Info != tt.info {
			t.Errorf("%q: name %q, info %q, %v; want %q, %q", tt.line, d.Name, d.Info, err, tt.name, tt.info)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "no RTP audio stream"},
		{"hello", "no RTP audio stream"},
		{"v=0\ns=x\n", "no RTP audio stream"},
		{"v=1\n" + stream(l24), `"v=1": a version of SDP other than 0`},
		{strings.Replace(stream(l24), "5004", "0", 1), `"m=audio 0 RTP/AVP 97": the stream is refused, for its port is 0`},
		{strings.Replace(stream(l24), "5004", "65536", 1), `"65536" is not a port`},
		{strings.Replace(stream(l24), "5004", "x", 1), `"x" is not a port`},
		{strings.Replace(stream(l24), "RTP/AVP", "RTP/SAVP", 1), `protocol "RTP/SAVP" is not RTP/AVP`},
		{strings.Replace(stream(l24), " 97", "", 1), "not a kind of media"},
		{stream(), "no a=rtpmap line says what payload type 97 is"},
		{strings.Replace(stream(), " 97", " x", 1), `payload type "x" is not a number`},
		{strings.Replace(stream(l24), " 97\n", " 128\n", 1), `payload type "128" is not a number`},
		{stream("a=rtpmap:97 opus/48000/2"), `"a=rtpmap:97 opus/48000/2": codec "OPUS" is not L16, L24 or AM824`},
		{stream("a=rtpmap:97 L24"), "sample rate 0"},
		{stream("a=rtpmap:97 L24/x/2"), `sample rate "x" is not a number`},
		{stream("a=rtpmap:97 L24/384001/2"), "sample rate 384001 is not 8000 to 384000 Hz"},
		{stream("a=rtpmap:97 L24/48000/65"), "65 channels are not 1 to 64"},
		{stream("a=rtpmap:97 L24/48000/0"), "0 channels are not 1 to 64"},
		{stream("a=rtpmap:97 L24/48000/x"), `number of channels "x" is not a number`},
		{stream(l24, "c=IN IP6 ff02::1/32"), `"c=IN IP6 ff02::1/32": IPv6 is not supported`},
		{stream(l24, "c=IN IP4 host/32"), `"host" is not an IPv4 address`},
		{stream(l24, "c=IN IP4 0.0.0.0"), "0.0.0.0 is not an address to send to"},
		{stream(l24, "c=IN IP4 255.255.255.255"), "255.255.255.255 is not an address to send to"},
		{strings.Replace(stream(l24), "c=IN IP4 239.1.2.3/32\n", "", 1), "there is no c= line"},
		{strings.Repeat("x", maxSize+1), "too long"},
		{strings.Repeat("a=x\n", maxLines+1), "too long"},
		{strings.Repeat("m=video 1 RTP/AVP 96\n", maxStreams+1), "too long"},
	} {
		d, warnings, err := Parse([]byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%.60q) = %+v, %q, %v; want an error with %q", tt.text, d, warnings, err, tt.want)
		}
	}
}

// TestParseBounds sends as much as can be sent.
func TestParseBounds(t *testing.T) {
	var filter strings.Builder
	filter.WriteString("a=source-filter: incl IN IP4 239.1.2.3")
	for i := range 200 {
		fmt.Fprintf(&filter, " 10.0.0.%d", i+1)
	}
	d, warnings, err := Parse([]byte(stream(l24, filter.String(), strings.Repeat("a=ts-refclk:x"+strings.Repeat("y", 500)+"\n", 100))))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(d.Streams[0].Sources); n != maxSources {
		t.Errorf("%d sources; want %d", n, maxSources)
	}
	if len(warnings) != maxWarnings {
		t.Errorf("%d warnings; want %d", len(warnings), maxWarnings)
	}
	if i := slices.IndexFunc(warnings, func(w string) bool { return len(w) > 300 }); i >= 0 {
		t.Errorf("a warning of %d bytes", len(warnings[i]))
	}
}

// FuzzParse reads anything. What can be read can be written, once it has what only a
// writer must have, and is read again as the same, without a warning.
func FuzzParse(f *testing.F) {
	for _, text := range field(f) {
		f.Add(text)
	}
	f.Add([]byte(stream(l24, "c=IN IP4 239.2.2.2/1", "a=c", "a=c:x", "a=\x00c:x", "a=ssrc-group:DUP 1 2")))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, warnings, err := Parse(text)
		if len(warnings) > maxWarnings || len(d.Streams) > 2 {
			t.Fatalf("%d warnings, %d streams", len(warnings), len(d.Streams))
		}
		if err != nil {
			if len(d.Streams) > 0 {
				t.Fatal("a stream with an error")
			}
			return
		}
		if !d.Origin.Address.IsValid() {
			d.Origin = Origin{"-", "1", 1, netip.MustParseAddr("10.0.0.1")}
		}
		for i := range d.Streams {
			if s := &d.Streams[i]; s.TTL == 0 && s.Destination.Addr().IsMulticast() {
				s.TTL = 1
			}
		}
		b, err := d.Marshal()
		if err != nil {
			t.Fatalf("cannot write %+v: %v", d, err)
		}
		again, warnings, err := Parse(b)
		if err != nil || len(warnings) > 0 {
			t.Fatalf("cannot read %q: %q, %v", b, warnings, err)
		}
		if diff := cmp.Diff(outcome(d, nil, nil), outcome(again, nil, nil)); diff != "" {
			t.Fatalf("%q reads otherwise (-first +again):\n%s", b, diff)
		}
	})
}
