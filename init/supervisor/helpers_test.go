package supervisor

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"aes67os/init/api"
	"aes67os/init/journal"
)

// bench is a supervisor under test.
type bench struct {
	*testing.T
	*Supervisor
	journal *journal.Journal
	dir     string
	// patience ends what never happens, so that it fails with its journal.
	patience context.Context
}

// start starts services, and stops them at the end of the test.
func start(t *testing.T, specs ...Spec) *bench {
	t.Helper()
	// Paths of sockets are short (108 bytes), those of t.TempDir need not be.
	dir, err := os.MkdirTemp("", "sv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	j := journal.New(journal.Options{})
	s, err := Start(Options{Journal: j, RunDir: dir}, specs...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // at once
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for _, e := range j.Entries(api.LogQuery{}) {
				t.Logf("journal: %s: %s", e.Service, e.Text)
			}
		}
	})
	patience, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return &bench{T: t, Supervisor: s, journal: j, dir: dir, patience: patience}
}

// until waits until a service is as wanted, and returns how it is.
func (b *bench) until(name, what string, wanted func(api.Service) bool) api.Service {
	b.Helper()
	for {
		changed := b.Changed()
		for _, s := range b.Services() {
			if s.Name == name && wanted(s) {
				return s
			}
		}
		select {
		case <-changed:
		case <-b.patience.Done():
			b.Fatalf("%s: never %s", name, what)
		}
	}
}

// running waits until a service is ready after so many restarts.
func (b *bench) running(name string, restarts int) api.Service {
	b.Helper()
	return b.until(name, "running", func(s api.Service) bool {
		return s.State == api.Running && s.Restarts == restarts
	})
}

var errFound = errors.New("found")

// logged waits for an entry of service that begins with prefix, and returns what
// follows.
func (b *bench) logged(service, prefix string) string {
	b.Helper()
	var rest string
	err := b.journal.Follow(b.patience, api.LogQuery{Service: service}, func(e api.LogEntry) error {
		var found bool
		if rest, found = strings.CutPrefix(e.Text, prefix); found {
			return errFound
		}
		return nil
	})
	if !errors.Is(err, errFound) {
		b.Fatalf("%s never wrote %q", service, prefix)
	}
	return rest
}

// texts returns all entries of a service that begin with prefix, without it.
func (b *bench) texts(service, prefix string) []string {
	var texts []string
	for _, e := range b.journal.Entries(api.LogQuery{Service: service}) {
		if rest, found := strings.CutPrefix(e.Text, prefix); found {
			texts = append(texts, rest)
		}
	}
	return texts
}
