package watchdog

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// file is a watchdog device by the kernel's
// Documentation/watchdog/watchdog-api.rst.
type file struct{ *os.File }

func openDevice(path string) (device, error) {
	// Without os.O_CREATE: on a machine without a watchdog this must not leave
	// a file of that name.
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

// feed writes a byte that is not 'V'. Every driver takes that; the ioctl
// WDIOC_KEEPALIVE is optional.
func (f file) feed() error {
	_, err := f.Write([]byte{0})
	return err
}

func (f file) setTimeout(d time.Duration) error {
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.WDIOC_SETTIMEOUT, int(d/time.Second)); err != nil {
		return fmt.Errorf("set timeout of %v: %w", d, err)
	}
	return nil
}

func (f file) timeout() (time.Duration, error) {
	seconds, err := unix.IoctlGetUint32(int(f.Fd()), unix.WDIOC_GETTIMEOUT)
	if err != nil {
		return 0, fmt.Errorf("get timeout: %w", err)
	}
	return time.Duration(seconds) * time.Second, nil
}

func (f file) name() string {
	info, err := unix.IoctlGetWatchdogInfo(int(f.Fd()))
	if err != nil {
		return "unknown"
	}
	identity, _, _ := bytes.Cut(info.Identity[:], []byte{0})
	return string(identity)
}

func (f file) disarm() error {
	_, err := f.Write([]byte{'V'})
	return err
}

func (f file) close() error { return f.Close() }
