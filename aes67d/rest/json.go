package rest

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"aes67os/aes67d/session"
)

// writer writes JSON as the known daemon does: indented, but an array of numbers on one
// line, as encoding/json cannot. It takes a third of the time, too, and lists of streams
// are what pages ask for all the time.
type writer struct {
	b     []byte
	depth int
	// first tells that nothing is before what comes next.
	first bool
}

// key begins a member, or without a name an element.
func (w *writer) key(name string) {
	if w.depth > 0 {
		if !w.first {
			w.b = append(w.b, ',')
		}
		w.line()
	}
	w.first = false
	if name != "" {
		w.b = append(w.b, '"')
		w.b = append(w.b, name...)
		w.b = append(w.b, `": `...)
	}
}

func (w *writer) line() {
	w.b = append(w.b, '\n')
	for range w.depth {
		w.b = append(w.b, "  "...)
	}
}

// open begins an object or array.
func (w *writer) open(name string, bracket byte) {
	w.key(name)
	w.b = append(w.b, bracket)
	w.depth++
	w.first = true
}

// close ends it.
func (w *writer) close(bracket byte) {
	w.depth--
	if !w.first {
		w.line()
	}
	w.b = append(w.b, bracket)
	w.first = false
}

func (w *writer) number(name string, n uint32) {
	w.key(name)
	w.b = strconv.AppendUint(w.b, uint64(n), 10)
}

func (w *writer) boolean(name string, v bool) {
	w.key(name)
	w.b = strconv.AppendBool(w.b, v)
}

func (w *writer) text(name, s string) {
	w.key(name)
	w.b = appendQuoted(w.b, s)
}

// appendQuoted appends s as a JSON string (RFC 8259 §7). A byte that is no UTF-8 becomes
// U+FFFD.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	plain := 0 // what is before is written
	for i, r := range s {
		if r >= ' ' && r != '"' && r != '\\' && r != utf8.RuneError {
			continue
		}
		b = append(b, s[plain:i]...)
		size := 1
		switch r {
		case '"', '\\':
			b = append(b, '\\', byte(r))
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		case utf8.RuneError: // in the text itself it has its three bytes
			_, size = utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		plain = i + size
	}
	b = append(b, s[plain:]...)
	return append(b, '"')
}

func (w *writer) numbers(name string, all []int) {
	w.key(name)
	w.b = append(w.b, '[')
	for i, n := range all {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, ' ')
		w.b = strconv.AppendInt(w.b, int64(n), 10)
	}
	w.b = append(w.b, " ]"...)
}

func (w *writer) source(s session.Source) {
	w.open("", '{')
	w.number("id", uint32(s.ID))
	w.boolean("enabled", s.Enabled)
	w.text("name", s.Name)
	w.text("io", s.IO)
	w.number("max_samples_per_packet", s.MaxSamplesPerPacket)
	w.text("codec", string(s.Codec))
	w.text("address", s.Address)
	w.number("ttl", uint32(s.TTL))
	w.number("payload_type", uint32(s.PayloadType))
	w.number("dscp", uint32(s.DSCP))
	w.boolean("refclk_ptp_traceable", s.RefClockTraceable)
	w.numbers("map", s.Map)
	w.close('}')
}

func (w *writer) sink(s session.Sink) {
	w.open("", '{')
	w.number("id", uint32(s.ID))
	w.text("name", s.Name)
	w.text("io", s.IO)
	w.boolean("use_sdp", s.UseSDP)
	w.text("source", s.Source)
	w.text("sdp", s.SDP)
	w.number("delay", s.Delay)
	w.boolean("ignore_refclk_gmid", s.IgnoreRefClock)
	w.numbers("map", s.Map)
	w.close('}')
}
