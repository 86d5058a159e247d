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
	// saved is the serial of the state on disk.
	saved uint64

	// disk is held by who writes; it guards the text that the file has, and room for the
	// next.
	disk          sync.Mutex
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
	w := s.next
	if w != nil {
		s.mu.Unlock()
		<-w.done
		return w.err
	}
	w = &write{done: make(chan struct{})}
	s.next = w
	s.mu.Unlock()
	defer close(w.done)

	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.Lock()
	// Whoever comes from here on may have changed what is not in this write any more.
	s.next = nil
	s.mu.Unlock()
	st := m.current.Load()
	w.err = m.write(st)
	if w.err == nil {
		s.mu.Lock()
		s.saved = st.serial
		s.mu.Unlock()
	}
	return w.err
}

// write writes the file unless it is so already. Called with m.saver.disk held.
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
