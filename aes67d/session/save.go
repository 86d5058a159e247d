package session

import (
	"bytes"
	"fmt"
	"sync"

	"aes67os/aes67d/file"
)

// saver brings states to the disk, one at a time. Calls that come while it writes wait for
// the next write, one for all of them.
type saver struct {
	mu sync.Mutex
	// next is the write that has not begun, nil if nobody waits for one.
	next *write
	// writing tells that somebody writes, who will look at next in the end.
	writing bool
	// saved is the serial of the state on disk.
	saved uint64

	// written is the text that the file has, and room is for the next. Only who writes
	// uses them.
	written, room []byte
}

// write is one write of the file.
type write struct {
	done chan struct{}
	// err is there when done is closed.
	err error
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
	if s.next == nil {
		s.next = &write{done: make(chan struct{})}
	}
	w := s.next
	if !s.writing {
		s.writing = true
		go m.writeAll()
	}
	s.mu.Unlock()
	<-w.done
	return w.err
}

// writeAll writes as long as somebody waits for it. None of those who wait does it,
// because it would have to write for others before it can answer.
func (m *Manager) writeAll() {
	s := &m.saver
	for {
		s.mu.Lock()
		w := s.next
		s.next = nil // from here on others may have changed what is not in this write
		s.writing = w != nil
		s.mu.Unlock()
		if w == nil {
			return
		}
		st := m.current.Load()
		if w.err = m.write(st); w.err == nil {
			s.mu.Lock()
			s.saved = st.serial
			s.mu.Unlock()
		}
		close(w.done)
	}
}

// write writes the file unless it is so already.
func (m *Manager) write(st *state) error {
	s := &m.saver
	s.room = m.texts.appendDocument(s.room[:0], st)
	if bytes.Equal(s.room, s.written) {
		return nil
	}
	if err := file.Replace(m.StatusFile, s.room, 0o644); err != nil {
		return fmt.Errorf("%w, they are lost when the daemon ends: %w", ErrSave, err)
	}
	s.written, s.room = s.room, s.written
	return nil
}

// saveQuietly saves where nobody waits for an answer.
func (m *Manager) saveQuietly() {
	if err := m.save(); err != nil {
		m.Log.Error("cannot save the streams", "error", err)
	}
}
