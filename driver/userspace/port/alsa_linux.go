package port

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"

	"github.com/gen2brain/alsa"
	"golang.org/x/sys/unix"
)

// alsaCards are the kernel's sound cards.
//
// Of the library (v0.5.0) some things have to be known. It would try for ever to write to
// a stream after an xrun, unless told not to restart it. A stream cannot be non-blocking,
// because each of its calls makes the file blocking again; but what avail tells of can be
// transferred without waiting. And what is given to Read and Write is put on the heap each
// time, unless it is an interface value already.
type alsaCards struct{}

// never is a threshold that is not reached: streams are started explicitly.
const never = 1 << 30

// periods is how many there are in a buffer. The periods' interrupts are not needed, but
// some cards look where they are only then.
const periods = 8

// open implements sound.
func (alsaCards) open(name cardName, capture bool, want shape) (stream, error) {
	card, err := cardNumber(name.id)
	if err != nil {
		return nil, err
	}
	flags, direction := alsa.PCM_OUT, "playback"
	if capture {
		flags, direction = alsa.PCM_IN, "capture"
	}
	params, err := alsa.PcmParamsGet(card, name.device, flags)
	if err != nil {
		return nil, fmt.Errorf("sound card %s, device %d, %s: %w", name.id, name.device, direction, err)
	}
	config, format, err := configure(params, want)
	if err != nil {
		return nil, fmt.Errorf("sound card %s, device %d, %s: %w", name.id, name.device, direction, err)
	}
	pcm, err := alsa.PcmOpen(card, name.device, flags|alsa.PCM_NORESTART, config)
	if err != nil {
		return nil, fmt.Errorf("sound card %s, device %d, %s: %w", name.id, name.device, direction, err)
	}
	// The card may have chosen larger periods. It stops when all of its buffer is empty or
	// full, so that has to be known.
	if config.StopThreshold != pcm.BufferSize() {
		*config = pcm.Config()
		config.StartThreshold, config.StopThreshold, config.AvailMin = never, pcm.BufferSize(), 0
		if err := pcm.SetConfig(config); err != nil {
			pcm.Close()
			return nil, fmt.Errorf("sound card %s, device %d, %s: %w", name.id, name.device, direction, err)
		}
	}
	s := &alsaStream{PCM: pcm, format: format, bytes: make([]byte, largest*int(pcm.FrameSize()))}
	for i := range s.parts {
		s.parts[i] = s.bytes[:int(pcm.FrameSize())<<i]
	}
	s.pitch = findPitch(card, name.device, pcm.Subdevice(), capture)
	return s, nil
}

// cardNumber finds a card by its identifier, or number.
func cardNumber(id string) (uint, error) {
	if n, err := strconv.ParseUint(id, 10, 8); err == nil {
		return uint(n), nil
	}
	cards, err := alsa.EnumerateCards()
	if err != nil {
		return 0, fmt.Errorf("there are no sound cards: %w", err)
	}
	for _, c := range cards {
		if c.Name == id {
			return uint(c.ID), nil
		}
	}
	return 0, fmt.Errorf("there is no sound card %s", id)
}

// formats are those that cards are used with, the best first.
var formats = []struct {
	alsa alsa.PcmFormat
	ours format
}{
	{alsa.SNDRV_PCM_FORMAT_S32_LE, s32},
	{alsa.SNDRV_PCM_FORMAT_S24_3LE, s24_3},
	{alsa.SNDRV_PCM_FORMAT_S24_LE, s24},
	{alsa.SNDRV_PCM_FORMAT_S16_LE, s16},
}

// configure is as near to what is wanted as the card can come.
func configure(params *alsa.PcmParams, want shape) (*alsa.Config, format, error) {
	config := &alsa.Config{Format: alsa.SNDRV_PCM_FORMAT_INVALID, StartThreshold: never}
	var chosen format
	for _, f := range formats {
		if params.FormatIsSupported(f.alsa) {
			config.Format, chosen = f.alsa, f.ours
			break
		}
	}
	if chosen == 0 {
		return nil, 0, errors.New("it has none of the formats S32_LE, S24_3LE, S24_LE and S16_LE")
	}
	// within is the value nearest to what is wanted that the card can have.
	within := func(param alsa.PcmParam, value int) (uint32, error) {
		low, err := params.Min(param)
		if err != nil {
			return 0, err
		}
		high, err := params.Max(param)
		return min(max(uint32(value), low), high), err
	}
	var err error
	if config.Channels, err = within(alsa.SNDRV_PCM_HW_PARAM_CHANNELS, want.channels); err != nil {
		return nil, 0, err
	}
	if config.Rate, err = within(alsa.SNDRV_PCM_HW_PARAM_RATE, int(want.rate)); err != nil {
		return nil, 0, err
	}
	if config.PeriodSize, err = within(alsa.SNDRV_PCM_HW_PARAM_PERIOD_SIZE, want.at(config.Rate).buffer/periods); err != nil {
		return nil, 0, err
	}
	if config.PeriodCount, err = within(alsa.SNDRV_PCM_HW_PARAM_PERIODS, periods); err != nil {
		return nil, 0, err
	}
	config.StopThreshold = config.PeriodSize * config.PeriodCount
	return config, chosen, nil
}

