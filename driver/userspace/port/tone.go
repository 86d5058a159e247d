package port

import (
	"context"
	"math"
	"strconv"

	"aes67os/driver"
)

// Tone is a sine. What it has at a position follows from the position alone.
type Tone struct {
	// Frequency is in Hz, and is taken to the nearest thousandth of one.
	Frequency float64
	// Level is in dBFS (AES17: a sine of 0 dBFS reaches full scale), at most 0.
	Level float64
	// To are the device's playback channels, from 0.
	To []int
}

// Name implements [Port].
func (t Tone) Name() string {
	return "tone " + number(t.Frequency) + "Hz " + number(t.Level) + "dB > " + channelText(t.To)
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// Run implements [Port].
func (t Tone) Run(ctx context.Context, d Device) error {
	if err := d.check(t, nil, t.To); err != nil {
		return err
	}
	if !(t.Frequency > 0 && t.Frequency <= float64(d.Rate)/2) {
		return invalid(t, "the frequency has to be above 0 and at most half the sample rate, which is %d Hz", d.Rate)
	}
	if !(t.Level <= 0) {
		return invalid(t, "the level has to be at most 0 dBFS")
	}
	samples := make([]int32, stretch)
	return d.generate(ctx, func(from, to int64) error {
		s := samples[:to-from]
		t.fill(s, from, d.Rate)
		for _, c := range t.To {
			if c != driver.Unmapped {
				d.Playback.Write(c, from, s)
			}
		}
		return nil
	})
}

// fill gets the samples from a position on. Phases are whole numbers: the positions of
// our days times a frequency have more digits than a float64.
func (t Tone) fill(samples []int32, position int64, rate uint32) {
	step, turn := int64(math.Round(t.Frequency*1000)), int64(rate)*1000
	amplitude := math.Pow(10, t.Level/20) * math.MaxInt32
	phase := position % turn * step % turn
	for i := range samples {
		samples[i] = int32(math.Round(amplitude * math.Sin(2*math.Pi*float64(phase)/float64(turn))))
		phase = (phase + step) % turn
	}
}
