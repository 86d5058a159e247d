package supervisor

import (
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/google/go-cmp/cmp"

	"aes67os/init/journal"
)

func status(s string) *string { return &s }

func TestParseNotification(t *testing.T) {
	tests := map[string]struct {
		datagram string
		want     notification
	}{
		"ready":            {daemon.SdNotifyReady, notification{ready: true}},
		"stopping":         {daemon.SdNotifyStopping, notification{stopping: true}},
		"watchdog":         {daemon.SdNotifyWatchdog, notification{watchdogPing: true}},
		"watchdog trigger": {"WATCHDOG=trigger", notification{watchdogTrigger: true}},
		"reloading":        {daemon.SdNotifyReloading, notification{}},
		"several":          {"READY=1\nSTATUS=a=b\nWATCHDOG=1\n", notification{ready: true, watchdogPing: true, status: status("a=b")}},
		"empty status":     {"STATUS=", notification{status: status("")}},
		"odd status":       {"STATUS=\x1b[31m<b>\x00\xff", notification{status: status("<b>\uFFFD\uFFFD")}},
		"last status":      {"STATUS=a\nSTATUS=b", notification{status: status("b")}},
		"errno":            {"ERRNO=2", notification{errno: syscall.ENOENT}},
		"no errno":         {"ERRNO=-2\nERRNO=x", notification{}},
		"extension":        {"EXTEND_TIMEOUT_USEC=1500000", notification{extend: 1500 * time.Millisecond}},
		"long extension":   {"EXTEND_TIMEOUT_USEC=18446744073709551615", notification{extend: time.Hour}},
		"no extension":     {"EXTEND_TIMEOUT_USEC=-1", notification{}},
		"other values":     {"READY=0\nREADY\nSTOPPING=yes\nWATCHDOG=", notification{}},
		"others":           {"MAINPID=1\nFDSTORE=1\nX_MINE=1\n\n=", notification{}},
		"nothing":          {"", notification{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := parseNotification(test.datagram)
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(notification{})); diff != "" {
				t.Errorf("parseNotification(%q): %s", test.datagram, diff)
			}
		})
	}
}

func FuzzParseNotification(f *testing.F) {
	f.Add("READY=1\nSTATUS=fine\nWATCHDOG=1\nEXTEND_TIMEOUT_USEC=99999999999\nERRNO=5")
	f.Add("STATUS=\x1b[31m\xff")
	f.Fuzz(func(t *testing.T, datagram string) {
		n := parseNotification(datagram)
		if n.extend < 0 || n.extend > maxExtension {
			t.Errorf("extension of %v", n.extend)
		}
		if n.status != nil && (!utf8.ValidString(*n.status) || strings.ContainsFunc(*n.status, unicode.IsControl) || len(*n.status) > journal.MaxLine) {
			t.Errorf("status %q is not a clean line", *n.status)
		}
	})
}
