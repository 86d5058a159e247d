package ravenna

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/driver"
	"aes67os/driver/drivertest"
	"aes67os/test/background"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// config is the recordings'.
func config(interfaces ...string) driver.Config {
	return driver.Config{
		Interfaces: interfaces, PTP: driver.PTPConfig{DSCP: 48}, SampleRate: 48000,
		TICFrameSizeAt1FS: 48, MaxTICFrameSize: 1024,
	}
}

func TestContract(t *testing.T) {
	for name, test := range map[string]struct {
		abi        abi
		interfaces []string
	}{
		"ABI 1":                 {abi1, []string{"eth0"}},
		"ABI 2":                 {abi2, []string{"eth0", "eth1"}},
		"ABI 2, one interface":  {abi2, []string{"eth0"}},
		"ABI 2, longest naming": {abi2, []string{strings.Repeat("a", 15), strings.Repeat("b", 15)}},
	} {
		t.Run(name, func(t *testing.T) {
			drivertest.RunInBubble(t, func(t *testing.T) drivertest.Subject {
				p := newPeer(t, test.abi)
				return p.subject(config(test.interfaces...))
			})
		})
	}
}

func (p *peer) subject(c driver.Config) drivertest.Subject {
	return drivertest.Subject{
		Driver: p.driver(),
		Config: c,
		Lock: func(gm driver.ClockID) {
			p.change(func() { p.ptp = driver.PTPStatus{Lock: driver.Locked, Grandmaster: gm} })
		},
		Unlock:    func() { p.change(func() { p.ptp = driver.PTPStatus{} }) },
		Interrupt: p.unload,
		Restore:   func() { p.change(func() { p.loaded = true }) },
		Rate: func() (hz uint32) {
			p.change(func() { hz = p.rate })
			return hz
		},
		Legs: func() (n int) {
			p.change(func() { n = len(p.streams) })
			return n
		},
		ApplicationRate: func(hz uint32) {
			p.event(msgSetSampleRate, u32(hz))
			// Events are taken one after the other: now the driver knows of the first.
			p.event(msgGetMasterOutputVolume, nil)
		},
		Slow: func() (<-chan struct{}, func()) {
			entered, release := make(chan struct{}), make(chan struct{})
			p.change(func() { p.slow = func() { close(entered); <-release } })
			return entered, func() { close(release) }
		},
	}
}

// session is a driver that runs, in a bubble.
type session struct {
	*Driver
	events []driver.Event
	end    func()
}

