package watchdog

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A FIFO is a device file that refuses all ioctls and shows what is written.
func TestWritesToTheDevice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "watchdog")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	// Opened for both, it neither waits for the other end nor comes to an end.
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	written := bufio.NewReader(reader)

	w := New(Options{Path: path, Healthy: always, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()

	if c, err := written.ReadByte(); c != 0 || err != nil {
		t.Errorf("feeding wrote %q, %v; want a zero", c, err)
	}
	cancel()
	<-done
	if err := w.Disarm(); err != nil {
		t.Fatal(err)
	}
	c, err := written.ReadByte()
	for ; c == 0 && err == nil; c, err = written.ReadByte() {
	}
	if c != 'V' || err != nil {
		t.Errorf("disarming wrote %q, %v; want V", c, err)
	}
}

func TestNoDeviceLeavesNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "watchdog")
	if _, err := openDevice(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking for a device made a file: %v", err)
	}
}
