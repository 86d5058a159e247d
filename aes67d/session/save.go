package session

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"

	"aes67os/aes67d/file"
)

// saver brings states to the disk, one at a time. Calls that come while it writes wait for
// the next write, one for all of them.
type saver struct {
	mu sync.Mutex
	// next is the write that has not begun, nil if none is wanted.
	next *write
	// running is the write that has, of the state with this serial; nil if there is none.
	running *write
	serial  uint64
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
	w := m.beginSave(m.current.Load().serial)
	if w == nil {
		return nil
	}
	<-w.done
	return w.err
}

// beginSave returns the write that brings the state with this serial, which is or was the
// current one, to the disk; nil if it is there, or is not to be.
func (m *Manager) beginSave(serial uint64) *write {
	if m.StatusFile == "" {
		return nil
	}
	s := &m.saver
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.saved >= serial:
		return nil
	case s.running != nil && s.serial >= serial:
		return s.running
	}
	if s.next == nil {
		s.next = &write{done: make(chan struct{})}
	}
	if !s.writing {
		s.writing = true
		go m.writeAll()
	}
	return s.next
}

// writeAll writes as long as that is wanted. None of those who wait does it, because it
// would have to write for others before it can answer.
func (m *Manager) writeAll() {
	s := &m.saver
	for {
		runtime.Gosched() // whoever is about to change something comes into the same write
		s.mu.Lock()
		w := s.next
		if w == nil {
			s.writing = false
			s.mu.Unlock()
			return
		}
		st := m.current.Load()
		s.next, s.running, s.serial = nil, w, st.serial
		s.mu.Unlock()

		w.err = m.write(st)

		s.mu.Lock()
		s.running = nil
		if w.err == nil {
			s.saved = st.serial
		}
		s.mu.Unlock()
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