// alsaStream is a stream of a card.
type alsaStream struct {
	*alsa.PCM
	format format
	bytes  []byte
	// parts are the first 1, 2, 4... frames of bytes.
	parts [9]any
	pitch *pitch // nil if the card has none
}

func (s *alsaStream) shape() shape {
	return shape{rate: s.Rate(), channels: int(s.Channels()), format: s.format, buffer: int(s.BufferSize())}
}

// known makes errXrun of the kernel's errors for it.
func known(err error) error {
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ESTRPIPE) {
		return errXrun
	}
	return err
}

// prepare implements stream. The kernel prepares no stream that runs.
func (s *alsaStream) prepare() error {
	if err := s.Stop(); err != nil {
		return known(err)
	}
	return known(s.Prepare())
}

func (s *alsaStream) start() error { return known(s.Start()) }

func (s *alsaStream) avail() (int, error) {
	n, err := s.AvailUpdate()
	return n, known(err)
}

func (s *alsaStream) delay() (int, error) {
	n, err := s.Delay()
	return n, known(err)
}

func (s *alsaStream) memory() []byte { return s.bytes }

func (s *alsaStream) read(frames int) error {
	_, err := s.Read(s.parts[bits.TrailingZeros(uint(frames))])
	return known(err)
}

func (s *alsaStream) write(frames int) error {
	_, err := s.Write(s.parts[bits.TrailingZeros(uint(frames))])
	return known(err)
}

func (s *alsaStream) steers() bool { return s.pitch != nil }

func (s *alsaStream) steer(pitch float64) error { return s.pitch.set(pitch) }

func (s *alsaStream) close() {
	s.PCM.Close()
	if s.pitch != nil {
		s.pitch.mixer.Close()
	}
}

// pitch is a control by which a card's clock is changed.
type pitch struct {
	mixer *alsa.Mixer
	ctl   *alsa.MixerCtl
	// unit is the value for no change. Where slower is set, a higher value means a slower
	// clock.
	unit      float64
	slower    bool
	low, high int
	value     int
}

// findPitch finds the control of a stream, if the card has one: a USB gadget's (Linux,
// drivers/usb/gadget/function/u_audio.c), or snd-aloop's (sound/drivers/aloop.c), which
// belongs to the capturing end of each cable.
func findPitch(card, device uint, subdevice uint32, capture bool) *pitch {
	mixer, err := alsa.MixerOpen(card)
	if err != nil {
		return nil // a card without any controls
	}
	gadget, cable := "Playback Pitch 1000000", device^1
	if capture {
		gadget, cable = "Capture Pitch 1000000", device
	}
	for _, ctl := range mixer.Ctls {
		p := &pitch{mixer: mixer, ctl: ctl}
		switch {
		case ctl.Name() == gadget && ctl.Device() == uint32(device):
			p.unit = 1e6
		case ctl.Name() == "PCM Rate Shift 100000" && ctl.Device() == uint32(cable) && ctl.Subdevice() == subdevice:
			p.unit, p.slower = 1e5, true
		default:
			continue
		}
		if p.low, err = ctl.RangeMin(); err != nil {
			continue
		}
		if p.high, err = ctl.RangeMax(); err != nil {
			continue
		}
		return p
	}
	mixer.Close()
	return nil
}

// set makes the clock that much faster.
func (p *pitch) set(pitch float64) error {
	if p.slower {
		pitch = 1 / pitch
	}
	value := min(max(int(math.Round(p.unit*pitch)), p.low), p.high)
	if value == p.value {
		return nil
	}
	p.value = value
	if err := p.ctl.SetValue(0, value); err != nil {
		return fmt.Errorf("setting %q to %d: %w", p.ctl.Name(), value, err)
	}
	return nil
}
