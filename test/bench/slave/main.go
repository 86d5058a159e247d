// Command slave follows a PTP master with the clock of driver/userspace and tells by how
// much that is off the time of the host, which is to be the master's; and, at the same
// moments, by how much another program's clock is, whose file is named: see
// test/bench/steered.
//
//	slave -settle 30s -length 20s FILE
//
// It prints JSON: two lists of differences in nanoseconds. Whole seconds are left out, for
// a master may count leap seconds.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/ptp"
)

func main() {
	settle := flag.Duration("settle", 30*time.Second, "how long to wait before")
	length := flag.Duration("length", 20*time.Second, "how long to measure")
	flag.Parse()
	if err := run(*settle, *length, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "slave:", err)
		os.Exit(1)
	}
}

func run(settle, length time.Duration, name string) error {
	ctx, stop := context.WithTimeout(context.Background(), settle+length)
	defer stop()
	var clock media.Clock
	slave := ptp.New(&clock, nil, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	failed := make(chan error, 1)
	go func() { failed <- slave.Run(ctx, ptp.Config{Interfaces: []string{"eth0"}, SlaveOnly: true}) }()
	select {
	case err := <-failed:
		return fmt.Errorf("the clock has ended: %w", err)
	case <-time.After(settle):
	}
	other, err := openSteered(name)
	if err != nil {
		return err
	}
	turn := atomic.LoadUint64(&other.turn)
	if s := slave.Status(); s.Lock != driver.Locked {
		return fmt.Errorf("after %v the clock is %v", settle, s.Lock)
	}
	var off struct{ Ours, Other []int64 }
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ; ctx.Err() == nil; <-tick.C {
		real, mono := now()
		off.Ours = append(off.Ours, fraction(clock.Mapping().PTPAt(mono)-real))
		off.Other = append(off.Other, fraction(other.at(real)-real))
	}
	if atomic.LoadUint64(&other.turn) == turn {
		return errors.New("the other program has not steered its clock")
	}
	return json.NewEncoder(os.Stdout).Encode(off)
}

// fraction is a time without whole seconds.
func fraction(ns int64) int64 {
	d := time.Duration(ns)
	return int64(d - d.Round(time.Second))
}

// now is CLOCK_REALTIME and CLOCK_MONOTONIC at one moment: of some tries, that in which the
// least time passed.
func now() (real, mono int64) {
	least := int64(1 << 62)
	for range 5 {
		before := media.Now()
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_REALTIME, &t); err != nil {
			panic(err) // there is always one
		}
		if width := media.Now() - before; width < least {
			least, real, mono = width, t.Nano(), before+width/2
		}
	}
	return real, mono
}

// steered is a clock as test/bench/steered has it.
type steered struct {
	turn         uint64
	since, value int64
	rate         float64
}

func openSteered(name string) (*steered, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, int(unsafe.Sizeof(steered{})), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return (*steered)(unsafe.Pointer(&b[0])), nil
}

// at is the clock's time when the host's is real.
func (s *steered) at(real int64) int64 {
	for {
		turn := atomic.LoadUint64(&s.turn)
		passed := real - s.since
		t := s.value + passed + int64(float64(passed)*s.rate)
		if turn%2 == 0 && atomic.LoadUint64(&s.turn) == turn {
			return t
		}
	}
}
