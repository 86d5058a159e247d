package session

import (
	"bytes"
	"fmt"
	"sync"

	"aes67os/aes67d/file"
)

// saver brings states to the disk, one at a time. Calls that come while it writes share the
// next write.
type saver struct {
	mu sync.Mutex
	// done is told when a write has ended. writing tells that somebody is at it.
	done    sync.Cond
	writing bool
	// serial is that of the newest state that was to be written, and err what came of it.
	serial uint64
	err    error

	// written is the text that the file has, and room is for the next. Only who writes
	// uses them.
	written, room []byte
}

// save returns when the current state, or a later one, is on disk.
func (m *Manager) save() error {
	if m.StatusFile == "" {
		return nil
	}
	s, serial := &m.saver, m.current.Load().serial
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.serial < serial {
		if s.writing {
			s.done.Wait()
			continue
		}
		s.writing = true
		s.mu.Unlock()
		st := m.current.Load()
		err := m.write(st)
		s.mu.Lock()
		s.writing, s.serial, s.err = false, st.serial, err
		s.done.Broadcast()
	}
	return s.err
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
