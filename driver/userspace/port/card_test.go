package port

import (
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
)

// sine is what a card with an error of its clock captures of a sine: it is at another
// frequency in its own samples.
func sine(frequency float64, rate uint32) func(int, int64) int32 {
	return func(_ int, frame int64) int32 {
		// Over a second it is a whole number of turns; positions have too many digits.
		return int32(0.5 * math.MaxInt32 * math.Sin(2*math.Pi*math.Mod(frequency/float64(rate)*float64(frame%int64(rate)), 1)))
	}
}

// keepPlayed copies what a device sends, as its sources would read it, from now on.
func keepPlayed(d Device, channel, n int) []int32 {
	var kept []int32
	for next := now(d); len(kept) < n; {
		time.Sleep(time.Millisecond)
		synctest.Wait()
		p := now(d)
		kept = append(kept, read(d.Playback, channel, next, int(p-next))...)
		next = p
	}
	return kept[:n]
}

// feed fills the capture channels as sinks would, for a time.
func feed(d Device, t time.Duration, sample func(channel int, position int64) int32) {
	next := now(d)
	for end := time.Now().Add(t); time.Now().Before(end); {
		// It is there when its time comes, and for a while it is of another time before.
		for ; next < now(d)+60; next++ {
			for c := range d.Capture.Channels() {
				d.Capture.Write(c, next, []int32{sample(c, next)})
			}
		}
		time.Sleep(time.Millisecond)
	}
}

func checkUndisturbed(t *testing.T, s DirectionStatus) {
	t.Helper()
	if !s.Running || s.Xruns != 0 || s.Realigned != 0 || math.Abs(s.Ahead) > 1.5 {
		t.Errorf("status %+v; want a card that runs undisturbed where it should be", s)
	}
}

// A card that can be steered gives and gets each sample as it is.
func TestSteeredCapture(t *testing.T) {
	for _, ppm := range []float64{-200, 0, 30, 200} {
		synctest.Test(t, func(t *testing.T) {
			d := newDevice(48000, 2)
			card := &Card{Device: "hw:CARD=fake", To: []int{1, driver.Unmapped, 0}, sound: &fakeCards{
				cards: map[string]*fakeCard{"fake": {ppm: ppm, pitched: true, sample: noise}},
			}}
			stop := begin(t, card, d)
			time.Sleep(2 * time.Second)
			got := keepPlayed(d, 0, 4*48000)
			if i := find(got[:100], func(i int64) int32 { return noise(2, i) }, 5*48000); i < 0 {
				t.Errorf("%v ppm: not what the card captured", ppm)
			} else {
				for j := range got {
					if got[j] != noise(2, i+int64(j)) {
						t.Fatalf("%v ppm: sample %d of %d is another than the card's", ppm, j, len(got))
					}
				}
			}
			s := card.Status().Capture
			checkUndisturbed(t, s)
			if math.Abs(s.Correction*1e6+ppm) > 3 {
				t.Errorf("%v ppm: corrected by %.2f ppm", ppm, s.Correction*1e6)
			}
			stop()
		})
	}
}

func TestSteeredPlayback(t *testing.T) {
	for _, ppm := range []float64{-200, 0, 30, 200} {
		synctest.Test(t, func(t *testing.T) {
			d := newDevice(48000, 2)
			fake := &fakeCard{ppm: ppm, pitched: true}
			card := &Card{Device: "hw:fake", From: []int{1, driver.Unmapped, 0}, sound: &fakeCards{cards: map[string]*fakeCard{"fake": fake}}}
			stop := begin(t, card, d)
			from := now(d)
			feed(d, 6*time.Second, noise)
			s := card.Status().Playback
			stop()
			checkUndisturbed(t, s)
			// It began with what there was before, and again when the card moved.
			got := fake.played[2][4800:]
			i := find(got[:100], func(i int64) int32 { return noise(0, from+i) }, 48000)
			if i < 0 || len(got) < 5*48000 {
				t.Fatalf("%v ppm: not what was received", ppm)
			}
			for j := range got {
				if got[j] != noise(0, from+i+int64(j)) {
					t.Fatalf("%v ppm: sample %d of %d is another than what was received", ppm, j, len(got))
				}
			}
			if slices.ContainsFunc(fake.played[1], func(s int32) bool { return s != 0 }) {
				t.Error("a channel that is not used is not silent")
			}
		})
	}
}

