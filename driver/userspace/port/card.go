package port

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Card is a sound card. What goes into it, and so is captured from it, is sent by sources;
// what sinks receive is played on it.
//
// A card has a clock of its own, and no two clocks agree. The two directions are handled
// each by itself: a servo watches how far the card is ahead of the media clock. If the card
// can be told to run faster or slower, it is: every sample that the card has is then one of
// the network's, bit by bit. Otherwise, and if the card has another sample rate than the
// device, it is resampled.
//
// The card is looked for until it is there, and again when it has been unplugged. One
// that is there but stands still, as a USB gadget's while the host at the other end does
// not use it, is watched until it moves.
type Card struct {
	// Device is the name of the card: hw:CARD=UAC2Gadget, hw:CARD=UAC2Gadget,DEV=0, hw:0.
	Device string
	// Latency is from the media clock to the card, each way; zero is DefaultLatency. It is
	// kept exactly. The card's buffer is longer. One that is resampled has at
	// least 3 ms, and more below 48 kHz.
	Latency time.Duration
	// From are the device's capture channels for each of the card's playback channels, To
	// the device's playback channels for each of its capture channels. A direction without
	// any is not used.
	From, To []int

	mu     sync.Mutex
	status CardStatus
	// sound is the kernel's but in tests.
	sound sound
}

const (
	// DefaultLatency is safe on cards that report their position in steps of up to 4 ms.
	DefaultLatency = 10 * time.Millisecond
	minLatency     = 2 * time.Millisecond
	maxLatency     = 200 * time.Millisecond
)

// CardStatus is how a card does.
type CardStatus struct {
	// Capture is into the box, Playback out of it.
	Capture, Playback DirectionStatus
}

// DirectionStatus is how one direction of a card does.
type DirectionStatus struct {
	// Running is false while the card is not there, or stands still.
	Running bool
	// Xruns is how often the card's buffer ran over, or empty.
	Xruns uint64
	// Realigned is how often the card was too far from the media clock to be corrected
	// without a break.
	Realigned uint64
	// Ahead is how far the card is ahead of where it should be, in samples.
	Ahead float64
	// Correction is by how much the card is made faster: 1e-6 is 1 ppm.
	Correction float64
	// Resampled tells that it is so by resampling, and not by the card.
	Resampled bool
}

// Name implements [Port].
func (c *Card) Name() string {
	name := "card " + word(c.Device)
	if c.Latency != 0 {
		name += " " + c.Latency.String()
	}
	if c.To != nil {
		name += " > " + channelText(c.To)
	}
	if c.From != nil {
		name += " < " + channelText(c.From)
	}
	return name
}

// Status tells how the card does. It is safe for concurrent use.
func (c *Card) Status() CardStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Run implements [Port].
func (c *Card) Run(ctx context.Context, d Device) error {
	if err := d.check(c, c.From, c.To); err != nil {
		return err
	}
	name, err := parseCardName(c.Device)
	if err != nil {
		return invalid(c, "%v", err)
	}
	latency := c.Latency
	if latency == 0 {
		latency = DefaultLatency
	}
	rings := int64(min(d.Capture.Samples(), d.Playback.Samples()))
	if latency < minLatency || latency > maxLatency || d.samples(latency) > rings/8 {
		return invalid(c, "the latency has to be from %v to %v, and at most the %d samples there is room for", minLatency, maxLatency, rings/8)
	}
	os := c.sound
	if os == nil {
		os = alsaCards{}
	}
	var sides sync.WaitGroup
	defer sides.Wait()
	for _, capture := range []bool{true, false} {
		s := &side{card: c, d: &d, name: name, capture: capture, latency: latency, channels: c.From, status: &c.status.Playback}
		if capture {
			s.channels, s.status = c.To, &c.status.Capture
		}
		if len(s.channels) > 0 {
			sides.Go(func() { s.run(ctx, os) })
		}
	}
	return nil
}

// side is one direction of a card.
type side struct {
	card     *Card
	d        *Device
	name     cardName
	capture  bool
	latency  time.Duration
	channels []int
	status   *DirectionStatus
	// servo is kept while the card is away, because its crystal will be the same.
	servo servo
}

// run uses the card whenever it is there.
func (s *side) run(ctx context.Context, os sound) {
	if s.d.Thread != nil {
		s.d.Thread()
	}
	s.servo.rate = float64(s.d.Rate)
	want := shape{rate: s.d.Rate, channels: len(s.channels), buffer: int(4 * (s.d.samples(s.latency) + halfTaps))}
	s.d.persist(ctx, s.card, func(works func()) error {
		stream, err := os.open(s.name, s.capture, want)
		if err != nil {
			return err
		}
		defer stream.close()
		works()
		return s.serve(ctx, stream)
	})
}

// serve moves audio until ctx ends or the card is gone.
func (s *side) serve(ctx context.Context, stream stream) error {
	c := newConversion(s, stream)
	log := s.d.Log.With("port", s.card.Name(), "capture", s.capture)
	log.Info("sound card", "rate", c.shape.rate, "channels", c.shape.channels,
		"buffer", c.shape.buffer, "latency", time.Duration(c.latency)*time.Second/time.Duration(s.d.Rate), "steered", stream.steers(), "resampled", c.resampler != nil)
	if c.shape.channels < len(s.channels) {
		log.Warn("the card has fewer channels than there are for it", "card has", c.shape.channels, "port has", len(s.channels))
	}
	r := newRunning(s, c, log)
	s.update(func(status *DirectionStatus) { status.Resampled = c.resampler != nil })
	defer s.update(func(status *DirectionStatus) { status.Running = false })
	// Many cards move in steps of a millisecond. Seen once a millisecond, they would seem
	// to wander back and forth by a step, as slowly as the clocks differ. Seen at random
	// times, they are where they should be on the average.
	random := rand.New(rand.NewPCG(0, 0))
	for next := r.moved; ctx.Err() == nil; {
		if err := r.tick(); err != nil {
			return err
		}
		next = max(next+int64(hurried)/2+random.Int64N(int64(hurried)), s.d.local())
		s.d.sleep(next)
	}
	return nil
}

func (s *side) update(change func(*DirectionStatus)) {
	s.card.mu.Lock()
	change(s.status)
	s.card.mu.Unlock()
}
