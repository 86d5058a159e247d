package power

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestIsButton(t *testing.T) {
	sys := t.TempDir()
	for event, name := range map[string]string{"event0": "Power Button\n", "event1": "AT Translated Set 2 keyboard\n"} {
		dir := filepath.Join(sys, "class/input", event, "device")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "name"), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for event, want := range map[string]bool{"event0": true, "event1": false, "event2": false} {
		if got := IsButton(sys, event); got != want {
			t.Errorf("IsButton(%s) = %v; want %v", event, got, want)
		}
	}
}

// event is a struct input_event of a 64-bit kernel.
func event(kind, code uint16, value uint32) []byte {
	b := make([]byte, 16)
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, code)
	return binary.NativeEndian.AppendUint32(b, value)
}

func TestWatchButton(t *testing.T) {
	device := filepath.Join(t.TempDir(), "event0")
	if err := unix.Mkfifo(device, 0o600); err != nil {
		t.Fatal(err)
	}
	pressed := make(chan struct{}, 10)
	done := make(chan error)
	go func() { done <- WatchButton(t.Context(), device, func() { pressed <- struct{}{} }) }()
	w, err := os.OpenFile(device, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range [][]byte{
		event(evKey, 30, 1),       // another key
		event(evKey, keyPower, 1), // pressed
		event(evKey, keyPower, 0), // released
		event(0, 0, 0),            // end of a report
		event(evKey, keyPower, 1), // pressed again
	} {
		if _, err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("WatchButton = %v; want the device's end", err)
	}
	if len(pressed) != 2 {
		t.Errorf("pressed %d times; want 2", len(pressed))
	}
}

func TestWatchButtonEndsWithItsContext(t *testing.T) {
	device := filepath.Join(t.TempDir(), "event0")
	if err := unix.Mkfifo(device, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- WatchButton(ctx, device, func() {}) }()
	w, err := os.OpenFile(device, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("WatchButton = %v; want it to end with its context", err)
	}
}
