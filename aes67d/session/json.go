package session

import (
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"unicode/utf8"

	"aes67os/driver"
)

// JSON writes lists of streams as the known daemon does: indented, but an array of numbers
// on one line, as encoding/json cannot. A list that is nil is left out.
func JSON(sources []Source, sinks []Sink) []byte {
	var sourceTexts, sinkTexts [][]byte
	if sources != nil {
		sourceTexts = make([][]byte, 0, len(sources))
	}
	if sinks != nil {
		sinkTexts = make([][]byte, 0, len(sinks))
	}
	for i := range sources {
		sourceTexts = append(sourceTexts, sources[i].json())
	}
	for i := range sinks {
		sinkTexts = append(sinkTexts, sinks[i].json())
	}
	return join(sourceTexts, sinkTexts, "")
}

// JSON is [JSON] of those lists of streams that are asked for.
func (m *Manager) JSON(sources, sinks bool) []byte {
	sourceTexts, sinkTexts := m.texts.of(m.current.Load())
	if !sources {
		sourceTexts = nil
	}
	if !sinks {
		sinkTexts = nil
	}
	return join(sourceTexts, sinkTexts, "")
}

// texts keeps the JSON of each stream: pages ask for it all the time, every change has it
// written to disk, and most streams are the same as the last time.
type texts struct {
	mu      sync.Mutex
	sources [driver.MaxStreams]text
	sinks   [driver.MaxStreams]text
}

// text is the JSON of a stream.
type text struct {
	// stream is what it was made of, a *source or *sink; base is where a source has its
	// address from unless it has its own.
	stream any
	base   netip.Addr
	json   []byte
}

// of returns the JSON of the state's streams. Nobody may change it.
func (t *texts) of(st *state) (sources, sinks [][]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sources, sinks = make([][]byte, 0, len(st.sources)), make([][]byte, 0, len(st.sinks))
	base := st.settings.MulticastBase[0]
	for id, s := range st.sources {
		if s == nil {
			continue
		}
		if had := t.sources[id]; had.stream != s || had.base != base {
			shown := st.shown(s)
			t.sources[id] = text{s, base, shown.json()}
		}
		sources = append(sources, t.sources[id].json)
	}
	for id, s := range st.sinks {
		if s == nil {
			continue
		}
		if t.sinks[id].stream != s {
			t.sinks[id] = text{stream: s, json: s.json()}
		}
		sinks = append(sinks, t.sinks[id].json)
	}
	return sources, sinks
}

// join makes the lists one object, with more members after them.
func join(sources, sinks [][]byte, more string) []byte {
	size := len(more) + 64
	for _, list := range [][][]byte{sources, sinks} {
		for _, element := range list {
			size += len(element) + len(",\n    ")
		}
	}
	b := append(make([]byte, 0, size), '{')
	for _, list := range []struct {
		name     string
		elements [][]byte
	}{{"sources", sources}, {"sinks", sinks}} {
		if list.elements == nil {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, "\n  \""+list.name+"\": ["...)
		for i, element := range list.elements {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, "\n    "...)
			b = append(b, element...)
		}
		if len(list.elements) > 0 {
			b = append(b, "\n  "...)
		}
		b = append(b, ']')
	}
	b = append(b, more...)
	return append(b, "\n}\n"...)
}

func (s *Source) json() []byte {
	w := make(writer, 0, 512)
	w = w.number("id", uint32(s.ID))
	w = w.boolean("enabled", s.Enabled)
	w = w.text("name", s.Name)
	w = w.text("io", s.IO)
	w = w.number("max_samples_per_packet", s.MaxSamplesPerPacket)
	w = w.text("codec", string(s.Codec))
	w = w.text("address", s.Address)
	w = w.number("ttl", uint32(s.TTL))
	w = w.number("payload_type", uint32(s.PayloadType))
	w = w.number("dscp", uint32(s.DSCP))
	w = w.boolean("refclk_ptp_traceable", s.RefClockTraceable)
	return w.end("map", s.Map)
}

func (s *Sink) json() []byte {
	w := make(writer, 0, 512+len(s.SDP))
	w = w.number("id", uint32(s.ID))
	w = w.text("name", s.Name)
	w = w.text("io", s.IO)
	w = w.boolean("use_sdp", s.UseSDP)
	w = w.text("source", s.Source)
	w = w.text("sdp", s.SDP)
	w = w.number("delay", s.Delay)
	w = w.boolean("ignore_refclk_gmid", s.IgnoreRefClock)
	return w.end("map", s.Map)
}

// writer is the text of a stream in the making, indented for its place in a list.
type writer []byte

func (w writer) key(name string) writer {
	opening := ","
	if len(w) == 0 {
		opening = "{"
	}
	return append(w, opening+"\n      \""+name+"\": "...)
}

func (w writer) number(name string, n uint32) writer {
	return strconv.AppendUint(w.key(name), uint64(n), 10)
}

func (w writer) boolean(name string, v bool) writer {
	return strconv.AppendBool(w.key(name), v)
}

func (w writer) text(name, s string) writer { return appendQuoted(w.key(name), s) }

// end writes the last member.
func (w writer) end(name string, all []int) []byte {
	w = append(w.key(name), '[')
	for i, n := range all {
		if i > 0 {
			w = append(w, ',')
		}
		w = strconv.AppendInt(append(w, ' '), int64(n), 10)
	}
	return append(w, " ]\n    }"...)
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
