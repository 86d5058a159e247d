package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"aes67os/aes67d/file"
	"aes67os/aes67d/sdp"
)

// document is the status file: what GET /api/streams answers, and one member of ours.
type document struct {
	Sources []Source `json:"sources"`
	Sinks   []Sink   `json:"sinks"`
	// SessionVersion is the highest that an SDP of ours has had, so that it rises
	// even on a host whose clock begins in 1970 at each boot.
	SessionVersion uint64 `json:"session_version"`
}

// load returns the state that the status file has. What cannot be used is left out
// with a line in the log, and the file is kept as it was under another name.
func (m *Manager) load() *state {
	st := new(state)
	if m.StatusFile == "" {
		return st
	}
	b, err := os.ReadFile(m.StatusFile)
	if errors.Is(err, fs.ErrNotExist) {
		return st
	}
	if err != nil {
		m.Log.Error("cannot read the streams, beginning without", "error", err)
		return st
	}
	var problems []string
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		problems = append(problems, err.Error())
	}
	st.version, st.loaded = d.SessionVersion, true
	problems = append(problems, st.take(d)...)
	if len(problems) > 0 {
		aside, err := file.SetAside(m.StatusFile)
		if err != nil {
			m.Log.Error("cannot keep the damaged file of streams", "error", err)
		}
		m.Log.Error("the file of streams is damaged, what could be read of it is used",
			"file", m.StatusFile, "kept_as", aside, "problem", strings.Join(problems, "; "))
	}
	return st
}

// take puts the streams of a file into the state and tells what is wrong with others.
func (st *state) take(d document) (problems []string) {
	refuse := func(kind string, id int, err error) {
		problems = append(problems, fmt.Sprintf("%s %d: %s", kind, id, err))
	}
	for _, s := range d.Sources {
		err := s.check()
		if err == nil {
			err = add(&st.sources, newSource(s))
		}
		if err != nil {
			refuse("source", s.ID, err)
		}
	}
	for _, s := range d.Sinks {
		err := s.check()
		if err == nil {
			e := &sink{Sink: s}
			if e.description, _, err = sdp.Parse([]byte(s.SDP)); err == nil {
				err = add(&st.sinks, e)
			}
		}
		if err != nil {
			refuse("sink", s.ID, err)
		}
	}
	return problems
}

// add makes e one of all, if its place and its name are free.
func add[E any, P entry[E]](all *slots[E], e P) error {
	id, _ := e.key()
	if all[id] != nil {
		return errors.New("there are two")
	}
	if err := free(all, e); err != nil {
		return err
	}
	all[id] = e
	return nil
}
