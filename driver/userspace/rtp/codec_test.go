package rtp

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/driver"
)

var codecs = []driver.Codec{driver.L16, driver.L24, driver.AM824}

// TestWire has the very bytes, of two channels.
func TestWire(t *testing.T) {
	left := []int32{0x123456ff, -0x80000000}
	right := []int32{-0x100, 0x7fffffff}
	for _, test := range []struct {
		codec driver.Codec
		want  []byte
	}{
		{driver.L16, []byte{0x12, 0x34, 0xff, 0xff, 0x80, 0x00, 0x7f, 0xff}},
		{driver.L24, []byte{0x12, 0x34, 0x56, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x7f, 0xff, 0xff}},
		{driver.AM824, []byte{
			0x18, 0x12, 0x34, 0x56, 0x00, 0xff, 0xff, 0xff,
			0x18, 0x80, 0x00, 0x00, 0x08, 0x7f, 0xff, 0xff,
		}},
		{"MP3", []byte{}},
	} {
		b := make([]byte, 2*2*test.codec.WordLength())
		Encode(test.codec, b, 0, 2, left)
		Encode(test.codec, b, 1, 2, right)
		if diff := cmp.Diff(test.want, b); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.codec, diff)
		}
	}
}

// TestRoundTrip sends every value of the upper bits, and what does not fit, through all
// codecs, on each of some channels.
func TestRoundTrip(t *testing.T) {
	const channels = 3
	for _, test := range []struct {
		codec driver.Codec
		keeps int32 // the bits that come back
		step  int64
	}{
		{driver.L16, -1 << 16, 1<<16 - 3},
		{driver.L24, -1 << 8, 1<<12 + 1},
		{driver.AM824, -1 << 8, 1<<12 + 1},
	} {
		t.Run(string(test.codec), func(t *testing.T) {
			var samples []int32
			for s := int64(-1 << 31); s < 1<<31; s += test.step {
				samples = append(samples, int32(s))
			}
			b := make([]byte, len(samples)*channels*test.codec.WordLength())
			got := make([]int32, len(samples))
			for channel := range channels {
				Encode(test.codec, b, channel, channels, samples)
			}
			clear(samples[:10])
			Encode(test.codec, b, 1, channels, samples) // one channel does not touch others
			for channel := range channels {
				Decode(test.codec, b, channel, channels, got)
				for i := range got {
					want := samples[i] & test.keeps
					if channel != 1 && i < 10 {
						want = int32(-1<<31+int64(i)*test.step) & test.keeps
					}
					if got[i] != want {
						t.Fatalf("channel %d, sample %d: %#x; want %#x", channel, i, got[i], want)
					}
				}
			}
		})
	}
}

// TestLabels decodes AM824 whatever the first byte says.
func TestLabels(t *testing.T) {
	for label := range 256 {
		got := make([]int32, 1)
		Decode(driver.AM824, []byte{byte(label), 0x12, 0x34, 0x56}, 0, 1, got)
		if got[0] != 0x12345600 {
			t.Errorf("label %#x: %#x; want 0x12345600", label, got[0])
		}
	}
}

func BenchmarkCodec(b *testing.B) {
	const channels, count = 8, 48
	samples := make([]int32, count)
	for _, codec := range codecs {
		payload := make([]byte, channels*count*codec.WordLength())
		for name, f := range map[string]func(driver.Codec, []byte, int, int, []int32){"Encode": Encode, "Decode": Decode} {
			b.Run(fmt.Sprintf("%s/%s", name, codec), func(b *testing.B) {
				b.ReportAllocs()
				for range b.N {
					for channel := range channels {
						f(codec, payload, channel, channels, samples)
					}
				}
			})
		}
	}
}
