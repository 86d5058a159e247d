package session

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"testing"

	"aes67os/driver"

	"github.com/google/go-cmp/cmp"
)

// TestJSON checks that lists have every member of a stream, in the order of the struct: what
// is added to one must be added to the other.
func TestJSON(t *testing.T) {
	source := Source{
		ID: 63, Enabled: true, Name: "\"quoted\" \\ \x01 ü \u2028 \xff\xfe \ufffd", IO: "\r\n\t\x7f", MaxSamplesPerPacket: 4294967295, Codec: driver.AM824,
		Address: "239.255.255.255", TTL: 255, PayloadType: 127, DSCP: 63, RefClockTraceable: true, Map: []int{0, 63, -1},
	}
	sink := Sink{
		ID: 62, Name: "x", IO: "y", UseSDP: true, Source: "http://z", SDP: "v=0\r\n", Delay: 4294967295, IgnoreRefClock: true, Map: []int{1},
	}
	for _, v := range []any{source, sink} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			if reflect.ValueOf(v).FieldByIndex(f.Index).IsZero() {
				t.Fatalf("%T.%s is zero here, so nothing shows that it is written", v, f.Name)
			}
		}
	}
	want, err := json.Marshal(struct {
		Sources []Source `json:"sources"`
		Sinks   []Sink   `json:"sinks"`
	}{[]Source{source}, []Sink{sink}})
	if err != nil {
		t.Fatal(err)
	}
	// What is read of it counts, in its order: there is more than one way to write a text.
	got := appendLists(nil, "", list{"sources", []text{{json: source.json()}}}, list{"sinks", []text{{json: sink.json()}}})
	if diff := cmp.Diff(tokens(t, want), tokens(t, got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func tokens(t *testing.T, b []byte) (list []json.Token) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, b)
		}
		list = append(list, token)
	}
}