// A latency somewhat longer than the steps of a card is enough. The steps are snd-aloop's
// where the kernel has 250 ticks a second.
func TestLongSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(48000, 1)
		fake := &fakeCard{ppm: 80, pitched: true, sample: noise, step: 192}
		card := &Card{
			Device: "hw:fake", To: []int{0}, From: []int{0}, Latency: 5 * time.Millisecond,
			sound: &fakeCards{cards: map[string]*fakeCard{"fake": fake}},
		}
		stop := begin(t, card, d)
		from := now(d)
		var fed sync.WaitGroup
		fed.Go(func() { feed(d, 6*time.Second, noise) })
		time.Sleep(2 * time.Second)
		captured := keepPlayed(d, 0, 3*48000)
		fed.Wait()
		status := card.Status()
		stop()
		for name, way := range map[string]struct {
			status  DirectionStatus
			samples []int32
			from    int64
		}{
			"capture":  {status.Capture, captured, 0},
			"playback": {status.Playback, fake.played[0][48000:], from},
		} {
			if s := way.status; !s.Running || s.Xruns != 0 || s.Realigned != 0 {
				t.Errorf("%s: %+v; want a card that runs undisturbed", name, s)
			}
			if find(way.samples, func(i int64) int32 { return noise(0, way.from+i) }, 4*48000) < 0 {
				t.Errorf("%s has not each sample once", name)
			}
		}
	})
}

// find is where samples begin in a sequence, or -1.
func find(samples []int32, sequence func(int64) int32, most int64) int64 {
	for i := range most {
		j := 0
		for j < len(samples) && samples[j] == sequence(i+int64(j)) {
			j++
		}
		if j == len(samples) {
			return i
		}
	}
	return -1
}

// Others are resampled, of which little is to be heard. Most of it is because the card's
// place is known in whole samples only, of which a lower rate has longer ones; and it
// becomes less with time.
func TestResampledCapture(t *testing.T) {
	for name, tc := range map[string]struct {
		rate uint32
		fake *fakeCard
		thdn float64
	}{
		"fast, of 24 bits":   {48000, &fakeCard{ppm: 200, format: s24_3}, -100},
		"slow, another rate": {12000, &fakeCard{ppm: -200, rate: 11025}, -85},
		"in steps of 1 ms":   {12000, &fakeCard{ppm: 100, step: 12}, -60},
		// Its clock is changed by 1 ppm at a time.
		"steered, another rate": {12000, &fakeCard{ppm: 50, rate: 24000, pitched: true}, -100},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDevice(tc.rate, 1)
				rate := tc.fake.rate
				if rate == 0 {
					rate = d.Rate
				}
				tc.fake.sample = sine(997, rate)
				// The shortest there is, and still nothing comes too late.
				card := &Card{Device: "hw:fake", To: []int{0}, Latency: minLatency, sound: &fakeCards{cards: map[string]*fakeCard{"fake": tc.fake}}}
				stop := begin(t, card, d)
				time.Sleep(20 * time.Second)
				got := keepPlayed(d, 0, int(d.Rate))
				checkUndisturbed(t, card.Status().Capture)
				fit := bestFit(got, 997.0/float64(d.Rate)*(1+tc.fake.ppm*1e-6))
				t.Logf("THD+N %.1f dB, %+v", fit.thdn, card.Status().Capture)
				if fit.thdn > tc.thdn {
					t.Errorf("THD+N %.1f dB; want at most %v", fit.thdn, tc.thdn)
				}
				stop()
			})
		})
	}
}