// start runs a driver for p and waits until it has nothing to do.
func start(t *testing.T, p *peer, c driver.Config) *session {
	t.Helper()
	s := &session{Driver: p.driver()}
	s.end = background.Run(t, func(ctx context.Context) error {
		return s.Run(ctx, c, func(e driver.Event) { s.events = append(s.events, e) })
	})
	synctest.Wait()
	return s
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// told returns the events since the last call, in words.
func (s *session) told() []string {
	var all []string
	for _, e := range s.events {
		switch e := e.(type) {
		case driver.Available:
			all = append(all, "available")
		case driver.Unavailable:
			all = append(all, e.Err.Error())
		case driver.PTPStatus:
			all = append(all, e.Lock.String())
		case driver.SampleRate:
			all = append(all, "rate")
		}
	}
	s.events = nil
	return all
}

// expect compares the events since the last call with those that are to be told.
func (s *session) expect(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.told()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// without returns commands other than those that only ask.
func without(commands []message) []message {
	return slices.DeleteFunc(commands, func(m message) bool {
		return m.id == msgGetPTPStatus || m.id == msgGetSampleRate
	})
}

// encoded returns commands as they are sent from port id 183, the recording's.
func encoded(commands []message) [][]byte {
	var all [][]byte
	for _, m := range commands {
		all = append(all, m.encode(183))
	}
	return all
}

// TestOrder compares start and end of a conversation with the recording. Questions that
// change nothing are left out on both sides.
func TestOrder(t *testing.T) {
	var recorded [][]byte
	for _, r := range pick(readRecording(t, "abi1"), "command") {
		if r.name != "GetPTPConfig" && r.name != "GetPTPStatus" {
			recorded = append(recorded, r.bytes)
		}
	}
	for _, a := range []abi{abi1, abi2} {
		synctest.Test(t, func(t *testing.T) {
			p := newPeer(t, a)
			p.ptp = driver.PTPStatus{}
			s := start(t, p, config("lo"))
			pass(5 * time.Second)
			p.change(func() { p.ptp.Lock = driver.Locked })
			pass(time.Minute)
			got := encoded(without(p.commands()))
			if diff := cmp.Diff(recorded[:len(got)], got); diff != "" || len(got) != 9 {
				t.Errorf("ABI %d: %d commands at start; want 9 (-recorded +got):\n%s", a, len(got), diff)
			}
			s.end()
			if diff := cmp.Diff(recorded[len(recorded)-2:], encoded(without(p.commands()))); diff != "" {
				t.Errorf("ABI %d: commands at the end (-recorded +got):\n%s", a, diff)
			}
			if diff := cmp.Diff([]string{"available", "locked"}, s.told()); diff != "" {
				t.Errorf("ABI %d: events (-want +got):\n%s", a, diff)
			}
			if n := len(p.answers); n > 1 { // Bye's has been taken
				t.Errorf("%d answers to events too many", n)
			}
		})
	}
}

// TestModuleLimits checks what either ABI is told of two interfaces, and that what the
// module cannot do is said in words.
func TestModuleLimits(t *testing.T) {
	two := sink(driver.L24, 48)
	two.Legs = append(two.Legs, two.Legs[0])
	two.Legs[1].Interface = 1
	for a, want := range map[abi]string{abi1: "eth0\x00", abi2: "eth0,eth1\x00"} {
		synctest.Test(t, func(t *testing.T) {
			p := newPeer(t, a)
			s := start(t, p, config("eth0", "eth1"))
			for _, m := range p.commands() {
				if m.id == msgSetInterfaceName && string(m.data) != want {
					t.Errorf("ABI %d: interface name %q; want %q", a, m.data, want)
				}
			}
			_, err := s.Add(t.Context(), two)
			if a == abi1 && (!errors.Is(err, driver.ErrInvalid) || !strings.Contains(err.Error(), "one network interface only")) ||
				a == abi2 && err != nil {
				t.Errorf("ABI %d: Add(two legs) = %v", a, err)
			}
			silent := source(driver.L24, 48, 1)
			silent.Map[1] = driver.Unmapped
			if _, err := s.Add(t.Context(), silent); !errors.Is(err, driver.ErrInvalid) {
				t.Errorf("ABI %d: Add(source with a silent channel) = %v; want ErrInvalid", a, err)
			}
			odd := sink(driver.L24, 48)
			odd.Legs[0].Destination = netip.MustParseAddrPort("239.1.0.1:5005")
			if _, err := s.Add(t.Context(), odd); !errors.Is(err, driver.ErrInvalid) {
				t.Errorf("ABI %d: Add(odd port) = %v; want ErrInvalid", a, err)
			}
		})
	}
}

// TestSecondLegRefused leaves nothing of the first.
func TestSecondLegRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, abi2)
		s := start(t, p, config("eth0", "eth1"))
		p.refuse = func(info []byte) errorCode {
			if info[7] == 1 {
				return codeFailed
			}
			return 0
		}
		two := sink(driver.L24, 48)
		two.Legs = append(two.Legs, two.Legs[0])
		two.Legs[1].Interface = 1
		_, err := s.Add(t.Context(), two)
		if !errors.Is(err, driver.ErrRefused) {
			t.Errorf("Add() = %v; want ErrRefused", err)
		}
		if len(p.streams) != 0 {
			t.Errorf("%d legs are left", len(p.streams))
		}
		p.refuse = func([]byte) errorCode { return codeBadSize }
		if _, err := s.Add(t.Context(), two); !errors.Is(err, driver.ErrInvalid) {
			t.Errorf("Add() = %v; want ErrInvalid", err)
		}
		p.refuse = func([]byte) errorCode { return codeUnknownID }
		if _, err := s.Add(t.Context(), two); !errors.Is(err, driver.ErrProtocol) {
			t.Errorf("Add() = %v; want ErrProtocol", err)
		}
	})
}

