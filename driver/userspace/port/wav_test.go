package port

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aes67os/driver"
)

// small is a file as other programs write them: 8 kHz, 2 channels, 16 bits, with a chunk
// of an odd size before the samples and one after them.
const small = "RIFF\x38\x00\x00\x00WAVE" +
	"fmt \x10\x00\x00\x00\x01\x00\x02\x00\x40\x1f\x00\x00\x00\x7d\x00\x00\x04\x00\x10\x00" +
	"LIST\x01\x00\x00\x00x\x00" +
	"data\x08\x00\x00\x00\x01\x00\x02\x00\xff\xff\xfe\xff" +
	"id3 \x02\x00\x00\x00xx"

func TestParseWAV(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		want wav
		err  string
	}{
		"small":            {file: small, want: wav{rate: 8000, channels: 2, format: s16, at: 54, frames: 2}},
		"cut off":          {file: small[:60], want: wav{rate: 8000, channels: 2, format: s16, at: 54, frames: 1}},
		"cut off earlier":  {file: small[:56], err: "no samples"},
		"without samples":  {file: small[:40], err: "no samples"},
		"empty":            {err: "shorter than a header"},
		"something else":   {file: "OggS" + small[4:], err: "does not begin as one"},
		"AVI":              {file: strings.Replace(small, "WAVE", "AVI ", 1), err: "does not begin as one"},
		"floating point":   {file: strings.Replace(small, "\x10\x00\x00\x00\x01", "\x10\x00\x00\x00\x03", 1), err: "kind 0x3; convert"},
		"8 bits":           {file: strings.Replace(small, "\x04\x00\x10\x00", "\x02\x00\x08\x00", 1), err: "8 bits; convert"},
		"no channels":      {file: strings.Replace(small, "\x01\x00\x02\x00", "\x01\x00\x00\x00", 1), err: "0 channels"},
		"65 channels":      {file: strings.Replace(small, "\x01\x00\x02\x00", "\x01\x00\x41\x00", 1), err: "65 channels"},
		"wrong alignment":  {file: strings.Replace(small, "\x04\x00\x10\x00", "\x05\x00\x10\x00", 1), err: "5 bytes for a frame"},
		"not described":    {file: small[:12] + small[36:], err: "before their description"},
		"short fmt":        {file: small[:16] + "\x02" + small[17:22] + small[36:], err: "fmt chunk is too short"},
		"too many chunks":  {file: small[:12] + strings.Repeat("JUNK\x00\x00\x00\x00", 100) + small[12:], err: "too much in it"},
		"RF64, not ended":  {file: "RF64" + small[4:], want: wav{rate: 8000, channels: 2, format: s16, at: 54, frames: 2}},
		"RF64, short ds64": {file: "RF64\xff\xff\xff\xffWAVEds64\x1c\x00\x00\x00", err: "ds64 chunk is too short"},
	} {
		got, err := parseWAV(strings.NewReader(tc.file), int64(len(tc.file)))
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: error %v; want %q", name, err, tc.err)
		}
		if err == nil && got != tc.want {
			t.Errorf("%s: %+v; want %+v", name, got, tc.want)
		}
	}
}

