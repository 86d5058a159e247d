package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"aes67os/firmware/qemu"
)

// portHTTP is where the appliance's page is.
const portHTTP = 80

func runCommand(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("firmware run", flag.ContinueOnError)
	board := boardFlag(f)
	out := f.String("out", "out", "the `directory` that the image is in")
	port := f.Int("port", 0, "the host's `port` for the page (default: any free one)")
	memory := f.Int("memory", 512, "the guest's memory in `MB`")
	keep := f.Bool("keep", false, "keep what the guest writes to its disk")
	debug := f.Bool("debug", false, "start the image with the shell")
	if err := f.Parse(args); err != nil {
		return err
	}
	b, err := board()
	if err != nil {
		return err
	}
	image, target := f.Arg(0), "image"
	if *debug {
		target = "debug-image"
	}
	if image == "" {
		image = imagePath(*out, b, *debug)
	}
	if _, err := os.Stat(image); err != nil {
		return fmt.Errorf("no image to start (%w); build one with: make %s", err, target)
	}
	dir, err := os.MkdirTemp("", "aes67os-run-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	// Keys go to the guest one by one; Ctrl-C stays with us.
	if isTerminal(os.Stdin) {
		restore, err := characterMode(int(os.Stdin.Fd()))
		if err != nil {
			return err
		}
		defer restore()
	}
	m, err := qemu.Start(ctx, qemu.Config{
		Board: b, Image: image, Keep: *keep, MemoryMB: *memory, Dir: dir,
		Forward: map[int]int{portHTTP: *port}, Serial: os.Stdout, Input: os.Stdin,
	})
	if err != nil {
		return err
	}
	fmt.Printf("Starting %s. In half a minute the page is at %s\nCtrl-C ends the machine.\n\n", filepath.Base(image), m.URL(portHTTP))
	return m.Wait()
}
