package port

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// sound is what the operating system has of sound cards.
type sound interface {
	// open opens a card in one direction, as near to what is wanted as the card can. A
	// card that is not there, or is in use, is an error.
	open(card cardName, capture bool, want shape) (stream, error)
}

// shape is how a stream is.
type shape struct {
	rate     uint32
	channels int
	format   format
	// buffer is in frames. One that is wanted lasts as long at another rate.
	buffer int
}

// at is the shape at another rate.
func (s shape) at(rate uint32) shape {
	s.buffer = int(int64(s.buffer) * int64(rate) / int64(s.rate))
	s.rate = rate
	return s
}

// stream is a card's stream in one direction. It never waits. Its errors are errXrun, or
// mean that the stream is of no more use: the card may have been unplugged.
type stream interface {
	shape() shape
	// prepare stops the stream if it runs, empties its buffer and makes it ready for start.
	prepare() error
	start() error
	// avail is how many frames can be read, or written.
	avail() (int, error)
	// delay is how many of the frames written are still to be heard: those in the buffer,
	// and those on their way from there to the card. Over USB that is most of them.
	delay() (int, error)
	// memory is where read puts frames and write takes them from, at its start. It has
	// room for largest frames.
	memory() []byte
	// read and write transfer that many frames, of those that avail told of: a power of
	// two, up to largest.
	read(frames int) error
	write(frames int) error
	// steers tells whether the card's own clock can be changed.
	steers() bool
	// steer makes the card's clock run that much faster than it does by itself: 1.000001
	// is 1 ppm. It comes as near as the card can.
	steer(pitch float64) error
	close()
}

// errXrun is a stream's error when its buffer has run over or empty, or the host was
// suspended; it has to be prepared anew.
var errXrun = errors.New("xrun")

// largest is the most frames of one transfer.
const largest = 256

// part is how many frames the next transfer has when there are n, at least 1.
func part(n int) int {
	p := 1
	for p < largest && 2*p <= n {
		p *= 2
	}
	return p
}

// cardName names a PCM device of a card.
type cardName struct {
	// id is the card's identifier, or its number.
	id     string
	device uint
}

// parseCardName reads a name as ALSA's tools have it for hardware: hw:CARD=UAC2Gadget,DEV=0,
// hw:UAC2Gadget,0, hw:0; a device not named is 0.
func parseCardName(name string) (cardName, error) {
	list, ok := strings.CutPrefix(name, "hw:")
	card, device, hasDevice := strings.Cut(list, ",")
	card = strings.TrimPrefix(card, "CARD=")
	if !ok || card == "" || strings.ContainsAny(card, "=,/ ") {
		return cardName{}, fmt.Errorf("%q is not the name of a card, such as hw:CARD=UAC2Gadget or hw:0", name)
	}
	n := cardName{id: card}
	if hasDevice {
		d, err := strconv.ParseUint(strings.TrimPrefix(device, "DEV="), 10, 8)
		if err != nil {
			return cardName{}, fmt.Errorf("%q is not the number of a device, as in hw:CARD=UAC2Gadget,DEV=0", device)
		}
		n.device = uint(d)
	}
	return n, nil
}
