package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"aes67os/init/modules"
	"aes67os/init/system"
)

// modprobe is what the kernel starts, as modprobe -q -- NAME, when it needs a module
// that no device asks for: the driver of a PHY, a file system, a queueing discipline.
// It returns false when this process was not started for that.
func modprobe() bool {
	if filepath.Base(os.Args[0]) != "modprobe" {
		return false
	}
	loader, err := modules.New("/lib/modules/"+system.Release(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err == nil {
		err = loader.Load(os.Args[len(os.Args)-1])
	}
	if err != nil {
		os.Exit(1) // the kernel asks for much that there is not, and wants no words
	}
	return true
}
