package service

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Main is the main function of a program called name, after it has declared its
// flags: it parses them, adds -v, calls run with a context that ends when the program
// is told to end, and exits with 1 if run fails, with 2 if the command line is wrong.
func Main(name, version string, run func(context.Context, *slog.Logger) error) {
	show := flag.Bool("v", false, "print the version and exit")
	flag.Parse()
	if *show {
		fmt.Println(version)
		return
	}
	log := NewLogger(os.Stderr)
	if flag.NArg() > 0 {
		log.Error(name+" takes flags only", "extra", flag.Args())
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, log); err != nil {
		log.Error(name+" ends", "error", err)
		os.Exit(1)
	}
}
