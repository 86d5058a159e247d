package arp_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"testing"

	"aes67os/init/network/arp"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	ours     = arp.MAC{0x02, 0, 0x5e, 0x10, 0, 1}
	theirs   = arp.MAC{0x02, 0, 0x5e, 0x10, 0, 2}
	ourIP    = netip.MustParseAddr("169.254.7.9")
	sameAddr = cmpopts.EquateComparable(netip.Addr{})
)

func TestPacket(t *testing.T) {
	for _, tt := range []struct {
		name   string
		packet arp.Packet
		want   string
	}{
		{
			name:   "probe",
			packet: arp.Probe(ours, ourIP),
			want:   "0001080006040001" + "02005e100001" + "00000000" + "000000000000" + "a9fe0709",
		},
		{
			name:   "announcement",
			packet: arp.Announcement(ours, ourIP),
			want:   "0001080006040001" + "02005e100001" + "a9fe0709" + "000000000000" + "a9fe0709",
		},
		{
			name: "reply",
			packet: arp.Packet{
				Operation: arp.Reply, SenderMAC: theirs, SenderIP: ourIP,
				TargetMAC: ours, TargetIP: netip.MustParseAddr("192.0.2.1"),
			},
			want: "0001080006040002" + "02005e100002" + "a9fe0709" + "02005e100001" + "c0000201",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.packet.Marshal()
			if diff := cmp.Diff(tt.want, hex.EncodeToString(b)); diff != "" {
				t.Errorf("Marshal() (-want +got):\n%s", diff)
			}
			padded := append(b, make([]byte, 18)...)
			got, err := arp.Parse(padded)
			if err != nil {
				t.Fatalf("Parse(padded) = %v", err)
			}
			if diff := cmp.Diff(tt.packet, got, sameAddr); diff != "" {
				t.Errorf("Parse(Marshal()) (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	good := arp.Probe(ours, ourIP).Marshal()
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for name, b := range map[string][]byte{
		"empty":                   nil,
		"short":                   good[:arp.Size-1],
		"not Ethernet":            change(1, 6),
		"not IPv4":                change(2, 0x86),
		"hardware address length": change(4, 8),
		"protocol address length": change(5, 16),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := arp.Parse(b); !errors.Is(err, arp.ErrNotARP) {
				t.Errorf("Parse() = %v, want ErrNotARP", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(arp.Probe(ours, ourIP).Marshal())
	f.Add(arp.Announcement(theirs, ourIP).Marshal())
	f.Add([]byte{0, 1, 8, 0, 6, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := arp.Parse(b)
		if err != nil {
			return
		}
		if got := p.Marshal(); !bytes.Equal(got, b[:arp.Size]) {
			t.Errorf("Parse(%x).Marshal() = %x", b, got)
		}
	})
}
