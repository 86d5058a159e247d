package sdp

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The kinds of lines that say something to a receiver of audio, in the order of RFC
// 8866 §5.
const (
	sessionOrder = "vosicta"
	mediaOrder   = "mica"
)

// secondConnection is the name of the attribute as which a c= line after the first of
// an m= line goes past the SDP library, which has room for one. No attribute that
// arrives can have a NUL in it, because there its line would end.
const secondConnection = "\x00c"

// line is a line of a description.
type line struct {
	// section is 0 for the session's own lines and n for those that follow the nth m=.
	section int
	kind    byte
	value   string
}

func (l line) String() string { return string(l.kind) + "=" + l.value }

// rank is where the line belongs in its section, negative if nowhere.
func (l line) rank() int {
	if l.section == 0 {
		return strings.IndexByte(sessionOrder, l.kind)
	}
	return strings.IndexByte(mediaOrder, l.kind)
}

// normalise returns what matters of b as a text that the SDP library accepts: the lines
// in order, those it insists on added, those about anything but RTP audio left out. The
// library was made for WebRTC and reads strictly. What is put right here are faults of
// devices and of people who type, and none of them makes a stream unplayable.
func (r *reader) normalise(b []byte) (string, error) {
	lines, err := r.split(string(b))
	if err != nil {
		return "", err
	}
	if lines, err = r.choose(lines); err != nil {
		return "", err
	}
	for _, needed := range []line{{0, 'v', "0"}, {0, 'o', noOrigin}, {0, 's', noName}, {0, 't', "0 0"}} {
		if !slices.ContainsFunc(lines, func(l line) bool { return l.section == 0 && l.kind == needed.kind }) {
			lines = append(lines, needed)
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.section, b.section), cmp.Compare(a.rank(), b.rank()))
	})
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(l.String())
		text.WriteByte('\n')
	}
	return text.String(), nil
}

// split returns the lines of a text. They may be indented, which happens to SDP pasted
// from a program, and end in any way; a NUL ends the text of some announcements.
func (r *reader) split(text string) ([]line, error) {
	var lines []line
	section := 0
	text = strings.TrimPrefix(text, "\ufeff") // the mark editors put first
	for s := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == '\n' || c == '\r' || c == 0 }) {
		s = strings.TrimSpace(s)
		switch {
		case s == "":
			continue
		case len(s) < 2 || s[1] != '=':
			r.warn(s, "passed over: it does not begin with a letter and an equals sign")
			continue
		case s[0] == 'm':
			section++
		}
		lines = append(lines, line{section, s[0], strings.TrimSpace(s[2:])})
		if len(lines) > maxLines || section > maxStreams {
			return nil, fmt.Errorf("too long: more than %d lines or %d streams", maxLines, maxStreams)
		}
	}
	return lines, nil
}

// choose returns the lines worth reading, each in a form the SDP library understands.
func (r *reader) choose(all []line) ([]line, error) {
	var lines []line
	skip := false           // the lines of this section
	seen := map[byte]bool{} // in this section
	for _, l := range all {
		if l.kind == 'm' {
			skip = false
			clear(seen)
		}
		if skip || l.rank() < 0 {
			continue
		}
		value, err := repair(l)
		if err != nil {
			skip = l.kind == 'm'
			switch {
			case l.kind == 'v':
				return nil, fmt.Errorf("%q: %w", cut(l.String()), err)
			case l.kind == 'm' && strings.HasPrefix(l.value, "audio "):
				r.refuse(l.String(), err)
			default:
				r.warn(l.String(), "passed over: %v", err)
			}
			continue
		}
		switch {
		case l.kind == 'a' || !seen[l.kind]:
			l.value = value
		case l.kind == 't':
			continue // there may be several
		case l.kind == 'c' && l.section > 0:
			l.kind, l.value = 'a', secondConnection+":"+value
		default:
			r.warn(l.String(), "passed over: there is such a line before it")
			continue
		}
		seen[l.kind] = true
		lines = append(lines, l)
	}
	return lines, nil
}

// repair returns the value of a line as the SDP library understands it, or why the line
// is of no use.
func repair(l line) (string, error) {
	f := strings.Fields(l.value)
	switch l.kind {
	case 'v':
		if l.value != "0" {
			return "", errors.New("a version of SDP other than 0")
		}
	case 'o':
		return repairOrigin(f)
	case 'c':
		if len(f) != 3 || f[0] != "IN" || f[1] != "IP4" && f[1] != "IP6" {
			return "", errors.New("not an internet address")
		}
		return strings.Join(f, " "), nil
	case 't':
		return "0 0", nil // when it is on the air does not matter, nor how that is written
	case 'm':
		return repairMedia(f)
	}
	return l.value, nil
}

// repairOrigin takes the fields of an o= line (RFC 8866 §5.2).
func repairOrigin(f []string) (string, error) {
	if len(f) < 6 || f[3] != "IN" || f[4] != "IP4" && f[4] != "IP6" {
		return "", errors.New("not a user, two numbers and an address")
	}
	for _, number := range f[1:3] {
		if _, err := strconv.ParseUint(number, 10, 64); err != nil {
			return "", fmt.Errorf("%q is not a 64-bit number", cut(number))
		}
	}
	if !printable(f[0]) {
		return "", errors.New("the user name cannot be printed")
	}
	return strings.Join(f[:6], " "), nil
}

// repairMedia takes the fields of an m= line (RFC 8866 §5.14).
func repairMedia(f []string) (string, error) {
	if len(f) < 4 {
		return "", errors.New("not a kind of media, a port, a protocol and a format")
	}
	if f[0] != "audio" {
		return "", errors.New("it is not audio")
	}
	// RTP/AVPF is RTP/AVP with more RTCP (RFC 4585). The rest is encrypted or not RTP.
	if f[2] != "RTP/AVP" && f[2] != "RTP/AVPF" {
		return "", fmt.Errorf("protocol %q is not RTP/AVP", cut(f[2]))
	}
	port, _, _ := strings.Cut(f[1], "/") // 5004/2 is two ports, of which the first is ours
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q is not a port", cut(port))
	} else if n == 0 {
		return "", errors.New("the stream is refused, for its port is 0")
	}
	f[1] = port
	return strings.Join(f, " "), nil
}
