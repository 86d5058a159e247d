package main

import (
	"bytes"
	"errors"
	"os"

	"golang.org/x/term"
)

// errInterrupted is Ctrl-C while a line was typed.
var errInterrupted = errors.New("interrupted")

// console reads edited lines from a terminal, and remembers them.
type console struct {
	fd   int
	term *term.Terminal // holds the history, and what was typed ahead
	// interrupted tells that Ctrl-C came, which term.Terminal takes for the end of
	// the input.
	interrupted bool
}

func newConsole(fd int) *console {
	c := &console{fd: fd}
	c.term = term.NewTerminal(c, "")
	return c
}

// readLine asks for a line. The terminal is raw only meanwhile: programs that run
// find it as usual. Its error is errInterrupted, or io.EOF after Ctrl-D.
func (c *console) readLine(prompt string) (string, error) {
	before, err := term.MakeRaw(c.fd)
	if err != nil {
		return "", err
	}
	defer term.Restore(c.fd, before)
	// A serial line has no size; then it is 80 by 24.
	if width, height, err := term.GetSize(c.fd); err == nil && width > 0 && height > 0 {
		if err := c.term.SetSize(width, height); err != nil {
			return "", err
		}
	}
	c.term.SetPrompt(prompt)
	c.interrupted = false
	line, err := c.term.ReadLine()
	if err == nil || !c.interrupted {
		return line, err
	}
	// The unfinished line stays in a term.Terminal; only a new one is without.
	history := c.term.History
	c.term = term.NewTerminal(c, "")
	c.term.History = history
	_, err = os.Stdout.WriteString("^C\r\n")
	return "", errors.Join(errInterrupted, err)
}

func (c *console) Read(p []byte) (int, error) {
	n, err := os.Stdin.Read(p)
	const ctrlC = 3
	if bytes.IndexByte(p[:n], ctrlC) >= 0 {
		c.interrupted = true
	}
	return n, err
}

func (c *console) Write(p []byte) (int, error) { return os.Stdout.Write(p) }
