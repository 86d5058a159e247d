package platform

import (
	"fmt"
	"strings"
	"time"
)

// result is what a test has found.
type result struct {
	findings
	trouble
	latency latency
	traffic traffic
	// unlocks is how often the media clock was locked no longer.
	unlocks int
	// frames were to be compared. interrupted tells that a user ended it before.
	frames      int64
	interrupted bool
	// period and buffer are the card's, in frames.
	period, buffer int
}

// failed tells whether anything was wrong. What was late without harm to any sample is
// wrong in the latency test only, which asks whether the buffer is large enough.
func (r *result) failed(o *options) bool {
	return r.faults() > 0 || r.shifts > 0 || !r.finished() && !r.interrupted ||
		o.latency && r.underruns+r.overruns+r.steps > 0
}

func (r *result) finished() bool { return r.begun && r.compared >= r.frames }

// text is for people: the verdict first, as the known daemon's test has it.
func (r *result) text(o *options) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	seconds := func(frames int64) string { return fmt.Sprintf("%.3f s", float64(frames)/float64(o.rate)) }
	switch {
	case r.failed(o):
		line("failed at %s", r.location(o))
	case !r.finished():
		line("interrupted after %s of %s, OK so far", seconds(r.compared), seconds(r.frames))
	default:
		line("OK")
	}
	if r.begun {
		line("compared: %d frames of %d channels, %s; %d bits of each sample of %s",
			r.compared, o.channels, seconds(r.compared), o.format.bits, o.format.name)
	}
	if r.faults() > 0 || r.shifts > 0 {
		line("wrong frames: %d silent, %d with other samples; %d missing at the beginning; %d shifts, by %+d frames in all",
			r.silent, r.altered, r.missing, r.shifts, r.shift)
	}
	if o.latency && r.latency.frames > 0 {
		l := &r.latency
		ms := func(t int64) string { return fmt.Sprintf("%.3f ms", float64(t)/1e6) }
		samples := func(t int64) int64 { return (t*int64(o.rate) + 5e8) / 1e9 }
		line("end-to-end latency: min %s, avg %s, max %s (%d, %d, %d samples)",
			ms(l.min), ms(l.average()), ms(l.max), samples(l.min), samples(l.average()), samples(l.max))
	}
	line("buffer: %d frames in periods of %d: %d underruns, %d overruns", r.buffer, r.period, r.underruns, r.overruns)
	line("media clock: jumped %d times, lost its lock %d times", r.steps, r.unlocks)
	line("packets: %s", &r.traffic)
	if r.failed(o) {
		line("%s", r.cause(o))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// location is where it failed first, and what was found there.
func (r *result) location(o *options) string {
	digits := o.format.bits / 4
	shown := func(s int32) string { return fmt.Sprintf("0x%0*x", digits, uint32(s)>>(32-o.format.bits)) }
	switch {
	case !r.begun && r.foreign:
		return "0.000 s: what was recorded is not what was played"
	case !r.begun:
		return "0.000 s: nothing but silence was recorded"
	case r.missing > 0:
		return fmt.Sprintf("0.000 s: the first %d frames are missing", r.missing)
	case r.faults() > 0 || r.shifts > 0:
		f := r.first
		got := shown(f.got)
		if f.got == 0 {
			got = "silence"
		}
		return fmt.Sprintf("%.6f s (frame %d, channel %d): %s where %s was played",
			float64(f.frame)/float64(o.rate), f.frame, f.channel+1, got, shown(f.want))
	case !r.finished():
		return fmt.Sprintf("%.3f s: the sound card was too often interrupted to go on", float64(r.compared)/float64(o.rate))
	}
	return "no sample, but the buffer is too small"
}

// cause says what is likely to have been wrong, and what to do.
func (r *result) cause(o *options) string {
	t := &r.traffic
	switch {
	case r.steps > 0 || r.unlocks > 0:
		return "the media clock was not steady: let nobody else be the PTP master while this runs, or use another -interface"
	case r.underruns+r.overruns > 0 && o.latency:
		return "this program was run too late: end what else runs, give it the right to real-time priority, or use more -frames"
	case t.unsent > 0:
		return "packets were not sent: the host is overloaded, use fewer -channels or a lower -rate"
	case r.underruns+r.overruns > 0:
		return "this program was run too late for its 80 ms of buffer: the host is overloaded, or the program may not have real-time priority"
	case t.late > 0 || !t.counted && t.timestamp:
		return "packets arrived too late: use a longer -delay, or end what else runs"
	case t.lost > 0 || !t.counted && t.sequence:
		return "packets were lost on the way: the host is overloaded, or the network is"
	case r.altered > 0 || r.foreign:
		return "samples were changed on the way: does another talker, or another driver, use the same streams or channels?"
	case !r.begun:
		return "no packets arrive: is there a firewall for UDP, or is aes67d running?"
	}
	return "the cause is not known: see the log"
}

// String implements fmt.Stringer.
func (t *traffic) String() string {
	if t.counted {
		return fmt.Sprintf("%d not sent, %d lost, %d too late or early, %d foreign; sent at most %s late, received at least %s before they were needed",
			t.unsent, t.lost, t.late, t.foreign, t.lateness.Round(time.Microsecond), t.margin.Round(time.Microsecond))
	}
	yes := map[bool]string{true: "some", false: "none"}
	return fmt.Sprintf("%s missing or out of order, %s too late or early", yes[t.sequence], yes[t.timestamp])
}
