package main

import (
	"context"
	"errors"
	"flag"
	"os"

	"aes67os/firmware/flash"
)

func flashCommand(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("firmware flash", flag.ContinueOnError)
	board := boardFlag(f)
	image := f.String("image", "", "the image, .img or .img.zst (default: that of the board)")
	out := f.String("out", "out", "the `directory` that the image is in")
	yes := f.Bool("yes", false, "do not ask")
	if err := f.Parse(args); err != nil {
		return err
	}
	b, err := board()
	if err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errors.New("flash takes one disk, such as /dev/sdb; see them with: lsblk")
	}
	if *image == "" {
		*image = imagePath(*out, b, false)
	}
	return flash.Flash(ctx, flash.Options{
		Image: *image, Device: f.Arg(0), Yes: *yes,
		In: os.Stdin, Interactive: isTerminal(os.Stdin), Out: os.Stdout, Live: isTerminal(os.Stdout),
	})
}
