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
	const power, keyboard = "10000000000000 0\n", "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe\n"
	for event, files := range map[string][3]string{
		"event0": {"Power Button\n", "0019\n", power},
		"event1": {"AT Translated Set 2 keyboard\n", "0011\n", keyboard},
		"event2": {"gpio-keys\n", "0019\n", power},
		"event3": {"USB keyboard with a power key\n", "0003\n", power},
		"event4": {"a built-in keyboard without\n", "0019\n", "10000000 0\n"},
		"event5": {"few keys\n", "0019\n", "ff\n"},
		"event6": {"nonsense\n", "0019\n", "keys keys\n"},
	} {
		for i, name := range []string{"name", "id/bustype", "capabilities/key"} {
			file := filepath.Join(sys, "class/input", event, "device", name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(files[i]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for event, want := range map[string]bool{
		"event0": true, "event1": false, "event2": true, "event3": false, "event4": false, "event5": false, "event6": false, "event7": false,
	} {
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
