package appliance

import (
	"context"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestNameFromMAC(t *testing.T) {
	for _, test := range []struct {
		mac  net.HardwareAddr
		want string
	}{
		{net.HardwareAddr{0x02, 0x00, 0x5e, 0x12, 0x34, 0x56}, "aes67-123456"},
		{net.HardwareAddr{0x02, 0x00, 0x5e, 0x00, 0x0a, 0xBC}, "aes67-000abc"},
		{net.HardwareAddr{0, 0, 0, 0, 0, 0}, "aes67-000000"},
		{net.HardwareAddr{0x80, 0, 0, 0, 0, 0, 0x11, 0x22, 0x33}, "aes67-112233"}, // longer than Ethernet's
		{net.HardwareAddr{0x12, 0x34, 0x56}, "aes67-123456"},
		{net.HardwareAddr{0x12, 0x34}, "aes67os"},
		{nil, "aes67os"},
	} {
		if got := nameFromMAC(test.mac); got != test.want {
			t.Errorf("nameFromMAC(%v) = %q; want %q", test.mac, got, test.want)
		}
	}
}

// inNamespaces runs f on a thread with a network without cards, and a host name and
// mounts of its own. The thread ends with it.
func inNamespaces(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // not unlocked: the runtime ends such a thread
		err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestNameHost(t *testing.T) {
	hosts := t.TempDir() + "/hosts"
	if err := os.WriteFile(hosts, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name       string
		ctx        context.Context
		configured string
		wait       time.Duration
		want       string
	}{
		{"configured", t.Context(), "studio-1", time.Hour, "studio-1"},
		{"no card in time", t.Context(), "", 0, "aes67os"},
		{"the machine goes down meanwhile", ended, "", time.Hour, "aes67os"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inNamespaces(t, func() {
				if err := unix.Mount(hosts, "/etc/hosts", "", unix.MS_BIND, ""); err != nil {
					t.Error(err)
					return
				}
				// A card that has come, but is no hardware, is not the one.
				appeared := make(chan struct{}, 1)
				appeared <- struct{}{}
				got, err := nameHost(test.ctx, test.configured, test.wait, appeared)
				if got != test.want || err != nil {
					t.Errorf("nameHost() = %q, %v; want %q", got, err, test.want)
				}
				var u unix.Utsname
				if err := unix.Uname(&u); err != nil || unix.ByteSliceToString(u.Nodename[:]) != test.want {
					t.Errorf("the host is called %q, %v; want %q", unix.ByteSliceToString(u.Nodename[:]), err, test.want)
				}
			})
			text, err := os.ReadFile(hosts)
			if want := "127.0.0.1 localhost\n127.0.1.1 " + test.want + "\n"; err != nil || string(text) != want {
				t.Errorf("hosts has %q, %v; want %q", text, err, want)
			}
		})
	}
}

func TestNameHostTooLong(t *testing.T) {
	inNamespaces(t, func() {
		name := strings.Repeat("n", 65) // HOST_NAME_MAX is 64
		got, err := nameHost(t.Context(), name, 0, nil)
		if got != name || err == nil || !strings.Contains(err.Error(), "set the host name: ") {
			t.Errorf("nameHost() = %q, %v; want it to say that it cannot be set", got, err)
		}
	})
}
