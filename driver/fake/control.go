package fake

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"aes67os/driver"
)

// SetPTPStatus makes the clock do as told.
func (d *Driver) SetPTPStatus(s driver.PTPStatus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ptp == s {
		return
	}
	d.ptp = s
	if d.down == nil {
		d.tell(s)
	}
}

// SetRate changes the sample rate, in Hz, as an application does that opens the
// sound card.
func (d *Driver) SetRate(hz uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.config.SampleRate == hz || d.available() != nil {
		return
	}
	d.config.SampleRate = hz
	d.tell(driver.SampleRate(hz))
}

// Interrupt makes the driver unavailable, as unloading a kernel module does. Nil is
// as good as any other reason.
func (d *Driver) Interrupt(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err = cmp.Or(err, errors.New("interrupted"))
	if d.down != nil && d.down.Error() == err.Error() {
		return
	}
	d.down = err
	clear(d.streams)
	d.tell(driver.Unavailable{Err: err})
}

// Restore ends what Interrupt began.
func (d *Driver) Restore() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down == nil {
		return
	}
	d.down = nil
	d.begin()
}

// Fail has streams refused with the errors of refuse; those for which it returns nil
// are added. A nil function refuses none.
func (d *Driver) Fail(refuse func(driver.Stream) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse = refuse
}

// Streams are those there now, sources first, by id.
func (d *Driver) Streams() []driver.Stream {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.SortedFunc(maps.Values(d.streams), func(a, b driver.Stream) int {
		if a.Source != b.Source {
			if a.Source {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.ID, b.ID)
	})
}

// Config is as Run was given it, with what has been changed since.
func (d *Driver) Config() driver.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.config
}
