package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"sync"

	"aes67os/aes67d/file"
	"aes67os/driver"
)

// saver brings states to the disk, one at a time. Calls that come while it writes wait for
// the next write, one for all of them.
type saver struct {
	mu sync.Mutex
	// next is the write that has not begun, nil if nobody waits for one.
	next *write
	// saved is the serial of the state on disk.
	saved uint64

	// disk is held by who writes; it guards what follows.
	disk    sync.Mutex
	written []byte
	// pieces are the streams as they stand in the file, sources before sinks.
	pieces [2 * driver.MaxStreams]piece
}

// write is one write of the file.
type write struct {
	done chan struct{}
	// err is there when done is closed.
	err error
}

// piece is the text of a stream. It is kept because most streams are the same in the next
// state.
type piece struct {
	// of is the stream it was made of, a *source or *sink, and base is where sources have
	// their addresses from.
	of   any
	base netip.Addr
	text []byte
}

// save returns when the current state, or a later one, is on disk.
func (m *Manager) save() error {
	if m.StatusFile == "" {
		return nil
	}
	s := &m.saver
	want := m.current.Load().serial
	s.mu.Lock()
	if s.saved >= want {
		s.mu.Unlock()
		return nil
	}
	w := s.next
	if w != nil {
		s.mu.Unlock()
		<-w.done
		return w.err
	}
	w = &write{done: make(chan struct{})}
	s.next = w
	s.mu.Unlock()

	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.Lock()
	// Whoever comes from here on may have changed what is not in this write any more.
	s.next = nil
	s.mu.Unlock()
	st := m.current.Load()
	w.err = s.write(m.StatusFile, st)
	if w.err == nil {
		s.mu.Lock()
		s.saved = st.serial
		s.mu.Unlock()
	}
	close(w.done)
	return w.err
}

// write writes the file unless it is so already.
func (s *saver) write(name string, st *state) error {
	text, err := s.encode(st)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSave, err)
	}
	if bytes.Equal(text, s.written) {
		return nil
	}
	if err := file.Replace(name, text, 0o644); err != nil {
		return fmt.Errorf("%w, they are lost when the daemon ends: %w", ErrSave, err)
	}
	s.written = text
	return nil
}

// encode makes the file's text, a [document], as json.MarshalIndent does.
func (s *saver) encode(st *state) ([]byte, error) {
	var sources, sinks [][]byte
	for id, e := range st.sources {
		if e == nil {
			continue
		}
		if err := s.pieces[id].make(e, st, func() any { return st.shown(e) }); err != nil {
			return nil, err
		}
		sources = append(sources, s.pieces[id].text)
	}
	for id, e := range st.sinks {
		if e == nil {
			continue
		}
		p := &s.pieces[driver.MaxStreams+id]
		if err := p.make(e, st, func() any { return e.Sink }); err != nil {
			return nil, err
		}
		sinks = append(sinks, p.text)
	}
	b := make([]byte, 0, len(s.written)+1<<10)
	b = append(b, "{\n  \"sources\": "...)
	b = appendList(b, sources)
	b = append(b, ",\n  \"sinks\": "...)
	b = appendList(b, sinks)
	b = append(b, ",\n  \"session_version\": "...)
	b = strconv.AppendUint(b, st.version, 10)
	return append(b, "\n}\n"...), nil
}

// make makes the text of the stream of, unless it is made already.
func (p *piece) make(of any, st *state, shown func() any) error {
	base := st.settings.MulticastBase[0]
	if p.of == of && p.base == base {
		return nil
	}
	text, err := json.MarshalIndent(shown(), "    ", "  ")
	if err != nil {
		return err
	}
	*p = piece{of, base, text}
	return nil
}

// appendList appends a JSON array.
func appendList(b []byte, elements [][]byte) []byte {
	b = append(b, '[')
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, "\n    "...)
		b = append(b, e...)
	}
	if len(elements) > 0 {
		b = append(b, "\n  "...)
	}
	return append(b, ']')
}

// saveQuietly saves where nobody waits for an answer.
func (m *Manager) saveQuietly() {
	if err := m.save(); err != nil {
		m.Log.Error("cannot save the streams", "error", err)
	}
}