func FuzzParseWAV(f *testing.F) {
	f.Add([]byte(small))
	f.Add(wav{rate: 48000, channels: 8, format: s24_3}.header(1 << 40))
	f.Add(append(wav{rate: 44100, channels: 1, format: s16}.header(2), 1, 2, 3, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := parseWAV(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if w.frames < 1 || w.at < 0 || w.channels < 1 || w.channels > driver.MaxChannels || w.at+w.frames*int64(w.frame()) > int64(len(b)) {
			t.Errorf("%+v in %d bytes", w, len(b))
		}
	})
}

func TestHeader(t *testing.T) {
	for _, channels := range []int{1, 2, 3, 64} {
		for _, format := range wavFormats {
			for _, frames := range []int64{1, 12345, math.MaxUint32/int64(channels*format.size()) - 100, math.MaxUint32, 1 << 40} {
				w := wav{rate: 96000, channels: channels, format: format}
				head := w.header(frames)
				want := w
				want.at, want.frames = int64(len(head)), frames
				data := frames * int64(w.frame())
				got, err := parseWAV(bytes.NewReader(head), want.at+data)
				if err != nil || got != want {
					t.Errorf("%+v, %v; want %+v", got, err, want)
				}
				form := "RIFF"
				if want.at+data+data%2-8 > math.MaxUint32 {
					form = "RF64"
				}
				if string(head[:4]) != form {
					t.Errorf("%d bytes of samples in %s; want %s", data, head[:4], form)
				}
				if len(head) != len(w.header(0)) {
					t.Error("the header changes its size")
				}
			}
		}
	}
}

func TestSampleFormats(t *testing.T) {
	samples := []int32{0, 1, -1, 0x12345678, -0x12345678, math.MaxInt32, math.MinInt32}
	for f, lost := range map[format]int{s16: 16, s24_3: 8, s24: 8, s32: 0} {
		b := make([]byte, len(samples)*8)
		f.put(b[4:], 8, samples)
		got := make([]int32, len(samples))
		f.get(b[4:], 8, got)
		for i, s := range samples {
			if want := s >> lost << lost; got[i] != want {
				t.Errorf("format %d: %#x comes back as %#x; want %#x", f, s, got[i], want)
			}
		}
	}
	b := make([]byte, 4)
	s24.put(b, 4, []int32{-256})
	if !bytes.Equal(b, []byte{0xff, 0xff, 0xff, 0xff}) {
		t.Errorf("S24_LE of the smallest negative sample is % x; its sign has to be extended", b)
	}
}

// writeWAV makes a file with noise: its frame i is that of position i.
func writeWAV(t *testing.T, path string, w wav, frames int) {
	t.Helper()
	b := w.header(int64(frames))
	data := make([]byte, frames*w.frame())
	for c := range w.channels {
		s := make([]int32, frames)
		for i := range s {
			s[i] = noise(c, int64(i))
		}
		w.format.put(data[c*w.format.size():], w.frame(), s)
	}
	if err := os.WriteFile(path, append(b, data...), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPlayer(t *testing.T) {
	for name, tc := range map[string]struct {
		wav    wav
		frames int
		to     []int
		// from is the file's channel for each of the device's, or -1.
		from []int
	}{
		"stereo":         {wav{rate: 48000, channels: 2, format: s32}, 100_000, []int{2, 0}, []int{1, -1, 0}},
		"mono":           {wav{rate: 48000, channels: 1, format: s24_3}, 100_001, []int{2, 0}, []int{0, -1, 0}},
		"few":            {wav{rate: 48000, channels: 2, format: s16}, 7, []int{0, 1, 2}, []int{0, 1, -1}},
		"left one only":  {wav{rate: 48000, channels: 2, format: s16}, 1000, []int{1}, []int{-1, 0, -1}},
		"right one only": {wav{rate: 48000, channels: 2, format: s16}, 1000, []int{driver.Unmapped, 1}, []int{-1, 1, -1}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.wav")
			writeWAV(t, path, tc.wav, tc.frames)
			synctest.Test(t, func(t *testing.T) {
				d := newDevice(48000, 3)
				stop := begin(t, Player{Path: path, To: tc.to}, d)
				time.Sleep(3 * time.Second)
				for c, from := range tc.from {
					first := now(d)
					got := keepPlayed(d, c, 10000)
					for i := range got {
						want := int32(0)
						if from >= 0 {
							want = noise(from, (first+int64(i))%int64(tc.frames))
							lost := 32 - 8*tc.wav.format.size()
							want = want >> lost << lost
						}
						if got[i] != want {
							t.Fatalf("channel %d: %d at position %d; want %d", c, got[i], first+int64(i), want)
						}
					}
				}
				stop()
			})
		})
	}
}

// What is not there yet, or not fit, is looked at again.
func TestPlayerWaitsForTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.wav")
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(48000, 1)
		stop := begin(t, Player{Path: path, To: []int{0}}, d)
		silent := func() bool { return cmp.Equal(keepPlayed(d, 0, 4800), make([]int32, 4800)) }
		for _, prepare := range []func(){
			func() {},
			func() { os.WriteFile(path, []byte("not yet"), 0o600) },
			func() { writeWAV(t, path, wav{rate: 44100, channels: 1, format: s16}, 1000) },
		} {
			prepare()
			time.Sleep(2 * retry)
			if !silent() {
				t.Fatal("it plays")
			}
		}
		writeWAV(t, path, wav{rate: 48000, channels: 1, format: s16}, 1000)
		time.Sleep(2 * retry)
		if silent() {
			t.Fatal("it does not play")
		}
		stop()
	})
}

