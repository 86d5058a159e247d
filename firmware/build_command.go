package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"aes67os/firmware/build"
)

func buildCommand(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("firmware build", flag.ContinueOnError)
	board := boardFlag(f)
	o := build.Options{Progress: os.Stdout}
	f.StringVar(&o.Source, "source", ".", "the `directory` with the source of aes67os")
	f.StringVar(&o.Out, "out", "out", "the `directory` to put the image in")
	f.StringVar(&o.Cache, "cache", build.DefaultCache(), "the `directory` to keep downloads in")
	f.StringVar(&o.Mirror, "mirror", "", "the Debian mirror's `URL` (default: the one that apt uses)")
	f.BoolVar(&o.UpdateLock, "update-lock", false, "take the newest packages and record them in kernel/lock.json")
	f.StringVar(&o.RavennaModule, "ravenna-module", "", "pack this prebuilt RAVENNA kernel module (`file`.ko, or packed as .xz, .zst or .gz)")
	f.BoolVar(&o.Debug, "debug", false, "put a root shell on the serial console; never for use")
	if err := f.Parse(args); err != nil {
		return err
	}
	var err error
	if o.Board, err = board(); err != nil {
		return err
	}
	r, err := build.Image(ctx, o)
	if err != nil {
		return err
	}
	fmt.Printf("\nThe image is %s.\n", r.Image)
	if o.Board.QEMU.Binary != "" {
		fmt.Printf("Start it here:     go run ./firmware run -board %s %s\n", o.Board.Name, r.Image)
	}
	fmt.Printf("Put it on a card:  go run ./firmware flash -image %s /dev/sdX\n", r.Image)
	return nil
}
