package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"aes67os/aes67d/file"
	"aes67os/aes67d/lenient"
)

// Store is the configuration in force and the file it is kept in. Its methods are safe
// for concurrent use.
type Store struct {
	name string
	// unknown are the members of the file that are none of ours.
	unknown []lenient.Member
	// unread is why the file, which is there, could not be read. Then it is not written
	// either: it may have all that its owner has ever set up.
	unread error

	// updating is held through an Update, which waits for the disk. Get does not.
	updating sync.Mutex

	mu     sync.Mutex
	config Config
}

// Open reads the configuration in the file of that name, and never fails for what is or
// is not in it: without a file the defaults hold; a damaged file is set aside, so that it
// is there to be looked at, and the defaults hold, all of them, because half of a damaged
// file would be a system nobody has set up. The log tells. Nothing is written before the
// first [Store.Update].
//
// The defaults are those in the file of that name, which is never written; empty stands
// for the built-in ones.
//
// A name that is something else than a file, such as a directory, is an error.
func Open(name, defaults string, log *slog.Logger) (*Store, error) {
	base := Default()
	if defaults != "" {
		content, err := read(defaults)
		if err != nil {
			return nil, fmt.Errorf("read the default configuration: %w", err)
		}
		var warnings []string
		if base, _, warnings, err = parse(content, base); err != nil {
			return nil, fmt.Errorf("default configuration in %s: %w", defaults, err)
		}
		for _, w := range warnings {
			log.Warn(w, "file", defaults)
		}
	}
	s := &Store{name: name, config: base}
	content, err := read(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil
	case errors.Is(err, errNoFile):
		return nil, fmt.Errorf("read the configuration: %w", err)
	case err != nil:
		s.unread = err
		log.Error("the configuration cannot be read, the defaults are used", "error", err)
		return s, nil
	}
	var warnings []string
	s.config, s.unknown, warnings, err = parse(content, base)
	if err != nil {
		aside, asideErr := file.SetAside(name)
		if asideErr != nil {
			s.unread = asideErr
			log.Error("the damaged configuration stays where it is", "error", asideErr)
		}
		log.Error("the configuration is damaged, the defaults are used", "file", name, "kept_as", aside, "error", err)
	}
	for _, w := range warnings {
		log.Warn(w, "file", name)
	}
	return s, nil
}

// errNoFile is a name that is not one of a file.
var errNoFile = errors.New("not a regular file")

// read returns what is in the file. Reading a pipe by that name would never end.
func read(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is %w", name, errNoFile)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// A configuration is 2 KiB. What is cut off here is damaged, and treated so.
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

// Get returns the configuration in force.
func (s *Store) Get() Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config
}

// Update lets change work on the configuration, saves the outcome and puts it in force.
// It returns the configuration of before and that in force now. Updates take place one
// after the other; change must not call Update. What it does to read-only members
// (mac_addr, node_id) is undone.
//
// When change returns an error, that is the error; when the outcome has a value which
// cannot be, it is a [*ValueError]; when it cannot be saved, what the system said. With
// any of them everything is as before.
func (s *Store) Update(change func(*Config) error) (before, after Config, err error) {
	s.updating.Lock()
	defer s.updating.Unlock()
	before = s.Get()
	after = before
	if err := change(&after); err != nil {
		return before, before, err
	}
	after.NodeID, after.MACAddress = before.NodeID, before.MACAddress
	if err := after.validate(); err != nil {
		return before, before, err
	}
	if after == before {
		return before, before, nil
	}
	if err := s.save(after); err != nil {
		return before, before, fmt.Errorf("save the configuration: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = after
	return before, after, nil
}

func (s *Store) save(c Config) error {
	if s.unread != nil {
		return fmt.Errorf("nothing is written over a file that could not be used; restart when this is mended: %w", s.unread)
	}
	content, err := encode(c, s.unknown)
	if err != nil {
		return err
	}
	return file.Replace(s.name, content, 0o644)
}

// encode returns the content of a file: the members of c in their order, and others.
func encode(c Config, others []lenient.Member) ([]byte, error) {
	var flat, indented bytes.Buffer
	e := json.NewEncoder(&flat)
	e.SetEscapeHTML(false)
	if err := e.Encode(c); err != nil {
		return nil, err
	}
	flat.Truncate(bytes.LastIndexByte(flat.Bytes(), '}'))
	for _, m := range others {
		name, err := json.Marshal(m.Name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&flat, ",%s:%s", name, m.Value)
	}
	flat.WriteString("}\n")
	err := json.Indent(&indented, flat.Bytes(), "", "  ")
	return indented.Bytes(), err
}
