package platform

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// printer writes for people. A line about progress is replaced by the next where out is a
// terminal; elsewhere there are fewer of them.
type printer struct {
	out      io.Writer
	terminal bool
}

func newPrinter(out io.Writer) *printer {
	f, ok := out.(*os.File)
	return &printer{out: out, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

func (p *printer) println(text string) { fmt.Fprintln(p.out, text) }

func (p *printer) printf(format string, a ...any) { fmt.Fprintf(p.out, format, a...) }

// Intervals of progress.
const (
	onTerminal = time.Second
	elsewhere  = 10 * time.Second
)

// progress tells how far an exercise has come, until the function is called.
func (p *printer) progress(o *options, x *exercise) (stop func()) {
	every, before, after := elsewhere, "", "\n"
	if p.terminal {
		every, before, after = onTerminal, "\r\x1b[K", ""
	}
	done := make(chan struct{})
	var ends sync.WaitGroup
	ends.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				p.printf("%s", before)
				return
			case <-tick.C:
			}
			p.printf("%s%d of %.0f s, %d frames wrong%s", before, x.compared.Load()/int64(o.rate), o.duration.Seconds(), x.wrong.Load(), after)
		}
	})
	return func() {
		close(done)
		ends.Wait()
	}
}
