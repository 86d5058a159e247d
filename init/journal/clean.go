package journal

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLine is the longest text of an entry in bytes, the mark of a cut included.
const MaxLine = 4096

const cutMark = " [cut]"

// Clean makes one line out of text that anybody may have written: valid UTF-8
// without terminal sequences, control characters or marks that reverse the
// direction of writing, no space at its ends, and no longer than MaxLine bytes.
func Clean(text string) string {
	var b strings.Builder
	for text != "" {
		if n := escapeSequence(text); n > 0 {
			text = text[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		text = text[n:]
		switch {
		case unicode.IsSpace(r): // tabs, and newlines inside a message
			r = ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	line := strings.TrimSpace(b.String())
	if len(line) <= MaxLine {
		return line
	}
	end := MaxLine - len(cutMark)
	for !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end] + cutMark
}

// escapeSequence returns the length of the terminal control sequence that s
// begins with (ECMA-48 §5.4: ESC [, parameters, a final byte), or 0.
func escapeSequence(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0x40 && c <= 0x7e:
			return i + 1
		case c < 0x20 || c > 0x7e:
			return i
		}
	}
	return len(s)
}
