// Package watchdog feeds the machine's hardware watchdog: a timer, opened as
// /dev/watchdog, that resets the machine unless it is written to in time. It is
// the last means against a hung kernel or a dead init, and, because it is fed
// only while the services are healthy, against services that no restart helps.
//
// Opening the device starts the timer. Closing it leaves the timer running
// unless 'V' was written just before (the kernel's
// Documentation/watchdog/watchdog-api.rst, "Magic Close feature"). So there are
// three ways to end: a power-off stops the timer (Disarm), since it would switch
// the machine on again; a reboot gives it a longer time and leaves it running
// (ArmForReboot), so that a reboot that hangs is cut short; and when init dies it
// runs out.
//
// The device may come late, with a module that is loaded by its hardware's alias
// after init has started, so a missing device is waited for. What the tests
// cannot show is the hardware's part: that a machine is really reset, which
// timeouts a driver takes, and that its timer goes on through a reboot.
package watchdog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"
)

// DefaultPath is the first watchdog's device.
const DefaultPath = "/dev/watchdog"

// DefaultTimeout is within the reach of all watchdogs that boards have; the
// Allwinner H5's longest is 16 s.
const DefaultTimeout = 15 * time.Second

const (
	// lookAgain is how long to wait before looking for the device again.
	lookAgain = time.Second
	// unknownTimeout is taken for the timeout of a driver that neither takes
	// nor tells one. It is short to be safe: drivers have 10 s and more.
	unknownTimeout = 3 * time.Second
)

// Options say what to feed, and when.
type Options struct {
	// Path is the device; empty is DefaultPath.
	Path string
	// Timeout is how long the machine may go unfed, in whole seconds; 0 is
	// DefaultTimeout.
	Timeout time.Duration
	// Healthy tells whether to feed it. It is asked three times in each timeout.
	Healthy func() bool
	// Log gets a line when the watchdog is found, and at every change of
	// whether it is fed.
	Log *slog.Logger

	// open is replaced in tests.
	open func(path string) (device, error)
}

// device is an open watchdog.
type device interface {
	// feed starts the timer anew.
	feed() error
	// setTimeout asks for a timeout. The driver may choose a near one.
	setTimeout(time.Duration) error
	// timeout returns the one in force.
	timeout() (time.Duration, error)
	// name is what the driver calls itself.
	name() string
	// disarm makes the next close stop the timer.
	disarm() error
	close() error
}

// Watchdog feeds one device. Run comes first; when it has returned, Disarm or
// ArmForReboot may follow.
type Watchdog struct {
	options Options
	// device is nil while there is none.
	device device
	// complaint is the last problem with opening that was logged, so that it is
	// logged once.
	complaint string
}

// New returns a Watchdog that does nothing yet.
func New(o Options) *Watchdog {
	if o.Path == "" {
		o.Path = DefaultPath
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.open == nil {
		o.open = openDevice
	}
	return &Watchdog{options: o}
}

// Run waits for the device, and feeds it while the services are healthy, until
// ctx ends. The timer runs on then.
func (w *Watchdog) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if w.device == nil && !w.find() {
			sleep(ctx, lookAgain)
			continue
		}
		if err := w.feed(ctx); err != nil {
			w.options.Log.Error("the hardware watchdog cannot be fed, the machine may reset", "err", err)
			w.device.close()
			w.device = nil
			sleep(ctx, lookAgain)
		}
	}
}

// Disarm stops the timer, for a power-off. Without a device it does nothing.
func (w *Watchdog) Disarm() error {
	if w.device == nil {
		return nil
	}
	d := w.device
	w.device = nil
	if err := errors.Join(d.disarm(), d.close()); err != nil {
		return fmt.Errorf("stop the hardware watchdog, which may reset the machine: %w", err)
	}
	return nil
}

// ArmForReboot feeds the timer once more and leaves it running with a timeout of
// at most most, as near as the driver takes, so that a reboot which hangs ends in
// a reset. Without a device it does nothing.
func (w *Watchdog) ArmForReboot(most time.Duration) error {
	if w.device == nil {
		return nil
	}
	d := w.device
	w.device = nil
	// Drivers refuse what is beyond them. The timeout so far is kept if they
	// take nothing longer.
	for more := most - w.options.Timeout; more >= time.Second; more /= 2 {
		if d.setTimeout((w.options.Timeout + more).Truncate(time.Second)) == nil {
			break
		}
	}
	if err := errors.Join(d.feed(), d.close()); err != nil {
		return fmt.Errorf("leave the hardware watchdog for the reboot: %w", err)
	}
	return nil
}

// find opens the device if it is there.
func (w *Watchdog) find() bool {
	d, err := w.options.open(w.options.Path)
	if err != nil {
		// That there is none, or none yet, is no complaint.
		if text := err.Error(); text != w.complaint && !errors.Is(err, fs.ErrNotExist) {
			w.complaint = text
			w.options.Log.Warn("the hardware watchdog cannot be opened", "err", err)
		}
		return false
	}
	w.device, w.complaint = d, ""
	if err := d.setTimeout(w.options.Timeout); err != nil {
		w.options.Log.Warn("the hardware watchdog does not take the timeout", "timeout", w.options.Timeout, "err", err)
	}
	w.options.Log.Info("the hardware watchdog is armed", "driver", d.name(), "timeout", w.timeout())
	return true
}

// timeout returns the device's timeout, or a safe guess.
func (w *Watchdog) timeout() time.Duration {
	t, err := w.device.timeout()
	if err != nil || t <= 0 {
		return unknownTimeout
	}
	return t
}

// feed feeds the device until ctx ends, or feeding fails.
func (w *Watchdog) feed(ctx context.Context) error {
	ticker := time.NewTicker(w.timeout() / 3)
	defer ticker.Stop()
	feeding := true
	for {
		if healthy := w.options.Healthy(); healthy != feeding {
			feeding = healthy
			if healthy {
				w.options.Log.Info("services are healthy again, the hardware watchdog is fed")
			} else {
				w.options.Log.Error("services are not healthy, the hardware watchdog is not fed any more", "reset_in", w.timeout())
			}
		}
		if feeding {
			if err := w.device.feed(); err != nil {
				return err
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// sleep waits for d, or less when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