func TestResampledPlayback(t *testing.T) {
	for name, fake := range map[string]*fakeCard{
		"slow, of 24 bits":   {ppm: -200, format: s24},
		"fast, another rate": {ppm: 200, rate: 11025},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDevice(12000, 1)
				card := &Card{Device: "hw:fake", From: []int{0}, Latency: minLatency, sound: &fakeCards{cards: map[string]*fakeCard{"fake": fake}}}
				stop := begin(t, card, d)
				time.Sleep(20 * time.Second)
				feed(d, 1100*time.Millisecond, sine(997, d.Rate))
				s := card.Status().Playback
				stop()
				checkUndisturbed(t, s)
				rate := fake.rate
				if rate == 0 {
					rate = d.Rate
				}
				got := fake.played[0][len(fake.played[0])-int(rate):]
				fit := bestFit(got, 997/float64(rate)/(1+fake.ppm*1e-6))
				t.Logf("THD+N %.1f dB, %+v", fit.thdn, s)
				if fit.thdn > -80 {
					t.Errorf("THD+N %.1f dB", fit.thdn)
				}
			})
		})
	}
}

// The latency is what was asked for, whatever the card's clock.
func TestCardLatency(t *testing.T) {
	for name, fake := range map[string]*fakeCard{
		"steered":    {ppm: 100, pitched: true},
		"resampled":  {ppm: -100},
		"other rate": {ppm: 100, rate: 44100},
		// As USB does: its buffer is empty but for what is needed next.
		"takes all at once": {ppm: 100, pitched: true, ahead: 4000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDevice(48000, 1)
				const latency = 6 * time.Millisecond
				// The card hears at once what the clock says: a ramp that tells the time.
				const slope = 1 << 10
				begun := now(d)
				fake.sample = func(_ int, frame int64) int32 {
					// At which time the card had that frame.
					in := fake.in
					late := (in.hw - float64(frame-in.base)) / float64(in.is.rate) / (1 + fake.ppm*1e-6) / in.pitch
					return int32(slope * (float64(in.seen)/1e9 - late - float64(begun)/48000) * 48000)
				}
				card := &Card{Device: "hw:fake", To: []int{0}, From: []int{0}, Latency: latency, sound: &fakeCards{cards: map[string]*fakeCard{"fake": fake}}}
				stop := begin(t, card, d)
				feed(d, 5*time.Second, func(_ int, position int64) int32 { return int32(slope * (position - begun)) })
				synctest.Wait()

				p := now(d)
				heard := float64(read(d.Playback, 0, p, 1)[0])/slope + float64(begun)
				if got := (float64(p) - heard) / 48; math.Abs(got-6) > 0.05 {
					t.Errorf("what the card captures leaves after %.3f ms; want 6", got)
				}
				fake.mu.Lock()
				played := fake.played[0]
				last := float64(played[len(played)-1])/slope + float64(begun)
				seen := float64(fake.out.seen) / 1e9 * 48000
				fake.mu.Unlock()
				if got := (seen - last) / 48; math.Abs(got-6) > 0.05 {
					t.Errorf("what is received is heard after %.3f ms; want 6", got)
				}
				checkUndisturbed(t, card.Status().Capture)
				checkUndisturbed(t, card.Status().Playback)
				stop()
			})
		})
	}
}

func TestXruns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(48000, 1)
		fake := &fakeCard{ppm: 50, sample: noise}
		card := &Card{Device: "hw:fake", To: []int{0}, From: []int{0}, sound: &fakeCards{cards: map[string]*fakeCard{"fake": fake}}}
		stop := begin(t, card, d)
		time.Sleep(10 * time.Second)
		learnt := card.Status().Capture.Correction
		for range 3 {
			fake.mu.Lock()
			fake.in.xrun, fake.out.xrun = true, true
			fake.mu.Unlock()
			time.Sleep(300 * time.Millisecond)
		}
		for name, s := range map[string]DirectionStatus{"capture": card.Status().Capture, "playback": card.Status().Playback} {
			if s.Xruns != 3 || !s.Running || s.Realigned != 0 || math.Abs(s.Ahead) > 1.5 {
				t.Errorf("%s after 3 xruns: %+v", name, s)
			}
			if math.Abs(s.Correction-learnt) > 20e-6 {
				t.Errorf("%s: a correction of %.1f ppm; before the xruns it was %.1f", name, s.Correction*1e6, learnt*1e6)
			}
		}
		stop()
	})
}

