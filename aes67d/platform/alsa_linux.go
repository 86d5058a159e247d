package platform

import (
	"errors"
	"fmt"

	"github.com/gen2brain/alsa"
)

// ravennaCard is the identifier of the RAVENNA kernel module's card.
const ravennaCard = "RAVENNA"

// alsaFormats are ALSA's numbers of the formats.
var alsaFormats = map[string]alsa.PcmFormat{
	"S16_LE":  alsa.SNDRV_PCM_FORMAT_S16_LE,
	"S24_3LE": alsa.SNDRV_PCM_FORMAT_S24_3LE,
	"S24_LE":  alsa.SNDRV_PCM_FORMAT_S24_LE,
	"S32_LE":  alsa.SNDRV_PCM_FORMAT_S32_LE,
}

// openRAVENNA opens the kernel module's card, with a buffer of at least that many frames.
func openRAVENNA(o *options) (card, error) {
	cards, err := alsa.EnumerateCards()
	if err != nil {
		return nil, fmt.Errorf("there are no sound cards: %w", err)
	}
	for _, c := range cards {
		if c.Name == ravennaCard {
			opened, err := openALSA(uint(c.ID), o)
			if err != nil {
				return nil, fmt.Errorf("sound card %s: %w", ravennaCard, err)
			}
			return opened, nil
		}
	}
	return nil, fmt.Errorf("there is no sound card %s, although the kernel module is loaded: see the kernel's log", ravennaCard)
}

func openALSA(number uint, o *options) (card, error) {
	playback, err := openPCM(number, alsa.PCM_OUT, o)
	if err != nil {
		return nil, fmt.Errorf("playback: %w", err)
	}
	capture, err := openPCM(number, alsa.PCM_IN, o)
	if err != nil {
		playback.Close()
		return nil, fmt.Errorf("capture: %w", err)
	}
	period, buffer := playback.PeriodSize(), playback.BufferSize()
	if capture.PeriodSize() != period || capture.BufferSize() != buffer {
		playback.Close()
		capture.Close()
		return nil, errors.New("playback and capture cannot have the same periods")
	}
	return newALSACard(playback, capture, o.format, o.channels, int(period), int(buffer)), nil
}

// openPCM opens a direction of a card, exactly as wanted but for larger periods.
func openPCM(number uint, direction alsa.PcmFlag, o *options) (*alsa.PCM, error) {
	params, err := alsa.PcmParamsGet(number, 0, direction)
	if err != nil {
		return nil, err
	}
	if !params.FormatIsSupported(alsaFormats[o.format.name]) {
		return nil, fmt.Errorf("it does not have the format %s, choose another -format", o.format.name)
	}
	period, buffer := o.buffering()
	const never = 1 << 30 // a threshold that is not reached: it is started explicitly
	config := alsa.Config{
		Format: alsaFormats[o.format.name], Channels: uint32(o.channels), Rate: o.rate,
		PeriodSize: uint32(period), PeriodCount: uint32(buffer / period),
		StartThreshold: never, StopThreshold: uint32(buffer), AvailMin: uint32(period),
	}
	// The library would begin anew by itself after an xrun, and for playback without end.
	p, err := alsa.PcmOpen(number, 0, direction|alsa.PCM_NORESTART, &config)
	if err != nil {
		return nil, fmt.Errorf("%w (is another program using it? is -channels or -frames more than it can?)", err)
	}
	if p.BufferSize() != uint32(buffer) {
		// The card has chosen larger periods. It stops when all of its buffer is empty, or
		// full, so that has to be known.
		config = p.Config()
		config.StopThreshold, config.AvailMin = p.BufferSize(), p.PeriodSize()
		if err := p.SetConfig(&config); err != nil {
			p.Close()
			return nil, err
		}
	}
	if p.Rate() != o.rate || p.Channels() != uint32(o.channels) {
		p.Close()
		return nil, fmt.Errorf("it has %d channels at %d Hz, not %d at %d", p.Channels(), p.Rate(), o.channels, o.rate)
	}
	return p, nil
}
