package port

// conversion is between a card's stream and positions: samples of all channels one after
// another on one side, each channel's by itself on the other, and at another rate if need be.
type conversion struct {
	stream
	d     *Device
	shape shape
	// maps has the device's channel for each of the card's that are used.
	maps []int
	// latency is in positions.
	latency int64
	// resampler is nil where the card's rate is, or is made, the device's.
	resampler *resampler
	// correction is by how much the card is to seem faster.
	correction float64
	// card has samples at the card's rate, device at the device's.
	card, device [][]int32
}

func newConversion(s *side, stream stream) *conversion {
	shape := stream.shape()
	c := &conversion{stream: stream, d: s.d, shape: shape, latency: s.d.samples(s.latency)}
	c.maps = s.channels[:min(len(s.channels), shape.channels)]
	in, out := s.d.Rate, shape.rate
	if s.capture {
		in, out = out, in
	}
	if in != out || !stream.steers() {
		c.resampler = newResampler(len(c.maps), largest, in, out)
		// What the resampler takes of the latency must leave some of it.
		delay := int64(c.resampler.half) * int64(s.d.Rate) / int64(in)
		c.latency = max(c.latency, delay+s.d.samples(minLatency))
	}
	if !stream.steers() {
		c.correction = s.servo.integral
	}
	// A card with a small buffer cannot have more latency than that.
	c.latency = min(c.latency, int64(shape.buffer)*int64(s.d.Rate)/int64(shape.rate)/2)
	room := largest
	if in < out {
		room = int(uint64(room)*uint64(out)/uint64(in)) + 1
	}
	room += room/100 + 2 // for a correction
	c.card, c.device = planes(len(c.maps), room), planes(len(c.maps), room)
	return c
}

func planes(channels, samples int) [][]int32 {
	p := make([][]int32, channels)
	for i := range p {
		p[i] = make([]int32, samples)
	}
	return p
}

// positions is how many positions a frame of the card lasts.
func (c *conversion) positions() float64 {
	return float64(c.d.Rate) / float64(c.shape.rate) * (1 + c.correction)
}

// fetch reads frames from the card.
func (c *conversion) fetch(frames int) error {
	if err := c.read(frames); err != nil {
		return err
	}
	size := c.shape.format.size()
	for i := range c.maps {
		c.shape.format.get(c.memory()[i*size:], c.shape.channels*size, c.card[i][:frames])
	}
	return nil
}

// deliver writes frames to the card. Channels of the card that are not used stay silent.
func (c *conversion) deliver(planes [][]int32, from, frames int) error {
	size := c.shape.format.size()
	for i := range c.maps {
		c.shape.format.put(c.memory()[i*size:], c.shape.channels*size, planes[i][from:from+frames])
	}
	return c.write(frames)
}
