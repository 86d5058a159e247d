package mdns

import (
	"fmt"
	"strings"
)

// Names and strings are kept in presentation form (RFC 1035 §5.1), as the DNS library
// has them. It is ASCII: all other bytes are escaped.

// sameName compares names. Letters of either case are the same in ASCII only (RFC
// 6762 §16).
func sameName(a, b string) bool { return strings.EqualFold(a, b) }

// maxLabel is the length of a label in bytes (RFC 1035 §2.3.4).
const maxLabel = 63

// escapeLabel returns s as one label of a name.
func escapeLabel(s string) string { return escape(s, `. '@;()"\`) }

// escape puts s into the very presentation form in which the DNS library returns
// what it reads, so that ours and theirs can be compared.
func escape(s, special string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case strings.IndexByte(special, c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}

// unescape returns the bytes that s, in presentation form, stands for.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if n, ok := decimal(s[i:]); ok {
			b.WriteByte(n)
			i += 2
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// decimal reads the three digits of an escaped byte.
func decimal(s string) (n byte, ok bool) {
	if len(s) < 3 {
		return 0, false
	}
	sum := 0
	for _, c := range []byte(s[:3]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		sum = 10*sum + int(c-'0')
	}
	return byte(sum), sum <= 255
}

// cutLabel splits a name after its first label; neither has the dot between them.
func cutLabel(name string) (label, rest string) {
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '\\':
			i++ // what is escaped is no dot between labels
		case '.':
			return name[:i], name[i+1:]
		}
	}
	return name, ""
}