// TestAbsent begins without a module, and goes on when there is one.
func TestAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, abi2)
		p.loaded = false
		s := start(t, p, config("eth0"))
		pass(10 * time.Minute)
		s.expect(t, errNotLoaded.Error())
		err := s.SetPTP(t.Context(), driver.PTPConfig{})
		if !errors.Is(err, driver.ErrUnavailable) || !strings.Contains(err.Error(), "modprobe") {
			t.Errorf("SetPTP() = %v; want ErrUnavailable, and the reason", err)
		}
		p.change(func() { p.loaded = true })
		pass(retryMax)
		s.expect(t, "available", "locked")
	})
}

// TestOtherDaemon lets one say Hello while we run. The module answers it from then on,
// also our commands; and we must not take it back.
func TestOtherDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, abi1)
		s := start(t, p, config("eth0"))
		pass(time.Minute)
		s.told()
		p.commands()
		var theirs *link
		p.change(func() {
			theirs = newLink(s.log, otherPort, p.socket(protocolCommands, otherPort), p.socket(protocolEvents, otherPort))
		})
		if err := theirs.ask(msgHello, nil); err != nil {
			t.Errorf("Hello = %v; want no error", err)
		}
		pass(10 * time.Minute)
		told := s.told()
		if len(told) != 2 || !strings.Contains(told[0], "does another daemon use it") || !strings.Contains(told[1], "process 200 (other)") {
			t.Errorf("events %q; want that there is no answer, and then why", told)
		}
		heard := p.commands()
		if len(heard) > 2 {
			t.Errorf("%d commands after the other's Hello; want no more than the one without an answer", len(heard)-1)
		}
		if err := theirs.ask(msgBye, nil); err != nil {
			t.Errorf("Bye = %v; want no error", err)
		}
		theirs.close()
		pass(time.Minute)
		s.expect(t, "available", "locked")
	})
}

// TestSilence checks that the reason is told, once, when nothing answers.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, abi1)
		p.deaf = true
		s := start(t, p, config("eth0"))
		pass(time.Minute)
		told := s.told()
		if len(told) != 1 || !strings.Contains(told[0], "does not answer Hello") {
			t.Errorf("events %q; want that Hello is not answered", told)
		}
		if n := len(p.sockets); n != 0 {
			t.Errorf("%d sockets are left open", n)
		}
	})
}

// TestReplyTimeout begins when the module has dealt with the command.
func TestReplyTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, abi1)
		s := start(t, p, config("eth0"))
		pass(10 * time.Second) // past the first change of the rate, to 48 kHz
		p.change(func() { p.ptp.Lock = driver.Unlocked })
		began := time.Now()
		if err := s.SetSampleRate(t.Context(), 96000); err != nil {
			t.Errorf("SetSampleRate() = %v; want no error", err)
		}
		if took := time.Since(began); took != 32*time.Second {
			t.Errorf("SetSampleRate() took %v; the module takes 32 s", took)
		}
		p.change(func() { p.deaf = true })
		began = time.Now()
		if err := s.SetPlayoutDelay(t.Context(), 1); !errors.Is(err, driver.ErrProtocol) {
			t.Errorf("SetPlayoutDelay() = %v; want ErrProtocol", err)
		}
		if took := time.Since(began); took != replyTimeout {
			t.Errorf("SetPlayoutDelay() took %v; want %v", took, replyTimeout)
		}
		synctest.Wait()
		told := s.told()
		if last := told[len(told)-1]; !strings.Contains(last, "does not answer SetPlayoutDelay") {
			t.Errorf("events %q; want at last that SetPlayoutDelay is not answered", told)
		}
	})
}

// TestRateBeforeLock keeps the rate from a module that would wait for the clock.
func TestRateBeforeLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, abi1)
		p.ptp = driver.PTPStatus{}
		s := start(t, p, config("eth0"))
		p.commands()
		began := time.Now()
		if err := s.SetSampleRate(t.Context(), 96000); err != nil {
			t.Errorf("SetSampleRate() = %v; want no error", err)
		}
		if took := time.Since(began); took != 0 || len(p.commands()) != 0 {
			t.Errorf("SetSampleRate() took %v; want that the module is not asked", took)
		}
		p.event(msgSetSampleRate, u32(88200))
		synctest.Wait()
		if diff := cmp.Diff([]driver.Event{driver.Available{}, driver.SampleRate(88200)}, s.events); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if n := len(p.commands()); n != 0 {
			t.Errorf("%d commands; want none before the clock is locked", n)
		}
	})
}

