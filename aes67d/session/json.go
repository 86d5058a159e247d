package session

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"aes67os/driver"
)

// AppendJSON appends an object of those lists of the streams that are asked for, as the
// known daemon writes it: indented, but an array of numbers on one line, as encoding/json
// cannot.
func (m *Manager) AppendJSON(b []byte, sources, sinks bool) []byte {
	var lists []list
	t := &m.texts
	t.mu.Lock()
	defer t.mu.Unlock()
	t.follow(m.current.Load())
	if sources {
		lists = append(lists, list{"sources", t.sources[:]})
	}
	if sinks {
		lists = append(lists, list{"sinks", t.sinks[:]})
	}
	return appendLists(b, "", lists...)
}

// appendDocument appends what the status file has, a [document].
func (t *texts) appendDocument(b []byte, st *state) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.follow(st)
	version := fmt.Sprintf(",\n  \"session_version\": %d", st.version)
	return appendLists(b, version, list{"sources", t.sources[:]}, list{"sinks", t.sinks[:]})
}

// texts keeps the JSON of each stream by id: pages ask for it all the time, every change
// has it written to disk, and most streams are the same as the last time.
type texts struct {
	mu      sync.Mutex
	sources [driver.MaxStreams]text
	sinks   [driver.MaxStreams]text
}

// text is the JSON of a stream, empty where there is none.
type text struct {
	// stream is what it was made of, a *source or *sink; base is where a source has its
	// address from unless it has its own.
	stream any
	base   netip.Addr
	json   []byte
}

// follow makes the texts those of a state's streams. Called with mu held.
func (t *texts) follow(st *state) {
	base := st.settings.MulticastBase[0]
	for id, s := range st.sources {
		switch had := t.sources[id]; {
		case s == nil:
			t.sources[id] = text{}
		case had.stream != s || had.base != base:
			shown := st.shown(s)
			t.sources[id] = text{s, base, shown.json()}
		}
	}
	for id, s := range st.sinks {
		switch {
		case s == nil:
			t.sinks[id] = text{}
		case t.sinks[id].stream != s:
			t.sinks[id] = text{stream: s, json: s.json()}
		}
	}
}

// list is a member of an object.
type list struct {
	name  string
	texts []text
}

// appendLists appends an object of lists, with more members after them.
func appendLists(b []byte, more string, lists ...list) []byte {
	size := len(more)
	for _, l := range lists {
		size += len(l.name) + 16
		for _, t := range l.texts {
			size += len(t.json) + len(",\n    ")
		}
	}
	b = append(slices.Grow(b, size), '{')
	for i, l := range lists {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, "\n  \""+l.name+"\": ["...)
		empty := true
		for _, t := range l.texts {
			if len(t.json) == 0 {
				continue
			}
			if !empty {
				b = append(b, ',')
			}
			empty = false
			b = append(b, "\n    "...)
			b = append(b, t.json...)
		}
		if !empty {
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
