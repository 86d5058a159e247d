package sdp

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// packetTime returns the duration of a packet in ms as SDP has it: as many digits as
// it takes, at most 12 after the point.
func packetTime(samples, rate uint32) string {
	s := strconv.FormatFloat(float64(samples)*1000/float64(rate), 'f', 12, 64)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// samplesPerPacket reads the framecount (RAVENNA), ptime and maxptime attributes.
// framecount counts samples and cannot be rounded wrongly, so it goes before ptime. A range
// is what the talker could send; ptime then tells what it does send, and without it the
// upper end is what a receiver must be ready for.
func (r *reader) samplesPerPacket(s Stream, framecounts, ptimes, maxptimes []string) uint32 {
	var fromTime uint32
	for _, named := range []struct {
		name   string
		values []string
	}{{"ptime", ptimes}, {"maxptime", maxptimes}} {
		for _, value := range named.values {
			n, err := parsePacketTime(value, s.SampleRate)
			if err != nil {
				r.warn("a="+named.name+":"+value, "%v", err)
			} else if fromTime == 0 {
				fromTime = n
			}
		}
	}
	samples := fromTime
	for _, value := range framecounts {
		least, most, err := parseFrameCount(value)
		if err != nil {
			r.warn("a=framecount:"+value, "%v", err)
			continue
		}
		if fromTime < least || fromTime > most {
			if fromTime != 0 {
				r.warn("a=framecount:"+value, "does not agree with the packet time, which makes %d samples", fromTime)
			}
			samples = most
		}
		break
	}
	if samples > s.mostSamples() {
		r.warn("a=ptime", "%d samples of %d channels do not fit into a packet, so the packet time is taken for unknown", samples, s.Channels)
		return 0
	}
	return samples
}

// parseFrameCount reads "48", "64-192" or "6,12,48".
func parseFrameCount(value string) (least, most uint32, err error) {
	for field := range strings.FieldsFuncSeq(value, func(c rune) bool { return strings.ContainsRune("-, ", c) }) {
		n, err := strconv.ParseUint(field, 10, 32)
		if err != nil || n == 0 {
			return 0, 0, fmt.Errorf("%q is not a number of samples", field)
		}
		if most == 0 || uint32(n) < least {
			least = uint32(n)
		}
		most = max(most, uint32(n))
	}
	if most == 0 {
		return 0, 0, errors.New("no number of samples")
	}
	return least, most, nil
}

// parsePacketTime returns how many samples a packet time in ms is at a sample rate.
//
// AES67-2018 §7.2.1 has packet times that decimals cannot say exactly, and talkers write
// 0.33, 0.12 or 1.09, and 1 for 48 samples at 44.1 kHz. Such a value is one of the usual
// times if it differs from it by less than one in its last digit and by less than a
// quarter, and else the nearest number of samples.
func parsePacketTime(value string, rate uint32) (uint32, error) {
	ms, unit, err := parseDecimal(value)
	if err != nil {
		return 0, err
	}
	exact := ms * float64(rate) / 1000
	samples := math.Round(exact)
	if math.Abs(exact-samples) > 0.001 {
		nearest := min(unit, ms/4)
		for _, n := range usualSamples(rate) {
			if d := math.Abs(ms - n*1000/float64(rate)); d < nearest {
				nearest, samples = d, n
			}
		}
	}
	if samples < 1 || samples > math.MaxUint32 {
		return 0, errors.New("not the time of one or more samples")
	}
	return uint32(samples), nil
}

// usualSamples are the numbers of samples which 125 µs, 250 µs, 1/3 ms, 1 ms and 4 ms
// (AES67-2018 §7.2.1), and 2 ms, are at a rate. At 44.1 kHz and its multiples they are
// those of 48 kHz, so the times are longer.
func usualSamples(rate uint32) []float64 {
	base := uint32(48000)
	if rate%11025 == 0 {
		base = 44100
	}
	var samples []float64
	for _, n := range []uint32{6, 12, 16, 48, 96, 192} {
		if n*rate%base == 0 {
			samples = append(samples, float64(n*rate/base))
		}
	}
	return samples
}

// parseDecimal reads a positive number and the worth of one in its last digit. Some
// talkers put a comma for the point.
func parseDecimal(value string) (n, unit float64, err error) {
	digits := strings.Replace(value, ",", ".", 1)
	whole, fraction, _ := strings.Cut(digits, ".")
	if strings.Trim(whole+fraction, "0123456789") != "" || len(digits) > 32 {
		return 0, 0, errors.New("not a time in ms")
	}
	n, err = strconv.ParseFloat(digits, 64)
	if err != nil || n <= 0 {
		return 0, 0, errors.New("not a time in ms")
	}
	return n, math.Pow10(-len(fraction)), nil
}
