package uevent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, msg string
		want      Event
		bad       bool
	}{
		{
			name: "a disk",
			msg:  "add@/devices/virtual/block/vda\x00ACTION=add\x00SUBSYSTEM=block\x00DEVNAME=vda\x00SEQNUM=7\x00",
			want: Event{"add", "/devices/virtual/block/vda", map[string]string{"ACTION": "add", "SUBSYSTEM": "block", "DEVNAME": "vda", "SEQNUM": "7"}},
		},
		{
			name: "a value with =",
			msg:  "change@/x\x00MODALIAS=of:N=a\x00",
			want: Event{"change", "/x", map[string]string{"MODALIAS": "of:N=a"}},
		},
		{name: "no variables", msg: "remove@/x\x00", want: Event{"remove", "/x", map[string]string{}}},
		{name: "udev's own", msg: "libudev\x00\xfe\xed\xca\xfe", bad: true},
		{name: "no end", msg: "add@/x", bad: true},
		{name: "no action", msg: "@/x\x00", bad: true},
		{name: "empty", msg: "", bad: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse([]byte(test.msg))
			if (err != nil) != test.bad {
				t.Fatalf("Parse(%q) = %v", test.msg, err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", test.msg, diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("add@/devices/x\x00ACTION=add\x00MODALIAS=pci:v1\x00"))
	f.Add([]byte("libudev\x00\xfe\xed"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if e, err := Parse(msg); err == nil && (e.Action == "" || e.Path == "" || e.Path[0] != '/') {
			t.Errorf("Parse(%q) = %+v without an error", msg, e)
		}
	})
}
