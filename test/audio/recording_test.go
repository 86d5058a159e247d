package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"aes67os/test/aes67d"

	"golang.org/x/sys/unix"
)

// recording is a WAV file of integers that somebody writes while it is read. What its header
// says of its length is therefore not looked at.
type recording struct {
	t *testing.T
	f *os.File
	// changed becomes readable when the file has changed.
	changed *os.File
	// data is where its samples begin, and next the frame that is read next.
	data, next     int64
	channels, word int
}

// growth is how long a recording may stay the same before that is the end of the test.
const growth = 20 * time.Second

// record waits for a recording to begin.
func record(t *testing.T, name string) *recording {
	t.Helper()
	r := &recording{t: t}
	aes67d.Until(t, "recording "+name+" begins", func() bool { return r.open(name) == nil })
	t.Cleanup(func() { r.f.Close() })
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	r.changed = os.NewFile(uintptr(fd), "inotify")
	t.Cleanup(func() { r.changed.Close() })
	if _, err := unix.InotifyAddWatch(fd, name, unix.IN_MODIFY); err != nil {
		t.Fatal(err)
	}
	return r
}

// open reads the header, if it is there.
func (r *recording) open(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0) // to read, and forget what was read
	if err != nil {
		return err
	}
	head := make([]byte, 4096)
	n, err := f.ReadAt(head, 0)
	if err == nil || errors.Is(err, io.EOF) {
		err = r.parse(head[:n])
	}
	if err != nil {
		f.Close()
		return err
	}
	r.f = f
	return nil
}

// parse finds out the format and where samples begin.
func (r *recording) parse(head []byte) error {
	for at := 12; at+8 <= len(head); {
		id, size := string(head[at:at+4]), int(binary.LittleEndian.Uint32(head[at+4:]))
		at += 8
		switch {
		case id == "fmt " && at+16 <= len(head):
			r.channels = int(binary.LittleEndian.Uint16(head[at+2:]))
			r.word = int(binary.LittleEndian.Uint16(head[at+14:])) / 8
		case id == "data" && r.word > 0:
			r.data = int64(at)
			return nil
		}
		at += size
	}
	return errors.New("no header of a WAV file yet")
}

// frame is its size in bytes.
func (r *recording) frame() int64 { return int64(r.channels * r.word) }

// end is the number of frames that there are.
func (r *recording) end() int64 {
	info, err := r.f.Stat()
	if err != nil {
		r.t.Fatal(err)
	}
	return (info.Size() - r.data) / r.frame()
}

// now goes to the newest frame.
func (r *recording) now() { r.next = r.end() }

