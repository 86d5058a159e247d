package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"

	"aes67os/firmware/inspect"
)

func inspectCommand(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("firmware inspect", flag.ContinueOnError)
	all := f.Bool("all", false, "list every kernel module")
	asJSON := f.Bool("json", false, "print JSON")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errors.New("inspect takes one image (.img or .img.zst) or one disk")
	}
	r, err := inspect.Inspect(ctx, f.Arg(0), unpackProgress())
	if err != nil {
		return err
	}
	if *asJSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(r)
	}
	return r.Print(os.Stdout, *all)
}

// unpackProgress shows on a terminal how far a compressed image is unpacked.
func unpackProgress() func(done, total int64) {
	if !isTerminal(os.Stderr) {
		return nil
	}
	return func(done, total int64) {
		fmt.Fprintf(os.Stderr, "\r\033[Kunpacking %3d %%", 100*done/max(total, 1))
		if done == total {
			fmt.Fprint(os.Stderr, "\r\033[K")
		}
	}
}
