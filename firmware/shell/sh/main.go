// Command sh is the shell of debug images: POSIX shell with bash's additions, read
// from a terminal, a file or -c.
//
// Lines are edited here and not by the terminal's driver, so that there is a history,
// with nothing asked of the terminal but that it understands a VT100's few commands.
// There is no job control: what runs in the background runs on.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/term"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

func main() {
	command := flag.String("c", "", "run this `text`")
	flag.Parse()
	err := run(context.Background(), *command, flag.Args())
	if status, ok := interp.IsExitStatus(err); ok {
		os.Exit(int(status))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sh:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, command string, args []string) error {
	runner, err := interp.New(interp.StdIO(os.Stdin, os.Stdout, os.Stderr))
	if err != nil {
		return err
	}
	switch {
	case command != "":
		return script(ctx, runner, strings.NewReader(command), "", args)
	case len(args) > 0:
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		return script(ctx, runner, f, args[0], args[1:])
	case !term.IsTerminal(int(os.Stdin.Fd())):
		return script(ctx, runner, os.Stdin, "", nil)
	}
	return interactive(ctx, runner, newConsole(int(os.Stdin.Fd())))
}

func script(ctx context.Context, runner *interp.Runner, r io.Reader, name string, args []string) error {
	program, err := syntax.NewParser().Parse(r, name)
	if err != nil {
		return err
	}
	if err := interp.Params(append([]string{"--"}, args...)...)(runner); err != nil {
		return err
	}
	return runner.Run(ctx, program)
}

// profile gives commands that u-root calls otherwise the names that fingers know.
const profile = `env() { printenv "$@"; }; less() { more "$@"; }; ll() { ls -l "$@"; }`

// interactive runs what is typed until the input ends or exit is called.
func interactive(ctx context.Context, runner *interp.Runner, c *console) error {
	if err := script(ctx, runner, strings.NewReader(profile), "", nil); err != nil {
		return err
	}
	var text string
	for {
		prompt := "> "
		if text == "" {
			prompt = runner.Dir + " # "
		}
		line, err := c.readLine(prompt)
		switch {
		case errors.Is(err, errInterrupted):
			text = ""
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		text += line + "\n"
		program, err := syntax.NewParser().Parse(strings.NewReader(text), "")
		if syntax.IsIncomplete(err) {
			continue
		}
		text = ""
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		err = runInterruptible(ctx, runner, program)
		if runner.Exited() {
			return err
		}
		if _, ok := interp.IsExitStatus(err); err != nil && !ok {
			fmt.Fprintln(os.Stderr, "sh:", err)
		}
	}
}

// runInterruptible ends what runs, not the shell, at Ctrl-C. It runs statements and
// not the program, after which the runner takes the shell for ended.
func runInterruptible(ctx context.Context, runner *interp.Runner, program *syntax.File) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	var err error
	for _, statement := range program.Stmts {
		err = runner.Run(ctx, statement)
		if ctx.Err() != nil {
			fmt.Println()
			return nil
		}
		if runner.Exited() {
			break
		}
	}
	return err
}
