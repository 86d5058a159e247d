package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"aes67os/init/api"
)

// KernelLog is where the kernel's messages are read.
const KernelLog = "/dev/kmsg"

// kernelService is who writes the kernel's messages.
const kernelService = "kernel"

// kernelRecord bounds what one read of /dev/kmsg returns: the kernel's
// PRINTK_MESSAGE_MAX. A smaller buffer would be refused with EINVAL.
const kernelRecord = 8192

// Kernel appends the messages of the kernel as entries of "kernel", those of the
// boot so far first, until ctx ends (it then returns nil) or reading fails. kmsg
// is os.Open of KernelLog; Kernel closes it.
func (j *Journal) Kernel(ctx context.Context, kmsg io.ReadCloser) error {
	defer kmsg.Close()
	defer context.AfterFunc(ctx, func() { kmsg.Close() })()
	buf := make([]byte, kernelRecord)
	for {
		n, err := kmsg.Read(buf)
		switch {
		case err == nil:
			if m, ok := parseKernel(buf[:n]); ok {
				j.appendKernel(m)
			}
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.EPIPE):
			// The kernel's own ring has overwritten what was next.
			j.Append(kernelService, api.Warning, "messages of the kernel are missing here: there were too many at once")
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, io.EOF), errors.Is(err, os.ErrClosed):
			return fmt.Errorf("the kernel's log ended: %w", err)
		default:
			return fmt.Errorf("read the kernel's log: %w", err)
		}
	}
}

func (j *Journal) appendKernel(m kernelMessage) {
	// The record tells when it was made, which for the boot's is before now.
	age := max(0, j.uptime()-m.uptime)
	j.appendAt(j.now().Add(-age), m.uptime, kernelService, m.severity, m.text)
}

// kernelMessage is a record of /dev/kmsg.
type kernelMessage struct {
	severity api.Severity
	uptime   time.Duration
	text     string
}

// parseKernel reads a record in the form of the kernel's
// Documentation/ABI/testing/dev-kmsg:
//
//	priority,sequence,microseconds,flags[,…];text
//	 KEY=value
//
// Continuation lines, which begin with a space, describe a device and are left
// out. Bytes outside printable ASCII come as \xNN.
func parseKernel(b []byte) (m kernelMessage, ok bool) {
	head, body, found := bytes.Cut(b, []byte{';'})
	fields := strings.Split(string(head), ",")
	if !found || len(fields) < 3 {
		return m, false
	}
	// The priority holds a facility above its three bits of severity.
	priority, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil {
		return m, false
	}
	micros, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || micros < 0 || micros > int64(maxUptime/time.Microsecond) {
		return m, false
	}
	text, _, _ := bytes.Cut(body, []byte{'\n'})
	return kernelMessage{
		severity: syslogSeverity(int(priority & 7)),
		uptime:   time.Duration(micros) * time.Microsecond,
		text:     unescape(string(text)),
	}, true
}

// maxUptime is above any uptime and far from the ends of a Duration.
const maxUptime = 100 * 365 * 24 * time.Hour

// unescape turns \xNN back into bytes.
func unescape(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, `\x`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if len(after) >= 2 {
			if c, err := strconv.ParseUint(after[:2], 16, 8); err == nil {
				b.WriteByte(byte(c))
				s = after[2:]
				continue
			}
		}
		b.WriteString(`\x`)
		s = after
	}
}

// sinceKernelStart is the clock of the kernel's messages: it does not count time
// asleep, which an appliance does not know.
func sinceKernelStart() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
