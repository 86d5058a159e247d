package rtp

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	pion "github.com/pion/rtp"
)

// dante is the beginning of a packet as Dante devices send it in AES67 mode: payload type
// 98, stereo L24.
var dante = []byte{
	0x80, 0x62, 0x8c, 0x5f, 0x0a, 0x7d, 0x33, 0x10, 0x00, 0x1d, 0xc1, 0x50,
	0x00, 0x01, 0x02, 0xff, 0xfe, 0xfd,
}

// change returns a packet with the bytes from a place on replaced by others.
func change(b []byte, at int, by ...byte) []byte {
	c := append([]byte(nil), b...)
	return append(c[:at], append(by, c[min(at+len(by), len(c)):]...)...)
}

// insert returns a packet with bytes put in at a place.
func insert(b []byte, at int, by ...byte) []byte {
	return append(append(append([]byte(nil), b[:at]...), by...), b[at:]...)
}

func TestParse(t *testing.T) {
	header := Header{PayloadType: 98, Sequence: 0x8c5f, Timestamp: 0x0a7d3310, SSRC: 0x001dc150}
	marked := header
	marked.Marker = true
	payload := dante[12:]
	for _, test := range []struct {
		name    string
		b       []byte
		header  Header
		payload []byte
		err     error
	}{
		{"plain", dante, header, payload, nil},
		{"marker", change(dante, 1, 0xe2), marked, payload, nil},
		{"two CSRCs", insert(change(dante, 0, 0x82), 12, 1, 2, 3, 4, 5, 6, 7, 8), header, payload, nil},
		{"extension", insert(change(dante, 0, 0x90), 12, 0xbe, 0xde, 0, 1, 0x10, 7, 0, 0), header, payload, nil},
		{"empty extension", insert(change(dante, 0, 0x90), 12, 1, 2, 0, 0), header, payload, nil},
		{"CSRC and extension", insert(change(dante, 0, 0x91), 12, 1, 2, 3, 4, 1, 2, 0, 0), header, payload, nil},
		{"padding", change(insert(dante, 18, 0, 0, 3), 0, 0xa0), header, payload, nil},
		{"nothing but padding", change(dante, 0, 0xa0)[:12], Header{}, nil, errPadding},
		{"no payload", dante[:12], header, []byte{}, nil},
		{"all padding", change(insert(dante[:12], 12, 0, 2), 0, 0xa0), header, []byte{}, nil},
		{"nothing", nil, Header{}, nil, errShort},
		{"header cut", dante[:11], Header{}, nil, errShort},
		{"CSRCs cut", change(dante, 0, 0x82), Header{}, nil, errShort},
		{"extension's header cut", change(dante, 0, 0x90)[:15], Header{}, nil, errShort},
		{"extension cut", insert(change(dante, 0, 0x90), 12, 1, 2, 0xff, 0xff), Header{}, nil, errShort},
		{"padding of 0", change(insert(dante, 18, 0), 0, 0xa0), Header{}, nil, errPadding},
		{"padding of more than there is", change(insert(dante, 18, 8), 0, 0xa0), Header{}, nil, errPadding},
		{"version 1", change(dante, 0, 0x40), Header{}, nil, errVersion},
		{"version 3", change(dante, 0, 0xc0), Header{}, nil, errVersion},
	} {
		h, p, err := Parse(test.b)
		if !errors.Is(err, test.err) {
			t.Errorf("%s: error %v; want %v", test.name, err, test.err)
		}
		if diff := cmp.Diff(test.header, h); diff != "" {
			t.Errorf("%s: header (-want +got):\n%s", test.name, diff)
		}
		if diff := cmp.Diff(test.payload, p); diff != "" {
			t.Errorf("%s: payload (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestPut(t *testing.T) {
	for _, h := range []Header{
		{},
		{PayloadType: 98, Sequence: 0x8c5f, Timestamp: 0x0a7d3310, SSRC: 0x001dc150},
		{Marker: true, PayloadType: 127, Sequence: 0xffff, Timestamp: 0xffffffff, SSRC: 0xffffffff},
	} {
		b := make([]byte, HeaderSize)
		for i := range b {
			b[i] = 0xff // what was there does not matter
		}
		h.Put(b)
		got, payload, err := Parse(b)
		if err != nil || len(payload) != 0 {
			t.Errorf("Parse(Put(%+v)) = %v, %v", h, payload, err)
		}
		if diff := cmp.Diff(h, got); diff != "" {
			t.Errorf("Parse(Put()) (-want +got):\n%s", diff)
		}
	}
	b := make([]byte, len(dante))
	Header{PayloadType: 98, Sequence: 0x8c5f, Timestamp: 0x0a7d3310, SSRC: 0x001dc150}.Put(b)
	if diff := cmp.Diff(dante[:HeaderSize], b[:HeaderSize]); diff != "" {
		t.Errorf("Put() (-want +got):\n%s", diff)
	}
}

func TestAllocations(t *testing.T) {
	b := make([]byte, 1500)
	bad := insert(change(dante, 0, 0x90), 12, 1, 2, 0xff, 0xff)
	samples := make([]int32, 48)
	if n := testing.AllocsPerRun(100, func() {
		Header{PayloadType: 98}.Put(b)
		for _, codec := range codecs {
			Encode(codec, b[HeaderSize:], 3, 6, samples)
			Decode(codec, b[HeaderSize:], 3, 6, samples)
		}
		if _, _, err := Parse(b); err != nil {
			t.Error(err)
		}
		if _, _, err := Parse(bad); err == nil {
			t.Error("Parse() of a bad packet succeeds")
		}
	}); n != 0 {
		t.Errorf("%v allocations; want none", n)
	}
}

// FuzzParse compares with another implementation. That one also looks into the elements of
// an extension and refuses some, and does not look at the version.
func FuzzParse(f *testing.F) {
	f.Add(dante)
	f.Add(insert(change(dante, 0, 0x82), 12, 1, 2, 3, 4, 5, 6, 7, 8))
	f.Add(insert(change(dante, 0, 0x90), 12, 0xbe, 0xde, 0, 1, 0x10, 7, 0, 0))
	f.Add(change(insert(dante, 18, 0, 0, 3), 0, 0xa0))
	f.Add(change(insert(dante, 18, 0), 0, 0xa0))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, err := Parse(b)
		var other pion.Packet
		otherErr := other.Unmarshal(b)
		if err == nil && otherErr != nil && b[0]&extension == 0 {
			t.Fatalf("accepted, although %v", otherErr)
		}
		if otherErr != nil {
			return
		}
		if (err == nil) != (other.Version == 2) {
			t.Fatalf("version %d: error %v", other.Version, err)
		}
		if err != nil {
			return
		}
		want := Header{
			Marker: other.Marker, PayloadType: other.PayloadType, Sequence: other.SequenceNumber,
			Timestamp: other.Timestamp, SSRC: other.SSRC,
		}
		if diff := cmp.Diff(want, h); diff != "" {
			t.Errorf("header (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(other.Payload, payload); diff != "" {
			t.Errorf("payload (-want +got):\n%s", diff)
		}
	})
}
