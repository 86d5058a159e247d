package platform

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"aes67os/driver"
)

// The limits of the known daemon's tests, but for the duration.
const (
	minChannels, maxChannels = 2, driver.MaxChannels
	minDuration, maxDuration = time.Second, 24 * time.Hour
)

var (
	rates = []uint32{44100, 48000, 88200, 96000, 176400, 192000, 352800, 384000}
	// packets are the numbers of samples in a packet.
	packets = []int{6, 12, 16, 48, 96, 192}
)

// The buffer of the latency test, in frames: two of the smallest packets, and what fits
// into an eighth of the userspace driver's rings, which is how far a port may be ahead.
const minFrames, maxFrames = 12, 8192

// options are what the command line says.
type options struct {
	latency  bool
	format   format
	rate     uint32
	channels int
	duration time.Duration
	// frames is the size of the buffer of the latency test, which is two periods.
	frames int
	// packet is the number of samples in a packet, per channel.
	packet int
	// delay is the sinks' playout delay in samples, 0 for what suits the test.
	delay int
	// driver is auto, userspace or ravenna.
	driver string
	// network is the name of the interface.
	network string
}

const usage = `usage: aes67d test compat|latency [flags]

compat   plays and records, and compares every sample
latency  the same with a small buffer, and measures the time from playing to recording

`

// parse reads the command line. If that asks for help, it is returned.
func parse(arguments []string) (o options, help string, err error) {
	set := flag.NewFlagSet("test", flag.ContinueOnError)
	var text bytes.Buffer
	set.SetOutput(&text)
	set.Usage = func() {
		text.WriteString(usage)
		set.PrintDefaults()
	}
	name, rest := "", arguments
	if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		name, rest = rest[0], rest[1:]
	}
	o.latency = name == "latency"
	duration := 5 * time.Minute
	if o.latency {
		duration = time.Minute
	}
	format := set.String("format", "S24_3LE", "sample `format`: "+strings.Join(formatNames(), ", "))
	rate := set.Uint("rate", 48000, "sample rate in `Hz`: "+list(rates))
	set.IntVar(&o.channels, "channels", 2, fmt.Sprintf("`number` of channels, %d to %d", minChannels, maxChannels))
	set.DurationVar(&o.duration, "duration", duration, "how `long`, such as 60s or 5m")
	set.IntVar(&o.packet, "packet", 48, "`samples` in a packet: "+list(packets))
	set.IntVar(&o.delay, "delay", 0, "the sinks' playout delay, in `samples` (default: what suits the test)")
	set.StringVar(&o.driver, "driver", "auto", "audio `driver`: ravenna (the kernel module), userspace, or auto (ravenna if it is loaded, else userspace)")
	set.StringVar(&o.network, "interface", "lo", "network `interface`")
	if o.latency {
		set.IntVar(&o.frames, "frames", 96, fmt.Sprintf("size of the buffer, two periods, in `frames`: even, %d to %d", minFrames, maxFrames))
	}
	switch err := set.Parse(rest); {
	case errors.Is(err, flag.ErrHelp):
		return o, text.String(), nil
	case err != nil:
		return o, "", err
	case name != "compat" && name != "latency":
		return o, "", fmt.Errorf("there is no test %q, only compat and latency", name)
	case set.NArg() > 0:
		return o, "", fmt.Errorf("%q is no flag", set.Arg(0))
	}
	var known bool
	if o.format, known = formats[*format]; !known {
		return o, "", fmt.Errorf("-format can be %s, not %s", strings.Join(formatNames(), ", "), *format)
	}
	if o.rate = uint32(*rate); uint(o.rate) != *rate || !slices.Contains(rates, o.rate) {
		return o, "", fmt.Errorf("-rate can be %s, not %d", list(rates), *rate)
	}
	return o, "", o.check()
}

// check tells what is out of range.
func (o *options) check() error {
	switch {
	case o.channels < minChannels || o.channels > maxChannels:
		return fmt.Errorf("-channels can be %d to %d, not %d", minChannels, maxChannels, o.channels)
	case o.duration < minDuration || o.duration > maxDuration:
		return fmt.Errorf("-duration can be %s to %s, not %s", minDuration, maxDuration, o.duration)
	case !slices.Contains(packets, o.packet):
		return fmt.Errorf("-packet can be %s, not %d", list(packets), o.packet)
	case o.latency && (o.frames < minFrames || o.frames > maxFrames || o.frames%2 != 0):
		return fmt.Errorf("-frames can be even numbers from %d to %d, not %d", minFrames, maxFrames, o.frames)
	case o.delay != 0 && (o.delay < o.packet || o.delay > int(o.rate)/2):
		return fmt.Errorf("-delay can be %d, a packet, to %d, half a second, not %d", o.packet, o.rate/2, o.delay)
	case !slices.Contains([]string{"auto", "userspace", "ravenna"}, o.driver):
		return fmt.Errorf("-driver can be auto, userspace or ravenna, not %s", o.driver)
	}
	return nil
}

// scale is how many times the rate is 44.1 or 48 kHz.
func (o *options) scale() int { return int(o.rate / 44100) }

// buffering is the size of a period, and of the buffer, in frames. Players have larger
// buffers than these 10 and 80 ms; more of them would hide more, but not on the network.
func (o *options) buffering() (period, buffer int) {
	if o.latency {
		return o.frames / 2, o.frames
	}
	period = 480 * o.scale()
	return period, 8 * period
}

// playoutDelay is the delay in samples of the sinks for a driver. Of the kernel module it is
// what the known daemon's tests have. Otherwise a packet arrives when its last sample's time
// has come and somewhat later; for the latency test, 1 ms later.
func (o *options) playoutDelay(driver string) int {
	switch {
	case o.delay != 0:
		return o.delay
	case driver == ravennaName:
		return 576
	case o.latency:
		return o.packet + int(o.rate+999)/1000
	}
	return 576 * o.scale()
}

// list is numbers with commas between.
func list[T any](numbers []T) string {
	return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(numbers), "[]")), ", ")
}
