// Package power hears of the wish to switch off, and switches off.
package power

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Action is how the machine goes down.
type Action string

// The actions.
const (
	Off    Action = "power-off"
	Reboot Action = "reboot"
)

// Do ends the system at once. It returns only when it failed.
func Do(a Action) error {
	unix.Sync()
	cmd := unix.LINUX_REBOOT_CMD_RESTART
	if a == Off {
		cmd = unix.LINUX_REBOOT_CMD_POWER_OFF
	}
	if err := unix.Reboot(cmd); err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	return nil
}

// CatchCtrlAltDel makes the kernel send SIGINT to process 1 at Ctrl-Alt-Del, in
// place of an immediate reset.
func CatchCtrlAltDel() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) }

// From linux/input-event-codes.h.
const (
	evKey    = 1
	keyPower = 116
)

// builtIn is BUS_HOST of linux/input.h, as sysfs has it.
const builtIn = "0019"

// IsButton tells whether the input device with this event node ("event0") is a power
// button: ACPI's by its name, one of a device tree by being built in and having the key.
// A keyboard with such a key is none.
func IsButton(sys, event string) bool {
	read := func(file string) string {
		b, _ := os.ReadFile(filepath.Join(sys, "class/input", event, "device", file))
		return strings.TrimSpace(string(b))
	}
	if strings.Contains(read("name"), "Power Button") {
		return true
	}
	// The keys are bits, in words of 64, the last word first.
	words := strings.Fields(read("capabilities/key"))
	if i := len(words) - 1 - keyPower/64; i >= 0 && read("id/bustype") == builtIn {
		word, err := strconv.ParseUint(words[i], 16, 64)
		return err == nil && word>>(keyPower%64)&1 == 1
	}
	return false
}

// WatchButton calls pressed each time the power button at device is pressed, until
// ctx ends or the device is gone.
func WatchButton(ctx context.Context, device string, pressed func()) error {
	f, err := os.Open(device)
	if err != nil {
		return err
	}
	defer f.Close()
	defer context.AfterFunc(ctx, func() { f.Close() })()
	// struct input_event: the time as two longs, then u16 type, u16 code, s32 value.
	const head = 2 * unsafe.Sizeof(uintptr(0))
	buf := make([]byte, 64*(head+8))
	for {
		n, err := f.Read(buf)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("read the power button %s: %w", device, err)
		}
		for e := buf[:n]; len(e) >= int(head+8); e = e[head+8:] {
			kind := binary.NativeEndian.Uint16(e[head:])
			code := binary.NativeEndian.Uint16(e[head+2:])
			value := binary.NativeEndian.Uint32(e[head+4:])
			if kind == evKey && code == keyPower && value == 1 {
				pressed()
			}
		}
	}
}
