package rtsp

import (
	"errors"
	"io"
	"net/textproto"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sdp is the example in the known daemon's documentation.
const sdp = `v=0
o=- 1 0 IN IP4 10.0.0.12
s=ALSA Source 1
c=IN IP4 239.1.0.1/15
t=0 0
a=clock-domain:PTPv2 0
m=audio 5004 RTP/AVP 98
c=IN IP4 239.1.0.1/15
a=rtpmap:98 L16/48000/2
a=sync-time:0
a=framecount:48
a=ptime:1
a=mediaclk:direct=0
a=ts-refclk:ptp=IEEE1588-2008:00-0C-29-FF-FE-0E-90-C8:0
a=recvonly
`

// crlf gives lines the ends they have on the network.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// Examples of what there is on the network, for the tables and the fuzzers.
var (
	describeRequest = crlf("DESCRIBE rtsp://10.0.0.12:8854/by-name/AES67%20daemon%20ALSA%20Source%201 RTSP/1.0\nCSeq: 312\nUser-Agent: test\nAccept: application/sdp\n\n")
	ffmpegOptions   = crlf("OPTIONS rtsp://10.0.0.12:8854/by-id/0 RTSP/1.0\nCSeq: 1\nUser-Agent: Lavf59.27.100\n\n")
	ffmpegSetup     = crlf("SETUP rtsp://10.0.0.12:8854/by-id/0/ RTSP/1.0\nTransport: RTP/AVP/UDP;unicast;client_port=18218-18219\nCSeq: 3\nUser-Agent: Lavf59.27.100\n\n")
	announceRequest = crlf("ANNOUNCE rtsp://10.0.0.12:8854/by-name/AES67%20daemon%20ALSA%20Source%201 RTSP/1.0\nUser-Agent: test\nconnection: Keep-Alive\nCSeq: 0\nContent-Length: 9\nContent-Type: application/sdp\n\n") + "v=0\r\ns=x\n"
	describeAnswer  = crlf("RTSP/1.0 200 OK\nCSeq: 1\nContent-Length: 9\nContent-Type: application/sdp\n\n") + "v=0\r\ns=x\n"
)

func TestReadMessages(t *testing.T) {
	type header = textproto.MIMEHeader
	for _, test := range []struct {
		name, in string
		want     []message
		err      error
	}{
		{"nothing", "", nil, io.EOF},
		{"empty lines only", "\r\n\n\r\n", nil, io.EOF},
		{"request", describeRequest, []message{{
			method: "DESCRIBE", url: "rtsp://10.0.0.12:8854/by-name/AES67%20daemon%20ALSA%20Source%201",
			header: header{"Cseq": {"312"}, "User-Agent": {"test"}, "Accept": {"application/sdp"}},
		}}, io.EOF},
		{"lines end in LF", "OPTIONS * RTSP/1.0\nCSeq: 1\n\n", []message{{method: "OPTIONS", url: "*", header: header{"Cseq": {"1"}}}}, io.EOF},
		{"spaces in the URL", "DESCRIBE rtsp://h/by-name/a b RTSP/1.0\r\ncseq:1\r\n\r\n", []message{{method: "DESCRIBE", url: "rtsp://h/by-name/a b", header: header{"Cseq": {"1"}}}}, io.EOF},
		{"no header", "OPTIONS * RTSP/1.0\r\n\r\n", []message{{method: "OPTIONS", url: "*", header: header{}}}, io.EOF},
		{"response", describeAnswer, []message{{
			status: 200, reason: "OK", body: "v=0\r\ns=x\n",
			header: header{"Cseq": {"1"}, "Content-Length": {"9"}, "Content-Type": {"application/sdp"}},
		}}, io.EOF},
		{"no reason", "RTSP/1.0 404\r\nCSeq: 1\r\n\r\n", []message{{status: 404, header: header{"Cseq": {"1"}}}}, io.EOF},
		{
			"one after another, empty lines between",
			"\r\nRTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab\r\n\r\n\nPLAY x RTSP/1.0\n\n",
			[]message{
				{status: 200, reason: "OK", header: header{"Content-Length": {"2"}}, body: "ab"},
				{method: "PLAY", url: "x", header: header{}},
			},
			io.EOF,
		},
		{"same length twice", "RTSP/1.0 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", []message{
			{status: 200, reason: "OK", header: header{"Content-Length": {"1", "1"}}, body: "x"},
		}, io.EOF},
		{"cut in the first line", "DESCRIBE rtsp", nil, io.ErrUnexpectedEOF},
		{"cut in the header", "DESCRIBE x RTSP/1.0\r\nCSeq: 1\r\n", nil, io.ErrUnexpectedEOF},
		{"cut in the body", "RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nab", nil, io.ErrUnexpectedEOF},
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", nil, errMalformed},
		{"binary", "$\x00\x00\x04abcd\n\n", nil, errMalformed},
		{"status is no number", "RTSP/1.0 OK\r\n\r\n", nil, errMalformed},
		{"status is negative", "RTSP/1.0 -20 OK\r\n\r\n", nil, errMalformed},
		{"header without colon", "PLAY x RTSP/1.0\r\nCSeq 1\r\n\r\n", nil, errMalformed},
		{"length is no number", "RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n", nil, errMalformed},
		{"several lengths", "RTSP/1.0 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", nil, errMalformed},
		{"long body", "RTSP/1.0 200 OK\r\nContent-Length: 65537\r\n\r\n", nil, errTooLarge},
		{"length beyond numbers", "RTSP/1.0 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", nil, errTooLarge},
		{"long line", "DESCRIBE " + strings.Repeat("x", 3*maxHead), nil, errTooLarge},
		{"long header", "PLAY x RTSP/1.0\r\n" + strings.Repeat("A: b\r\n", maxHead), nil, errTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newReader(strings.NewReader(test.in))
			var got []message
			m, err := r.next()
			for ; err == nil; m, err = r.next() {
				got = append(got, *m)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(message{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
			if !errors.Is(err, test.err) {
				t.Errorf("ends with %v; want %v", err, test.err)
			}
		})
	}
}

// TestLargest reads many messages as large as may be from one connection, and then
// one too large: the limit is one of each, not of all.
func TestLargest(t *testing.T) {
	one := string(encode("ANNOUNCE x RTSP/1.0", []string{"X: " + strings.Repeat("x", maxHead-200)}, strings.Repeat("s", maxBody)))
	small := "OPTIONS * RTSP/1.0\r\n\r\n"
	large := "OPTIONS * RTSP/1.0\r\n" + strings.Repeat("A: b\r\n", maxHead)
	r := newReader(strings.NewReader(strings.Repeat(one, 5) + strings.Repeat(small, 5) + large))
	for n := range 10 {
		if m, err := r.next(); err != nil || n < 5 && len(m.body) != maxBody {
			t.Fatalf("message %d: %v", n+1, err)
		}
	}
	if _, err := r.next(); err != errTooLarge {
		t.Errorf("the large one: %v", err)
	}
}

func TestHasSDP(t *testing.T) {
	for kind, want := range map[string]bool{
		"":                               true,
		"application/sdp":                true,
		"Application/SDP; charset=utf-8": true,
		"application/sdp;":               true,
		"text/parameters":                false,
		"application/sdpx":               false,
		";":                              false,
	} {
		m := message{header: textproto.MIMEHeader{"Content-Type": {kind}}}
		if got := m.hasSDP(); got != want {
			t.Errorf("type %q: hasSDP() = %t; want %t", kind, got, want)
		}
	}
}
