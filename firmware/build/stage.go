package build

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// stages prints a line for each stage of the build: what came of it and how long it
// took. On a terminal the line shows what is going on meanwhile.
type stages struct {
	out   io.Writer
	live  bool
	start time.Time
}

func newStages(out io.Writer) *stages {
	f, ok := out.(*os.File)
	return &stages{out: out, live: ok && term.IsTerminal(int(f.Fd())), start: time.Now()}
}

// run times f, which returns a summary. progress may be called by it from any
// goroutine, one at a time.
func (s *stages) run(name string, f func(progress func(string)) (string, error)) error {
	began := time.Now()
	var shown time.Time
	progress := func(what string) {
		if !s.live || time.Since(shown) < 100*time.Millisecond {
			return
		}
		shown = time.Now()
		fmt.Fprintf(s.out, "\r\033[K%-10s %s", name, what)
	}
	progress("…")
	summary, err := f(progress)
	if s.live {
		fmt.Fprint(s.out, "\r\033[K")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(s.out, "%-10s %-78s %6.1f s\n", name, summary, time.Since(began).Seconds())
	return nil
}

func (s *stages) finish() {
	fmt.Fprintf(s.out, "%-10s %-78s %6.1f s\n", "all", "", time.Since(s.start).Seconds())
}

// mb writes a size in bytes for people.
func mb[T int | int64](n T) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