func TestUnplugged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(48000, 2)
		cards := &fakeCards{cards: map[string]*fakeCard{}}
		card := &Card{Device: "hw:CARD=fake", To: []int{0, 1}, From: []int{1, 0}, sound: cards}
		stop := begin(t, card, d)
		running := func(want bool) {
			t.Helper()
			time.Sleep(2 * retry)
			synctest.Wait()
			if s := card.Status(); s.Capture.Running != want || s.Playback.Running != want {
				t.Errorf("status %+v; want running: %v", s, want)
			}
		}
		running(false)
		cards.plug("other", &fakeCard{sample: noise})
		running(false)
		cards.plug("fake", &fakeCard{sample: noise})
		running(true)
		cards.plug("fake", nil)
		running(false)
		cards.plug("fake", &fakeCard{sample: noise, ppm: 100, channels: 1, format: s16})
		running(true)
		if s := card.Status(); s.Capture.Xruns+s.Playback.Xruns != 0 {
			t.Errorf("status %+v; want no xruns", s)
		}
		stop()
		if s := card.Status(); s.Capture.Running || s.Playback.Running {
			t.Errorf("status %+v after Run has returned", s)
		}
	})
}

func TestCardWithFewerChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(48000, 2)
		fake := &fakeCard{sample: noise, pitched: true, channels: 1, format: s16}
		card := &Card{Device: "hw:fake", To: []int{0, 1}, From: []int{0, 1}, sound: &fakeCards{cards: map[string]*fakeCard{"fake": fake}}}
		stop := begin(t, card, d)
		feed(d, 2*time.Second, noise)
		of16 := func(c int) func(int64) int32 { return func(i int64) int32 { return noise(c, i) >> 16 << 16 } }
		if find(keepPlayed(d, 0, 480), of16(0), 3*48000) < 0 {
			t.Error("not what the card captured")
		}
		if got := read(d.Playback, 1, now(d), 480); !cmp.Equal(got, make([]int32, 480)) {
			t.Error("a channel that the card does not have is not silent")
		}
		stop()
		from := now(d) - 48000
		if got := fake.played[0]; find(got[len(got)-9600:len(got)-9000], func(i int64) int32 { return of16(0)(from + i) }, 48000) < 0 {
			t.Error("not what was received")
		}
	})
}

// A USB gadget's card stands still while the host does not use it.
func TestStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(48000, 1)
		fake := &fakeCard{pitched: true, stopped: true, sample: noise}
		card := &Card{Device: "hw:fake", To: []int{0}, From: []int{0}, sound: &fakeCards{cards: map[string]*fakeCard{"fake": fake}}}
		stop := begin(t, card, d)
		for _, running := range []bool{false, true, false, true} {
			fake.mu.Lock()
			for _, s := range []*fakeStream{fake.in, fake.out} {
				if s != nil {
					s.run()
				}
			}
			fake.stopped = !running
			fake.mu.Unlock()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			s := card.Status()
			for name, s := range map[string]DirectionStatus{"capture": s.Capture, "playback": s.Playback} {
				if s.Running != running || s.Xruns != 0 || s.Realigned > 0 {
					t.Errorf("%s: status %+v; want running: %v", name, s, running)
				}
			}
		}
		got := keepPlayed(d, 0, 480)
		if find(got, func(i int64) int32 { return noise(0, i) }, 100*48000) < 0 {
			t.Error("not what the card captured")
		}
		stop()
	})
}

