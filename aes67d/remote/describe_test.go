package remote

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDescribe(t *testing.T) {
	type result struct {
		Name, Session string
		Version       uint64
	}
	for _, test := range []struct {
		name, sdp string
		want      result
	}{
		{"known daemon", example(1, 3), result{"ALSA Source 1", "- 1  IN IP4 10.0.0.13", 3}},
		{"Dante", "v=0\r\no=- 1423986 1423994 IN IP4 169.254.98.63\r\ns=AOIP44-serial-1614 : 2\r\nc=IN IP4 239.65.45.154/32\r\nt=0 0\r\n", result{"AOIP44-serial-1614 : 2", "- 1423986  IN IP4 169.254.98.63", 1423994}},
		{"name before origin", "s= a \no=u 2 18446744073709551615 IN IP6 ::1\n", result{"a", "u 2  IN IP6 ::1", 1<<64 - 1}},
		{"media have names, too", "v=0\ns=a\nm=audio 1 RTP/AVP 96\ns=b\no=- 1 1 IN IP4 10.0.0.1\n", result{Name: "a"}},
		{"deletion", "o=- 1 0 IN IP4 10.0.0.13\r\n", result{Session: "- 1  IN IP4 10.0.0.13"}},
		{"too few fields", "o=- 1 0 IN IP4\r\n", result{}},
		{"version is no number", "o=- 1 one IN IP4 10.0.0.13\r\n", result{}},
		{"version beyond numbers", "o=- 1 18446744073709551616 IN IP4 10.0.0.13\r\n", result{}},
		{"nothing", "", result{}},
		{"no SDP", "\x00\xff=\n=\n\n", result{}},
	} {
		name, s := describe(test.sdp)
		if diff := cmp.Diff(test.want, result{name, s.name, s.version}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestCRC16(t *testing.T) {
	// The check value in the catalogues of checksums.
	if got := crc16("123456789"); got != 0x29b1 {
		t.Errorf("crc16() = %#x; want 0x29b1", got)
	}
}

// FuzzDescribe gives it SDPs of any kind.
func FuzzDescribe(f *testing.F) {
	f.Add(example(1, 3))
	f.Add("o=- 1 0 IN IP4 10.0.0.13\r\ns=x")
	f.Add("s=0\r0")
	f.Fuzz(func(t *testing.T, sdp string) {
		name, s := describe(sdp)
		if strings.Contains(name+s.name, "\n") || len(name)+len(s.name) > len(sdp) {
			t.Errorf("describe(%q) = %q, %+v", sdp, name, s)
		}
		if s.name == "" && s.version != 0 {
			t.Errorf("describe(%q) has a version of nothing", sdp)
		}
	})
}
