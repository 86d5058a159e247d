package slot

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sector makes a copy of the state with any text in it.
func sector(text string) []byte {
	s := make([]byte, SectorSize)
	copy(s[4:], text)
	binary.LittleEndian.PutUint32(s, crc32.ChecksumIEEE(s[4:]))
	return s
}

func both(first, second []byte) (b [Size]byte) {
	copy(b[:], first)
	copy(b[SectorSize:], second)
	return b
}

// What U-Boot's env import takes, byte for byte.
func TestSectors(t *testing.T) {
	got := State{Slot: B, Good: A, Left: 3}.Sectors()
	if diff := cmp.Diff(both(sector("slot=b\x00good=a\x00left=3\x00\x00"), sector("slot=b\x00good=a\x00left=3\x00\x00")), got); diff != "" {
		t.Errorf("sectors (-want +got):\n%s", diff)
	}
	// The CRC is what zlib says of the 508 bytes behind it.
	if sum := hex.EncodeToString(got[:4]); sum != "679ae7ba" {
		t.Errorf("checksum is %s", sum)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, want := range []State{First(), {B, A, 3}, {B, B, 0}, {A, B, 255}} {
		got, err := Parse(want.Sectors())
		if err != nil || got != want {
			t.Errorf("Parse of %+v = %+v, %v", want, got, err)
		}
	}
}

func TestParse(t *testing.T) {
	good, blank := sector("slot=b\x00good=a\x00left=1\x00\x00"), make([]byte, SectorSize)
	other := sector("slot=a\x00good=a\x00left=0\x00\x00")
	for _, test := range []struct {
		name          string
		first, second []byte
		want          State
		wantErr       string
	}{
		{"the first of two", good, other, State{B, A, 1}, ""},
		{"first torn", good[:10], other, State{A, A, 0}, ""},
		{"second torn", good, other[:10], State{B, A, 1}, ""},
		// As U-Boot exports it: sorted, and numbers that it reckoned with.
		{"written by U-Boot", sector("good=a\x00left=0xf\x00slot=b\x00\x00"), blank, State{B, A, 15}, ""},
		{"blank", blank, blank, State{}, "checksum"},
		{"no such slot", sector("slot=c\x00good=a\x00left=1\x00\x00"), blank, State{}, `no slot "c"`},
		{"no good slot", sector("slot=a\x00left=1\x00\x00"), blank, State{}, `no slot ""`},
		{"no tries", sector("slot=a\x00good=a\x00\x00"), blank, State{}, "tries left"},
		{"too many tries", sector("slot=a\x00good=a\x00left=100\x00\x00"), blank, State{}, "out of range"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(both(test.first, test.second))
			if (err != nil) != (test.wantErr != "") || err != nil && (!errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), test.wantErr)) {
				t.Errorf("Parse = %v; want %q", err, test.wantErr)
			}
			if got != test.want {
				t.Errorf("Parse = %+v; want %+v", got, test.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	s := State{B, A, 3}.Sectors()
	f.Add(s[:])
	f.Add(sector("slot=a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b [Size]byte
		copy(b[:], data)
		s, err := Parse(b)
		if err != nil {
			return
		}
		if again, err := Parse(s.Sectors()); err != nil || again != s {
			t.Errorf("Parse of %+v = %+v, %v", s, again, err)
		}
	})
}