// TestCardOpen lets an application keep the sound card open, so that the module stays
// at its rate and says that all is well.
func TestCardOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, abi1)
		p.open = true
		s := start(t, p, config("eth0"))
		pass(time.Second)
		if diff := cmp.Diff([]driver.Event{driver.Available{}, p.ptp, driver.SampleRate(44100)}, s.events); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		err := s.SetSampleRate(t.Context(), 96000)
		if !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), "close it") {
			t.Errorf("SetSampleRate() = %v; want ErrRefused, and what to do", err)
		}
	})
}

// TestMixer has the module ask for what it told before.
func TestMixer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, abi2)
		start(t, p, config("eth0"))
		ask := func(id messageID) int32 {
			v, err := readU32(id, p.event(id, nil).data)
			if err != nil {
				t.Error(err)
			}
			return int32(v)
		}
		got := []int32{ask(msgGetMasterOutputVolume), ask(msgGetMasterOutputSwitch)}
		minus40 := int32(-40)
		p.event(msgSetMasterOutputVolume, u32(uint32(minus40)))
		p.event(msgSetMasterOutputSwitch, u32(1))
		p.event(msgSetMasterOutputSwitch, []byte{1, 2}) // makes no sense
		p.event(99, []byte{1, 2, 3})                    // nor does this
		got = append(got, ask(msgGetMasterOutputVolume), ask(msgGetMasterOutputSwitch))
		if diff := cmp.Diff([]int32{-20, 0, -40, 1}, got); diff != "" {
			t.Errorf("volume and switch, before and after (-want +got):\n%s", diff)
		}
	})
}

// TestNoise sends what nobody asked for: the module does so when another daemon's
// commands are answered.
func TestNoise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, abi2)
		s := start(t, p, config("eth0"))
		noise := func() {
			for range 50 {
				p.tell(protocolCommands, message{id: msgAddRTPStream, data: u64(13)})
				synctest.Wait()
			}
		}
		noise() // while the rate is being changed
		pass(time.Minute)
		noise()
		h, err := s.Add(t.Context(), sink(driver.L16, 48))
		if err != nil {
			t.Fatalf("Add() = %v; want no error", err)
		}
		if got := s.current.Load().streams[h]; len(got) != 1 || got[0] == 13 {
			t.Errorf("the module's handle is taken to be %v", got)
		}
		p.change(func() { p.slow = func() { p.tell(protocolCommands, message{id: msgStart}) } })
		if _, err := s.Add(t.Context(), sink(driver.L16, 48)); err != nil {
			t.Errorf("Add() = %v; want no error", err)
		}
		p.change(func() {
			for _, socket := range p.sockets {
				socket.in <- []byte("\x14\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00junk")
			}
		})
		if err := s.SetPlayoutDelay(t.Context(), 1); err != nil {
			t.Errorf("SetPlayoutDelay() = %v; want no error", err)
		}
		if diff := cmp.Diff([]driver.Event{driver.Available{}, p.ptp}, s.events, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// TestFlood keeps the latest answers.
func TestFlood(t *testing.T) {
	l := &link{answers: make(chan message, 3)}
	for id := range messageID(10) {
		l.answer(message{id: id})
	}
	var got []messageID
	for len(l.answers) > 0 {
		got = append(got, (<-l.answers).id)
	}
	if diff := cmp.Diff([]messageID{7, 8, 9}, got); diff != "" {
		t.Errorf("answers kept (-want +got):\n%s", diff)
	}
}

// TestNonsense refuses a module whose state makes none.
func TestNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, abi2)
		p.ptp.Lock = 9
		s := start(t, p, config("eth0"))
		s.expect(t, "failed to receive response from driver: lock state 9")
	})
}

func TestTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, newPeer(t, abi1), config("eth0"))
		if err := s.Run(t.Context(), config("eth0"), nil); err == nil {
			t.Error("Run() works twice at a time")
		}
	})
}