// When the media clock is set, or gone for a while, the card has to be where it should be
// soon after.
func TestCardFollowsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(48000, 1)
		fake := &fakeCard{ppm: -50, sample: noise}
		card := &Card{Device: "hw:fake", To: []int{0}, From: []int{0}, sound: &fakeCards{cards: map[string]*fakeCard{"fake": fake}}}
		stop := begin(t, card, d)
		time.Sleep(10 * time.Second)
		d.Clock.Set(&media.Mapping{PTP: 1e9, Rate: 1})
		time.Sleep(time.Second)
		for name, s := range map[string]DirectionStatus{"capture": card.Status().Capture, "playback": card.Status().Playback} {
			if s.Realigned != 1 || !s.Running || s.Xruns != 0 || math.Abs(s.Ahead) > 1.5 {
				t.Errorf("%s after the clock was set: %+v", name, s)
			}
		}
		d.Clock.Set(nil)
		time.Sleep(time.Second)
		d.Clock.Set(&media.Mapping{Rate: 1})
		time.Sleep(time.Second)
		for name, s := range map[string]DirectionStatus{"capture": card.Status().Capture, "playback": card.Status().Playback} {
			if s.Realigned != 1 || !s.Running || s.Xruns != 0 || math.Abs(s.Ahead) > 1.5 {
				t.Errorf("%s after there was no clock: %+v", name, s)
			}
		}
		stop()
	})
}

func TestCardDoesNotAllocate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(48000, 8)
		for _, capturing := range []bool{true, false} {
			channels := []int{0, 1, 2, 3, 4, 5, 6, 7}
			card := &Card{Device: "hw:fake", To: channels, From: channels}
			s := &side{card: card, d: &d, capture: capturing, latency: DefaultLatency, channels: channels, status: &card.status.Capture}
			s.servo.rate = float64(d.Rate)
			r := newRunning(s, newConversion(s, &idleStream{is: shape{rate: 44100, channels: 8, format: s24_3, buffer: 960}, capture: capturing, bytes: make([]byte, largest*24)}), d.Log)
			tick := func() {
				time.Sleep(time.Millisecond)
				if err := r.tick(); err != nil {
					t.Fatal(err)
				}
			}
			for range 200 {
				tick()
			}
			if !card.status.Capture.Running || card.status.Capture.Realigned > 0 {
				t.Fatalf("status %+v; the test does not do what it should", card.status.Capture)
			}
			if n := testing.AllocsPerRun(1000, tick); n > 0 {
				t.Errorf("capture %v: %v allocations", capturing, n)
			}
		}
	})
}

// idleStream moves exactly, and has nothing.
type idleStream struct {
	stream
	is      shape
	capture bool
	bytes   []byte
	begun   time.Time
	appl    int
}

func (s *idleStream) shape() shape { return s.is }
func (s *idleStream) prepare() error {
	s.begun, s.appl = time.Now(), 0
	return nil
}
func (s *idleStream) start() error { s.begun = time.Now(); return nil }
func (s *idleStream) avail() (int, error) {
	at := int(time.Since(s.begun) * time.Duration(s.is.rate) / time.Second)
	if s.capture {
		return at - s.appl, nil
	}
	return s.is.buffer - (s.appl - at), nil
}
func (s *idleStream) delay() (int, error) {
	avail, err := s.avail()
	return s.is.buffer - avail, err
}
func (s *idleStream) memory() []byte   { return s.bytes }
func (s *idleStream) read(n int) error { s.appl += n; return nil }
func (s *idleStream) write(n int) error {
	s.appl += n
	return nil
}
func (s *idleStream) steers() bool { return false }

func TestParseCardName(t *testing.T) {
	for name, want := range map[string]cardName{
		"hw:CARD=UAC2Gadget":       {id: "UAC2Gadget"},
		"hw:CARD=UAC2Gadget,DEV=1": {id: "UAC2Gadget", device: 1},
		"hw:Loopback,1":            {id: "Loopback", device: 1},
		"hw:0":                     {id: "0"},
		"":                         {}, "default": {}, "hw:": {}, "hw:CARD=": {}, "hw:0,x": {}, "hw:0,0,0": {}, "plughw:0": {}, "hw:../x": {},
	} {
		got, err := parseCardName(name)
		if got != want || (err == nil) != (want.id != "") {
			t.Errorf("parseCardName(%q) = %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func TestParts(t *testing.T) {
	for n := 1; n < 2000; n++ {
		p := part(n)
		if p > n || p > largest || p&(p-1) != 0 || 2*p <= min(n, largest) {
			t.Fatalf("part(%d) = %d", n, p)
		}
	}
}