// read waits for the next n frames, and returns their samples in the upper bits, channels
// interleaved.
func (r *recording) read(n int) []int32 {
	r.t.Helper()
	for r.end() < r.next+int64(n) {
		if err := r.changed.SetReadDeadline(time.Now().Add(growth)); err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.changed.Read(make([]byte, 4096)); err != nil {
			r.t.Fatalf("the recording does not go on: %v", err)
		}
	}
	b := make([]byte, int64(n)*r.frame())
	at := r.data + r.next*r.frame()
	if _, err := r.f.ReadAt(b, at); err != nil {
		r.t.Fatal(err)
	}
	r.next += int64(n)
	// A soak's recording would not fit into memory.
	if err := unix.Fallocate(int(r.f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, int64(len(b))); err != nil {
		r.t.Fatal(err)
	}
	samples := make([]int32, n*r.channels)
	for i := range samples {
		var v uint32
		for k, octet := range b[i*r.word : (i+1)*r.word] {
			v |= uint32(octet) << (8 * (4 - r.word + k))
		}
		samples[i] = int32(v)
	}
	return samples
}

// played is what a recording is to have.
type played struct {
	sound
	// mask has the bits of a sample that the codec carries.
	mask int32
	// begin is the frame of the sound that is to come next.
	begin int
	// compared is how many frames have been.
	compared int
}

// stretch is how many frames are read at once.
const stretch = rate / 100

// align waits until the sound is there, without a fault for a tenth of a second, and
// returns what is to come then.
func (r *recording) align(s sound, mask int32) *played {
	r.t.Helper()
	p, good := &played{sound: s, mask: mask}, 0
	var samples []int32
	for range 3000 { // half a minute
		samples = r.read(stretch)
		if good == 0 {
			p.begin = r.find(p, samples)
		}
		good++
		if p.begin < 0 || r.judge(p, samples).wrong() {
			good = 0
		}
		if good == 10 {
			return p
		}
	}
	r.t.Fatalf("what was played has not arrived in half a minute, but %08x", samples[:4*r.channels])
	return nil
}

// find tells which frame of the sound is the first of these samples; -1 for none. It takes
// several frames, as a tone has the same sample more than once.
func (r *recording) find(p *played, samples []int32) int {
	const enough = 16
	if silent(samples[:enough*r.channels]) {
		return -1
	}
	for begin := range p.period() {
		same := true
		for i := 0; i < enough*p.width() && same; i++ {
			frame, c := i/p.width(), i%p.width()
			same = samples[frame*r.channels+c] == p.at(begin+frame, c)&p.mask
		}
		if same {
			return begin
		}
	}
	return -1
}

func silent(samples []int32) bool {
	return !slices.ContainsFunc(samples, func(s int32) bool { return s != 0 })
}

// verdict is what a comparison has found.
type verdict struct {
	// frames were compared, with samples of which these are 0 and ought not to be, and
	// others wrong in another way.
	frames, silent, other int
	// first is where the first wrong one is.
	first string
}

func (v verdict) wrong() bool { return v.silent+v.other > 0 }

func (v verdict) String() string {
	if !v.wrong() {
		return fmt.Sprintf("all samples of %d frames are right", v.frames)
	}
	return fmt.Sprintf("of %d frames, %d samples are silent and %d others wrong; first %s", v.frames, v.silent, v.other, v.first)
}

// judge compares samples with what was played, which goes on after them.
func (r *recording) judge(p *played, samples []int32) (v verdict) {
	for ; v.frames*r.channels < len(samples); v.frames++ {
		for c := range p.width() {
			got, want := samples[v.frames*r.channels+c], p.at(p.begin+v.frames, c)&p.mask
			if got == want {
				continue
			}
			if !v.wrong() {
				v.first = fmt.Sprintf("in frame %d of the recording, channel %d: %#x, want %#x",
					r.next-int64(len(samples)/r.channels-v.frames), c+1, uint32(got), uint32(want))
			}
			if got == 0 {
				v.silent++
			} else {
				v.other++
			}
		}
	}
	p.begin += v.frames
	p.compared += v.frames
	return v
}

// compare compares the next n frames with what was played.
func (r *recording) compare(p *played, n int) (sum verdict) {
	r.t.Helper()
	for sum.frames < n {
		sum.add(r.judge(p, r.read(stretch)))
	}
	return sum
}

// add adds what was found in what comes after.
func (v *verdict) add(next verdict) {
	if v.first == "" {
		v.first = next.first
	}
	v.frames, v.silent, v.other = v.frames+next.frames, v.silent+next.silent, v.other+next.other
}

// err is nil if all is right.
func (v verdict) err() error {
	if v.wrong() {
		return errors.New(v.String())
	}
	return nil
}

// TestRecording tells whether faults are found at all.
func TestRecording(t *testing.T) {
	s := newSequence(3)
	file, err := os.ReadFile(s.write(t, t.TempDir(), 24))
	if err != nil {
		t.Fatal(err)
	}
	frame := func(n int) []byte { return file[44+9*n : 44+9*n+9] }
	const from, length = 3 * stretch, 20 * stretch
	for _, test := range []struct {
		name  string
		spoil func(b []byte) []byte
		want  verdict
	}{
		{"nothing", func(b []byte) []byte { return b }, verdict{}},
		{"a silent frame", func(b []byte) []byte { clear(b[9*100:][:9]); return b }, verdict{silent: 3}},
		{"a bit", func(b []byte) []byte { b[9*7+3] ^= 1; return b }, verdict{other: 1}},
		{"a frame left out", func(b []byte) []byte { return append(b[:9*50:9*50], b[9*51:]...) }, verdict{other: 3 * (9*stretch + stretch - 50)}},
		{"a frame twice", func(b []byte) []byte { return append(append(b[:9*51:9*51], frame(from+10*stretch+50)...), b[9*51:]...) }, verdict{other: 3 * (10*stretch - 51)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			// The first half is as played, for the alignment; the second is spoilt.
			half := from + length/2
			b := bytes.Clone(file[:44+9*half])
			b = append(b[:44], b[44+9*from:]...)
			b = append(b, test.spoil(bytes.Clone(file[44+9*half:44+9*(half+length/2)]))...)
			b = append(b, frame(half+length/2)...) // where one was left out
			name := t.TempDir() + "/r.wav"
			if err := os.WriteFile(name, b, 0o644); err != nil {
				t.Fatal(err)
			}
			r := record(t, name)
			p := r.align(s, -1<<8)
			got := r.compare(p, length/2)
			if got.silent != test.want.silent || got.other != test.want.other || got.wrong() != (got.first != "") {
				t.Errorf("%v; want %d silent, %d otherwise wrong", got, test.want.silent, test.want.other)
			}
		})
	}
}
