package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"aes67os/init/api"
)

func TestParseKernel(t *testing.T) {
	tests := map[string]struct {
		record string
		want   kernelMessage
		ok     bool
	}{
		"plain": {"6,339,5140900,-;NET: Registered PF_INET6\n",
			kernelMessage{api.Info, 5140900 * time.Microsecond, "NET: Registered PF_INET6"}, true},
		"device lines": {"3,340,5690716,-;ata1: link is slow\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\n",
			kernelMessage{api.Error, 5690716 * time.Microsecond, "ata1: link is slow"}, true},
		"from user space":   {"12,1,0,-;x\n", kernelMessage{api.Warning, 0, "x"}, true},
		"more fields":       {"7,160,424069,-,caller=T1;pci: x\n", kernelMessage{api.Debug, 424069 * time.Microsecond, "pci: x"}, true},
		"semicolon in text": {"6,1,1,-;a;b\n", kernelMessage{api.Info, time.Microsecond, "a;b"}, true},
		"escapes":           {`6,1,1,-;\x67r\xc3\xbcn \x5cx \xzz \x`, kernelMessage{api.Info, time.Microsecond, `grün \x \xzz \x`}, true},
		"no text":           {"6,1,1,-;", kernelMessage{api.Info, time.Microsecond, ""}, true},
		"no semicolon":      {"6,1,1,-", kernelMessage{}, false},
		"too few fields":    {"6,1;x", kernelMessage{}, false},
		"no priority":       {"x,1,1,-;x", kernelMessage{}, false},
		"no time":           {"6,1,x,-;x", kernelMessage{}, false},
		"negative time":     {"6,1,-5,-;x", kernelMessage{}, false},
		"time out of range": {"6,1,9223372036854775807,-;x", kernelMessage{}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := parseKernel([]byte(test.record))
			if ok != test.ok {
				t.Fatalf("parseKernel(%q) ok = %v; want %v", test.record, ok, test.ok)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(kernelMessage{})); ok && diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParseKernel(f *testing.F) {
	f.Add([]byte("6,339,5140900,-;NET: Registered PF_INET6\n SUBSYSTEM=net\n"))
	f.Add([]byte(`12,1,1,c,caller=T1;\xc3\xzz\x`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := parseKernel(b)
		if !ok {
			return
		}
		if m.uptime < 0 || m.severity == "" || len(m.text) > len(b) {
			t.Errorf("parseKernel(%q) = %+v", b, m)
		}
		// Whatever it is, it can be appended.
		j := New(Options{})
		j.appendKernel(m)
	})
}

// kmsg is a /dev/kmsg that returns one record, or error, a read.
type kmsg struct {
	reads  []any
	closed chan struct{}
}

func (k *kmsg) Read(b []byte) (int, error) {
	if len(k.reads) == 0 {
		<-k.closed
		return 0, unix.EBADF
	}
	next := k.reads[0]
	k.reads = k.reads[1:]
	if err, ok := next.(error); ok {
		return 0, err
	}
	return copy(b, next.(string)), nil
}

func (k *kmsg) Close() error {
	select {
	case <-k.closed:
	default:
		close(k.closed)
	}
	return nil
}

func TestKernel(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 10, 0, time.UTC)
	j := New(Options{
		Now:    func() time.Time { return now },
		Uptime: func() time.Duration { return 10 * time.Second },
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	device := &kmsg{closed: make(chan struct{}), reads: []any{
		"6,0,0,-;Linux version 6.12\n", unix.EPIPE, unix.EINTR, "nonsense", "3,9,4000000,-;oops\n",
	}}
	done := make(chan error)
	go func() { done <- j.Kernel(ctx, device) }()
	// The last is there: the rest is, too.
	j.Follow(ctx, api.LogQuery{}, func(e api.LogEntry) error {
		if e.Text == "oops" {
			return errEnough
		}
		return nil
	})
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ended with %v, want nil when the context ends", err)
	}
	want := []api.LogEntry{
		{Seq: 1, Time: now.Add(-10 * time.Second), Service: "kernel", Severity: api.Info, Text: "Linux version 6.12"},
		{Seq: 2, Time: now, Service: "kernel", Severity: api.Warning, Text: "messages of the kernel are missing here: there were too many at once"},
		{Seq: 3, Time: now.Add(-6 * time.Second), Service: "kernel", Severity: api.Error, Text: "oops"},
	}
	if diff := cmp.Diff(want, j.Entries(api.LogQuery{})); diff != "" {
		t.Error(diff)
	}
}

func TestKernelThatFails(t *testing.T) {
	for _, cause := range []error{io.EOF, unix.EIO} {
		device := &kmsg{closed: make(chan struct{}), reads: []any{fmt.Errorf("read: %w", cause)}}
		if err := New(Options{}).Kernel(t.Context(), device); !errors.Is(err, cause) {
			t.Errorf("got %v, want %v", err, cause)
		}
		<-device.closed
	}
}