// recorded reads a recording of noise from some position on, and tells that.
func recorded(t *testing.T, path string, channels []int) (from int64, w wav) {
	t.Helper()
	f, w, err := openWAV(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, w.frames*int64(w.frame()))
	if _, err := f.ReadAt(b, w.at); err != nil {
		t.Fatal(err)
	}
	for i, c := range channels {
		s := make([]int32, w.frames)
		w.format.get(b[i*w.format.size():], w.frame(), s)
		lost := 32 - 8*w.format.size()
		if i == 0 {
			// The ring was silent before the test began.
			silent := slices.IndexFunc(s, func(s int32) bool { return s != 0 })
			at := find(s[silent:silent+10], func(p int64) int32 { return noise(c, testBegin+p) >> lost << lost }, 15*48000)
			if at < 0 {
				t.Fatalf("%s: channel %d begins with something else", path, i)
			}
			from = at - int64(silent)
		}
		for j := range s {
			want := noise(c, testBegin+from+int64(j)) >> lost << lost
			if from+int64(j) < 0 {
				want = 0
			}
			if s[j] != want {
				t.Fatalf("%s: channel %d, sample %d of %d is %d; want %d", path, i, j, len(s), s[j], want)
			}
		}
	}
	return from, w
}

// testBegin is the position at which bubbles begin, at 48 kHz.
var testBegin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix() * 48000

func TestRecorder(t *testing.T) {
	for _, bits := range []int{0, 16, 24, 32} {
		dir := t.TempDir()
		path := filepath.Join(dir, "talk.wav")
		channels := []int{2, 0, 0}
		synctest.Test(t, func(t *testing.T) {
			d := newDevice(48000, 3)
			stop := begin(t, Recorder{Path: path, Bits: bits, From: channels}, d)
			feed(d, 7*time.Second, noise)
			// As after a power cut, now.
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			cut := filepath.Join(dir, "cut.wav")
			os.WriteFile(cut, b, 0o600)
			if _, w := recorded(t, cut, channels); w.frames < 4.9*48000 {
				t.Errorf("%d frames can be read after a power cut", w.frames)
			}
			feed(d, time.Second, noise)
			stop()
			from, w := recorded(t, path, channels)
			if want := int64(8*48000) - from; w.frames < want-d.samples(unhurried) || w.frames > want {
				t.Errorf("%d frames; want %d", w.frames, want)
			}
			if want := bits; bits != 0 && w.format != wavFormats[want] || bits == 0 && w.format != s24_3 {
				t.Errorf("format %d for %d bits", w.format, bits)
			}
		})
	}
}

func TestRecorderKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "talk.wav")
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			d := newDevice(48000, 1)
			stop := begin(t, Recorder{Path: path, From: []int{0}}, d)
			feed(d, time.Second, noise)
			stop()
		})
	}
	for _, name := range []string{"talk.wav", "talk-2.wav", "talk-3.wav"} {
		recorded(t, filepath.Join(dir, name), []int{0})
	}
}

func TestRecorderWaitsForTheDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "usb")
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(48000, 1)
		stop := begin(t, Recorder{Path: filepath.Join(dir, "a.wav"), From: []int{0}}, d)
		feed(d, 5*time.Second, noise)
		os.Mkdir(dir, 0o700)
		feed(d, 5*time.Second, noise)
		stop()
		if _, w := recorded(t, filepath.Join(dir, "a.wav"), []int{0}); w.frames < 2*48000 {
			t.Errorf("%d frames", w.frames)
		}
	})
}

