// Command firmware builds, runs, looks into and flashes images of aes67os.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"aes67os/board"
)

// command is a word after "firmware".
type command struct {
	name, args, about string
	run               func(ctx context.Context, args []string) error
}

func commands() []command {
	return []command{
		{"build", "", "build the image of a board", buildCommand},
		{"run", "[IMAGE]", "start an image in QEMU", runCommand},
		{"inspect", "IMAGE", "tell what is in an image", inspectCommand},
		{"flash", "DEVICE", "write an image to a card or disk, and verify it", flashCommand},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := dispatch(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "firmware:", err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) > 0 {
		for _, c := range commands() {
			if c.name == args[0] {
				return c.run(ctx, args[1:])
			}
		}
		if !strings.HasPrefix(args[0], "-") {
			fmt.Fprintf(os.Stderr, "firmware has no command %q.\n\n", args[0])
		}
	}
	fmt.Fprintln(os.Stderr, "Usage: firmware COMMAND [-h] …")
	for _, c := range commands() {
		fmt.Fprintf(os.Stderr, "  %-22s %s\n", c.name+" "+c.args, c.about)
	}
	return flag.ErrHelp
}

// boardFlag adds -board.
func boardFlag(f *flag.FlagSet) func() (board.Board, error) {
	name := f.String("board", board.All()[0].Name, "the board")
	return func() (board.Board, error) { return board.ByName(*name) }
}

// imagePath is where build puts a board's image.
func imagePath(out string, b board.Board, debug bool) string {
	name := "aes67os-" + b.Name
	if debug {
		name += "-debug"
	}
	return filepath.Join(out, name+".img")
}
