package sdp

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	pion "github.com/pion/sdp/v3"

	"aes67os/driver"
)

// ptp2008 is the version of PTP that AES67 has (RFC 7273 §4.8).
const ptp2008 = "IEEE1588-2008"

// domain is the clock-domain line.
func (c Clock) domain() []pion.Attribute {
	if !c.HasDomain {
		return nil
	}
	return []pion.Attribute{pion.NewAttribute("clock-domain", fmt.Sprintf("PTPv2 %d", c.Domain))}
}

// reference is the ts-refclk line. A talker whose clock has no master says so by an
// identity of zeros, as the known daemon does: its listeners then see at once that
// their clock is another one.
func (c Clock) reference() []pion.Attribute {
	if c == (Clock{}) {
		return nil
	}
	value := "ptp=" + ptp2008 + ":"
	switch {
	case c.Traceable:
		value += "traceable"
	case c.HasDomain:
		value += fmt.Sprintf("%s:%d", c.Grandmaster, c.Domain)
	default:
		value += c.Grandmaster.String()
	}
	return []pion.Attribute{pion.NewAttribute("ts-refclk", value)}
}

// clock reads the ts-refclk and clock-domain attributes. A talker may name several
// clocks (RFC 7273 §4.8): the one that can be compared with ours counts most, which is
// a grandmaster, then "traceable".
func (r *reader) clock(refclks, domains []string) Clock {
	var best Clock
	for _, value := range refclks {
		c, err := parseClock(value)
		if err != nil {
			r.warn("a=ts-refclk:"+value, "%v", err)
			continue
		}
		if c.weight() > best.weight() {
			best = c
		}
	}
	for _, value := range domains {
		if best.HasDomain {
			break
		}
		name, number, _ := strings.Cut(value, " ")
		domain, err := strconv.ParseUint(strings.TrimSpace(number), 10, 8)
		if name != "PTPv2" || err != nil {
			r.warn("a=clock-domain:"+value, "not a domain of PTPv2")
			continue
		}
		best.Domain, best.HasDomain = uint8(domain), true
	}
	return best
}

func (c Clock) weight() int {
	switch {
	case c.Grandmaster != driver.ClockID{}:
		return 3
	case c.Traceable:
		return 2
	case c.HasDomain:
		return 1
	}
	return 0
}

// parseClock reads the value of a ts-refclk attribute. One that is not PTP is an error
// which says what timestamps will not be in step with.
func parseClock(value string) (Clock, error) {
	rest, isPTP := strings.CutPrefix(value, "ptp=")
	if !isPTP && !strings.HasPrefix(value, "IEEE1588-") { // as Q-SYS has it
		return Clock{}, errors.New("the clock is not PTP, so the stream may drift")
	}
	_, server, versioned := strings.Cut(rest, ":")
	switch {
	case !versioned && rest == "traceable":
		// Illegal, but it was in the first edition of SMPTE ST 2110-10 and in what the
		// known daemon wrote for long.
		return Clock{Traceable: true}, nil
	case server == "traceable":
		return Clock{Traceable: true}, nil
	}
	id, domain, err := parseClockID(server)
	if err != nil {
		return Clock{}, err
	}
	c := Clock{Grandmaster: id}
	if domain == "" || strings.HasPrefix(domain, "domain-name=") {
		return c, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(domain, "domain-nmbr="), 10, 8)
	if err != nil {
		return Clock{}, fmt.Errorf("PTP domain %q is not a number from 0 to 255", domain)
	}
	c.Domain, c.HasDomain = uint8(n), true
	return c, nil
}

// parseClockID splits "identity:domain". The identity's bytes are separated by hyphens
// (RFC 7273 §4.8); talkers in the field use colons, or nothing, and either case.
func parseClockID(s string) (id driver.ClockID, domain string, err error) {
	digits, domain, _ := strings.Cut(s, ":")
	if parts := strings.SplitN(s, ":", 9); len(digits) == 2 && len(parts) >= 8 {
		digits, domain = strings.Join(parts[:8], ""), strings.Join(parts[8:], "")
	}
	digits = strings.ReplaceAll(digits, "-", "")
	if n, err := hex.Decode(id[:], []byte(digits[:min(len(digits), 2*len(id))])); err != nil || n != len(id) || len(digits) != 2*len(id) {
		return driver.ClockID{}, "", fmt.Errorf("%q does not begin with a clock identity of 8 bytes", s)
	}
	return id, domain, nil
}
