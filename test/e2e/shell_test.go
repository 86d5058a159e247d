package e2e

import (
	"io"
	"strconv"
	"testing"

	"aes67os/init/api"
)

// pipe returns a machine's keyboard and a function that types a line on it.
func pipe(t *testing.T) (io.Reader, func(line string)) {
	t.Helper()
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	return r, func(line string) {
		if _, err := io.WriteString(w, line+"\r"); err != nil {
			t.Errorf("type %q: %v", line, err)
		}
	}
}

type service struct{ api.Service }

func (s service) pid() string { return strconv.Itoa(s.PID) }

func (m *machine) service(name string) service {
	m.t.Helper()
	for _, s := range fetch[[]api.Service](m, "/api/system/services") {
		if s.Name == name {
			return service{s}
		}
	}
	m.t.Fatalf("there is no service %s", name)
	return service{}
}
