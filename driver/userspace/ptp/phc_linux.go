package ptp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	phcunix "github.com/facebook/time/phc/unix"
	"golang.org/x/sys/unix"
)

// crossings is how many readings are taken at once, of which the best counts.
const crossings = 5

// openPHC opens the network card's clock /dev/ptp<index>, only to read it.
func openPHC(index int32, h *host) (*phc, error) {
	name := fmt.Sprintf("/dev/ptp%d", index)
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("open the network card's clock: give the user of this program the right to read %s: %w", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the network card's clock: %w", err)
	}
	fd := int(file.Fd())
	var failed []error
	for _, read := range phcReaders(fd, h) {
		p, err := newPHC(h, read, func() { file.Close() })
		if err == nil {
			return p, nil
		}
		failed = append(failed, err)
	}
	file.Close()
	return nil, fmt.Errorf("read the network card's clock %s: %w", name, errors.Join(failed...))
}

// phcReaders are the ways to read a card's clock together with the host's, the best first.
// The last needs nothing of the driver, and takes the place of PTP_SYS_OFFSET: that ioctl
// answers with CLOCK_REALTIME, and a raw time of it would be no more exact.
func phcReaders(fd int, h *host) []func() (crossing, error) {
	return []func() (crossing, error){
		func() (crossing, error) {
			r, err := phcunix.IoctlPtpSysOffsetPrecise(fd)
			if err != nil {
				return crossing{}, fmt.Errorf("PTP_SYS_OFFSET_PRECISE: %w", err)
			}
			return precise(r), nil
		},
		func() (crossing, error) { // Linux 6.12
			r, err := phcunix.IoctlPtpSysOffsetExtendedClock(fd, unix.CLOCK_MONOTONIC_RAW, crossings)
			if err != nil {
				return crossing{}, fmt.Errorf("PTP_SYS_OFFSET_EXTENDED of raw time: %w", err)
			}
			return extended(r), nil
		},
		func() (crossing, error) {
			r, err := phcunix.IoctlPtpSysOffsetExtendedClock(fd, unix.CLOCK_REALTIME, crossings)
			if err != nil {
				return crossing{}, fmt.Errorf("PTP_SYS_OFFSET_EXTENDED: %w", err)
			}
			return h.crossing(extended(r))
		},
		func() (crossing, error) { return bracket(unix.FdToClockID(fd)) },
	}
}

// precise is a reading that the card and the CPU took at the same moment.
func precise(r *phcunix.PtpSysOffsetPrecise) crossing {
	return crossing{phc: phcTime(r.Device), raw: phcTime(r.Monoraw)}
}

// extended is the best of readings of the host's clock, the card's, and the host's again.
// raw is by whatever clock of the host was asked for.
func extended(r *phcunix.PtpSysOffsetExtended) (best crossing) {
	for i, t := range r.Ts[:min(r.Samples, uint32(len(r.Ts)))] {
		before, after := phcTime(t[0]), phcTime(t[2])
		c := crossing{phc: phcTime(t[1]), raw: before + (after-before)/2, width: after - before}
		if i == 0 || c.width < best.width {
			best = c
		}
	}
	return best
}

func phcTime(t phcunix.PtpClockTime) int64 { return t.Sec*1e9 + int64(t.Nsec) }

// bracket reads a clock between two readings of raw time. It is the best of a few.
func bracket(id int32) (best crossing, err error) {
	for try := range crossings {
		var t unix.Timespec
		before := readClock(unix.CLOCK_MONOTONIC_RAW)
		if err := unix.ClockGettime(id, &t); err != nil {
			return crossing{}, fmt.Errorf("clock_gettime: %w", err)
		}
		width := readClock(unix.CLOCK_MONOTONIC_RAW) - before
		if try == 0 || width < best.width {
			best = crossing{phc: t.Nano(), raw: before + width/2, width: width}
		}
	}
	return best, nil
}
