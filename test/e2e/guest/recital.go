package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/gen2brain/alsa"
)

// reciteMain plays a known sequence on one device of a sound card while it records from the
// same device, and compares every sample that comes back. The card is a snd-aloop, of which
// aes67d has the other device.
//
// Channel c of frame i has i times the c-th odd number, in 24 bits: in the top ones of 32,
// which is what L24 keeps. An odd number times i is never 0 unless i is, for 2²⁴ frames,
// and from channel 0, whose factor is 1, the frame is known. So silence, and where the
// sequence goes on after a fault, are seen at once.
func reciteMain(name string, arguments []string) error {
	flags := flag.NewFlagSet(name, flag.ExitOnError)
	card := flags.String("card", "Loopback", "identifier of the sound `card`")
	device := flags.Uint("device", 1, "`number` of the card's device")
	channels := flags.Uint("channels", 2, "number of channels")
	rate := flags.Uint("rate", 48000, "sample rate in `Hz`")
	length := flags.Duration("for", time.Minute, "how `long` what comes back is compared, from the first sample on")
	patience := flags.Duration("within", 10*time.Second, "how `long` to wait for the first sample")
	_ = flags.Parse(arguments)
	r, err := open(*card, *device, *channels, *rate)
	if err != nil {
		return err
	}
	heard, err := r.perform(*length, *patience)
	if err != nil {
		return err
	}
	fmt.Println("recital: good:", heard)
	return printShifts(r.card)
}

// periods of so many frames are written and read at once; a buffer has eight of them. That
// is long, so that what is measured is never this program's own punctuality.
const (
	period  = 960
	periods = 8
)

// printShifts prints how the cables of the card are steered: what its first device captures,
// and what it plays, which the second one captures.
func printShifts(card uint) error {
	mixer, err := alsa.MixerOpen(card)
	if err != nil {
		return err
	}
	defer mixer.Close()
	shifts := map[uint32]int{}
	for _, c := range mixer.Ctls {
		if c.Name() == "PCM Rate Shift 100000" && c.Subdevice() == 0 {
			if shifts[c.Device()], err = c.Value(0); err != nil {
				return err
			}
		}
	}
	fmt.Println("recital: rate shift", shifts[0], shifts[1])
	return nil
}

// recital is a card that is open both ways.
type recital struct {
	card     uint
	in, out  *alsa.PCM
	channels int
}

func open(id string, device, channels, rate uint) (*recital, error) {
	card, err := find(id)
	if err != nil {
		return nil, err
	}
	config := alsa.Config{
		Channels: uint32(channels), Rate: uint32(rate), Format: alsa.SNDRV_PCM_FORMAT_S32_LE,
		PeriodSize: period, PeriodCount: periods,
	}
	r := &recital{card: card, channels: int(channels)}
	for pcm, flags := range map[**alsa.PCM]alsa.PcmFlag{&r.in: alsa.PCM_IN, &r.out: alsa.PCM_OUT} {
		c := config // it is written to
		if *pcm, err = alsa.PcmOpen(card, device, flags|alsa.PCM_NORESTART, &c); err != nil {
			return nil, fmt.Errorf("open card %s, device %d: %w", id, device, err)
		}
		if got := (*pcm).Rate(); got != uint32(rate) {
			return nil, fmt.Errorf("card %s, device %d runs at %d Hz, not at %d", id, device, got, rate)
		}
	}
	return r, nil
}

func find(id string) (uint, error) {
	cards, err := alsa.EnumerateCards()
	if err != nil {
		return 0, err
	}
	var names []string
	for _, c := range cards {
		if c.Name == id {
			return uint(c.ID), nil
		}
		names = append(names, c.Name)
	}
	return 0, fmt.Errorf("there is no sound card %s; there are: %s", id, strings.Join(names, ", "))
}

// perform plays and listens until so much has come back as it was played.
func (r *recital) perform(length, patience time.Duration) (string, error) {
	stop := make(chan struct{})
	played := make(chan error, 1)
	go func() { played <- r.play(stop) }()
	l := listener{channels: r.channels, most: frames(length, r.in.Rate()), silent: frames(patience, r.in.Rate())}
	buffer := make([]int32, period*r.channels)
	var err error
	for err == nil && l.heard < l.most {
		if _, err = r.in.Read(buffer); err == nil {
			err = l.hear(buffer)
		}
		select {
		case e := <-played:
			return "", fmt.Errorf("playing: %w", e)
		default:
		}
	}
	close(stop)
	if err := errors.Join(err, <-played); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d frames of %d channels came back as they were played, the first after %d frames of silence", l.heard, r.channels, l.silence), nil
}

func frames(t time.Duration, rate uint32) int64 { return int64(t) * int64(rate) / int64(time.Second) }

// play plays the sequence until told to stop.
func (r *recital) play(stop <-chan struct{}) error {
	buffer := make([]int32, period*r.channels)
	for frame := uint32(1); ; frame += period {
		select {
		case <-stop:
			return nil
		default:
		}
		for i := range buffer {
			buffer[i] = note(frame+uint32(i/r.channels), i%r.channels)
		}
		if _, err := r.out.Write(buffer); err != nil {
			return err
		}
	}
}

// note is a sample of the sequence.
func note(frame uint32, channel int) int32 { return int32(frame * uint32(2*channel+1) << 8) }

// listener compares what comes back.
type listener struct {
	channels int
	// most are the frames to be heard, silent those that may be silent before.
	most, silent int64
	// silence are those that were, heard those after that; next is the frame that is due.
	silence, heard int64
	next           uint32
}

// hear takes some frames. Its error tells where they are not what was played.
func (l *listener) hear(samples []int32) error {
	for ; len(samples) > 0 && l.heard < l.most; samples = samples[l.channels:] {
		if l.heard == 0 && samples[0] == 0 {
			if l.silence++; l.silence > l.silent {
				return fmt.Errorf("nothing but silence in %d frames", l.silent)
			}
			continue
		}
		if l.heard == 0 {
			l.next = uint32(samples[0]) >> 8
		}
		for c, s := range samples[:l.channels] {
			if want := note(l.next, c); s != want {
				return fmt.Errorf("%d frames after the first, channel %d has %#08x instead of %#08x: the sequence %s",
					l.heard, c, uint32(s), uint32(want), l.fault(samples))
			}
		}
		l.next = (l.next + 1) & 0xffffff
		l.heard++
	}
	return nil
}

// fault tells what is wrong with the sequence from a frame on.
func (l *listener) fault(frame []int32) string {
	at := uint32(frame[0]) >> 8
	for c, s := range frame[:l.channels] {
		if s != note(at, c) {
			return "is lost"
		}
	}
	if by := int32(at-l.next) << 8 >> 8; by < 0 {
		return fmt.Sprintf("goes back by %d frames", -by)
	} else {
		return fmt.Sprintf("leaves out %d frames", by)
	}
}
