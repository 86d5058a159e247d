package ptp

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"unsafe"

	phcunix "github.com/facebook/time/phc/unix"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestIoctls checks the structures that the kernel fills against the sizes in the numbers of
// the ioctls, or in its headers where the number has none.
func TestIoctls(t *testing.T) {
	coded := func(number uint) uintptr { return uintptr(number >> 16 & 0x3fff) }
	for _, test := range []struct {
		name       string
		size, want uintptr
	}{
		{"PTP_SYS_OFFSET_PRECISE2", unsafe.Sizeof(phcunix.PtpSysOffsetPrecise{}), coded(unix.PTP_SYS_OFFSET_PRECISE2)},
		{"PTP_SYS_OFFSET_EXTENDED2", unsafe.Sizeof(phcunix.PtpSysOffsetExtended{}), coded(unix.PTP_SYS_OFFSET_EXTENDED2)},
		{"the clock of PTP_SYS_OFFSET_EXTENDED2", unsafe.Offsetof(phcunix.PtpSysOffsetExtended{}.ClockID), 4},
		{"ETHTOOL_GET_TS_INFO", unsafe.Sizeof(unix.EthtoolTsInfo{}), 44},
		{"SIOCSHWTSTAMP", unsafe.Sizeof(unix.HwTstampConfig{}), 12},
	} {
		if test.size != test.want {
			t.Errorf("%s: %d bytes; want %d", test.name, test.size, test.want)
		}
	}
}

// TestReadings checks what is made of the kernel's answers.
func TestReadings(t *testing.T) {
	at := func(ns int64) phcunix.PtpClockTime {
		return phcunix.PtpClockTime{Sec: ns / 1e9, Nsec: uint32(ns % 1e9)}
	}
	const t0 = int64(7_999_999_000) // a second begins between
	both := phcunix.PtpSysOffsetPrecise{Device: at(5e9 + 1), Realtime: at(1), Monoraw: at(t0)}
	if diff := cmp.Diff(crossing{phc: 5e9 + 1, raw: t0}, precise(&both), cmp.AllowUnexported(crossing{})); diff != "" {
		t.Errorf("precise (-want +got):\n%s", diff)
	}
	some := phcunix.PtpSysOffsetExtended{Samples: 3}
	for i, s := range [][3]int64{{t0, 100, t0 + 3000}, {t0 + 4000, 4200, t0 + 4800}, {t0 + 5000, 6000, t0 + 7000}, {0, 0, 0}} {
		some.Ts[i] = [3]phcunix.PtpClockTime{at(s[0]), at(s[1]), at(s[2])}
	}
	want := crossing{phc: 4200, raw: t0 + 4400, width: 800}
	if diff := cmp.Diff(want, extended(&some), cmp.AllowUnexported(crossing{})); diff != "" {
		t.Errorf("extended (-want +got):\n%s", diff)
	}
	some.Samples = 1 << 31
	extended(&some)
}

// TestHostCrossing checks a reading by realtime, while somebody sets that.
func TestHostCrossing(t *testing.T) {
	now := reading{raw: 100e9, mono: 50e9, real: 1000e9, width: 30}
	h := newHost(func() reading { return now }, nil)
	got, err := h.crossing(crossing{phc: 5, raw: now.real - 2000, width: 800})
	if want := (crossing{phc: 5, raw: now.raw - 2000, width: 830}); got != want || err != nil {
		t.Errorf("crossing %+v, %v; want %+v", got, err, want)
	}
	now.real -= 1e9
	if got, err := h.crossing(crossing{phc: 5, raw: now.real - 2000, width: 800}); err == nil {
		t.Errorf("crossing %+v though the clock has just been set; want an error", got)
	}
}

// TestBracket takes a clock that every host has for a card's.
func TestBracket(t *testing.T) {
	h := newHost(readClocks, kernelTAI)
	p, err := newPHC(h, func() (crossing, error) { return bracket(unix.CLOCK_BOOTTIME) }, func() {})
	if err != nil {
		t.Fatal(err)
	}
	p.trusted = 0
	before := readClock(unix.CLOCK_MONOTONIC_RAW)
	at := readClock(unix.CLOCK_BOOTTIME)
	after := readClock(unix.CLOCK_MONOTONIC_RAW)
	raw, ok := p.stamp(at)
	if slack := p.kept.width + us; !ok || raw < before-slack || raw > after+slack {
		t.Errorf("raw time %d, %v; want %d to %d", raw, ok, before, after)
	}
	if _, err := bracket(unix.FdToClockID(1 << 20)); err == nil {
		t.Error("no clock can be read")
	}
}

// TestOpenPHC opens what is no card's clock.
func TestOpenPHC(t *testing.T) {
	h := newHost(readClocks, kernelTAI)
	if p, err := openPHC(99, h); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("openPHC(99) = %v, %v; want that it is not there", p, err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for i, name := range []string{"PRECISE", "EXTENDED of raw time", "EXTENDED", "clock_gettime"} {
		_, err := phcReaders(int(null.Fd()), h)[i]()
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("reader %d = %v; want %q to fail", i, err, name)
		}
	}
}