func TestRecording(t *testing.T) {
	dir := t.TempDir()
	d := newDevice(48000, 1)
	newBlock := func(from int64) block {
		b := block{from: from, bytes: make([]byte, 100*3)}
		s := make([]int32, 100)
		for i := range s {
			s[i] = int32(from+int64(i)+1) << 8
		}
		s24_3.put(b.bytes, 3, s)
		return b
	}
	samples := func(name string) []int32 {
		t.Helper()
		f, w, err := openWAV(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := make([]byte, w.frames*3)
		if _, err := f.ReadAt(b, w.at); err != nil {
			t.Fatal(err)
		}
		s := make([]int32, w.frames)
		s24_3.get(b, 3, s)
		return s
	}
	r := newRecording(Recorder{Path: filepath.Join(dir, "a.wav"), From: []int{0}}, &d, wav{rate: 48000, channels: 1, format: s24_3})

	// What is missing is silent, but not the days by which a clock was set.
	for _, from := range []int64{1000, 1100, 1250, 1_000_000_000, 500} {
		r.block(newBlock(from))
	}
	// A disk that fails: what is there is ended as well as can be, and another is begun.
	r.file.Close()
	r.block(newBlock(600))
	if r.file != nil {
		t.Fatal("it goes on with a file that failed")
	}
	r.block(newBlock(700))
	full := make(chan block, 1)
	full <- block{800, newBlock(800).bytes[:3]} // 101 samples have an odd number of bytes
	close(full)
	r.write(full, make(chan []byte, 1))

	var want []int32
	for _, first := range []int{1000, 1100, 0, 1250, 1_000_000_000, 500} {
		n := 100
		if first == 0 {
			n = 50
		}
		for i := range n {
			s := int32(0)
			if first != 0 {
				s = int32(first+i+1) << 8
			}
			want = append(want, s)
		}
	}
	// The file that failed was never saved, so look at what is in it.
	b, err := os.ReadFile(filepath.Join(dir, "a.wav"))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]int32, len(want))
	s24_3.get(b[len(r.wav.header(0)):], 3, got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recording (-want +got):\n%s", diff)
	}
	second := samples("a-2.wav")
	if len(second) != 101 || second[0] != 701<<8 || second[100] != 801<<8 {
		t.Errorf("second recording: %d samples", len(second))
	}
	if info, err := os.Stat(filepath.Join(dir, "a-2.wav")); err != nil || info.Size()%2 != 0 {
		t.Errorf("the second recording has an odd number of bytes: %v, %v", info.Size(), err)
	}
}

// A recorder whose disk does not answer must not hold up anything, nor use all memory.
func TestRecorderWhileTheDiskDoesNotAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.wav")
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(48000, 1)
		answer := make(chan struct{})
		d.Log = slog.New(waiting{slog.DiscardHandler, answer})
		stop := begin(t, Recorder{Path: path, From: []int{0}}, d)
		feed(d, patience+2*time.Second, noise)
		close(answer)
		feed(d, time.Second, noise)
		stop()
		f, w, err := openWAV(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := make([]byte, w.frames*3)
		if _, err := f.ReadAt(b, w.at); err != nil {
			t.Fatal(err)
		}
		s := make([]int32, w.frames)
		s24_3.get(b, 3, s)
		missing := 0
		for i := range s {
			p := now(d) - w.frames + int64(i)
			if i > int(w.frames)-24000 {
				if s[i] != noise(0, p)>>8<<8 {
					t.Fatalf("half a second before the end it is another position's sample")
				}
			}
			if s[i] == 0 {
				missing++
			}
		}
		if got, most := time.Duration(missing)*time.Second/48000, 2*time.Second+lag+10*unhurried; got > most || got < time.Second {
			t.Errorf("%v are silent; want at most %v", got, most)
		}
		if got, want := w.frames, d.samples(patience+3*time.Second); got < want-d.samples(unhurried) {
			t.Errorf("%d frames; want %d", got, want)
		}
	})
}

// waiting is a log that takes its time; a recorder tells it of a new file.
type waiting struct {
	slog.Handler
	answer chan struct{}
}

func (w waiting) Enabled(context.Context, slog.Level) bool { return true }

func (w waiting) Handle(context.Context, slog.Record) error {
	<-w.answer
	return nil
}
