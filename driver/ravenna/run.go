package ravenna

import (
	"context"
	"fmt"
	"time"

	"aes67os/driver"
)

// run is what Run's goroutine knows. Nothing else touches it: whoever wants something
// sends a function to requests, and so commands go to the module one after the other.
type run struct {
	*Driver
	emit     func(driver.Event)
	requests chan func(*run)
	done     chan struct{}
	// want is the configuration, with what has been changed since.
	want driver.Config

	// link is nil while there is no module, and down tells why.
	link *link
	down error
	// told is the reason last given to Unavailable, empty when it is available.
	told string

	abi abi
	ptp driver.PTPStatus
	// streams has the module's handles of the legs of each stream.
	streams map[driver.Handle][]uint64
}

// loop looks for the module and drives it until ctx ends.
func (r *run) loop(ctx context.Context) {
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		if r.down = r.connect(); r.down == nil {
			pause = retryMin
			if r.down = r.serve(ctx); r.down == nil {
				return
			}
		}
		if reason := r.down.Error(); reason != r.told {
			r.told = reason
			r.emit(driver.Unavailable{Err: r.down})
		}
		if !r.wait(ctx, pause) {
			return
		}
	}
}

// wait passes time without a module. It returns false when ctx has ended.
func (r *run) wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case request := <-r.requests:
			request(r)
		}
	}
}

// connect finds the module and makes it ready for streams.
func (r *run) connect() error {
	commands, events, err := r.dial(r.port)
	if err != nil {
		return err
	}
	r.link = newLink(r.log, r.port, commands, events)
	r.streams, r.ptp = make(map[driver.Handle][]uint64), driver.PTPStatus{}
	if err := r.begin(); err != nil {
		r.disconnect()
		return err
	}
	return nil
}

// begin says Hello and then, in the order that the module expects, everything it has to
// know.
func (r *run) begin() error {
	if err := r.link.ask(msgHello, nil); err != nil {
		return err
	}
	data, err := r.link.command(msgGetPTPStatus, nil)
	if err != nil {
		return err
	}
	if r.abi, _, err = ptpStatus(data); err != nil {
		return err
	}
	if n := r.abi.interfaces(); len(r.want.Interfaces) > n {
		r.log.Warn("the RAVENNA kernel module knows fewer network interfaces than are configured",
			"module", n, "configured", len(r.want.Interfaces))
	}
	for _, step := range []struct {
		id   messageID
		data []byte
	}{
		{msgStart, nil},
		{msgReset, nil},
		{msgSetInterfaceName, r.abi.interfaceNames(r.want.Interfaces)},
		{msgSetPTPConfig, ptpConfig(r.want.PTP)},
		{msgSetTICFrameSizeAt1FS, u64(uint64(r.want.TICFrameSizeAt1FS))},
		{msgSetPlayoutDelay, u32(r.want.PlayoutDelay)},
		{msgSetMaxTICFrameSize, u64(uint64(r.want.MaxTICFrameSize))},
	} {
		if err := r.link.ask(step.id, step.data); err != nil {
			return err
		}
	}
	return nil
}

// ptpConfig is the data of SetPTPConfig.
func ptpConfig(c driver.PTPConfig) []byte { return []byte{c.Domain, c.DSCP} }

// serve drives the module. It returns nil when ctx has ended, or why the module is gone.
func (r *run) serve(ctx context.Context) error {
	defer r.disconnect()
	r.log.Info("RAVENNA kernel module connected", "abi", int(r.abi))
	r.told = ""
	r.emit(driver.Available{})
	r.poll()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.link.lost:
			return r.link.cause
		case request := <-r.requests:
			// What an application asked for was before it, and a rate of ours goes over that.
			select {
			case hz := <-r.link.rates:
				r.follow(hz)
			default:
			}
			request(r)
		case hz := <-r.link.rates:
			r.follow(hz)
		case <-tick.C:
			r.poll()
		}
	}
}

// disconnect stops audio, takes leave of the module if it is still there, and lets go of
// the sockets.
func (r *run) disconnect() {
	leave := []messageID{msgStop, msgBye}
	if len(r.streams) > 0 {
		leave = append([]messageID{msgReset}, leave...)
	}
	for _, id := range leave {
		if err := r.link.ask(id, nil); err != nil {
			r.log.Debug("taking leave of the RAVENNA kernel module", "id", id, "err", err)
			break
		}
	}
	r.link.close()
	r.link, r.streams = nil, nil
}

// ask gives the module a command, if there is one.
func (r *run) ask(id messageID, data []byte) error {
	if err := r.available(); err != nil {
		return err
	}
	return r.link.ask(id, data)
}

// available is the error of a method that cannot do anything now.
func (r *run) available() error {
	if r.link == nil {
		return fmt.Errorf("%w: %w", driver.ErrUnavailable, r.down)
	}
	return nil
}

// poll asks for the state of the clock.
func (r *run) poll() {
	data, err := r.link.command(msgGetPTPStatus, nil)
	if err == nil {
		var status driver.PTPStatus
		if _, status, err = ptpStatus(data); err == nil {
			r.clock(status)
			return
		}
	}
	r.link.lose(err)
}

// clock takes note of the state of the clock. A clock that has locked is the occasion to
// set the sample rate.
func (r *run) clock(status driver.PTPStatus) {
	before := r.ptp
	if status == before {
		return
	}
	r.ptp = status
	r.emit(status)
	if status.Lock == driver.Locked && before.Lock != driver.Locked {
		r.follow(r.want.SampleRate)
	}
}

// follow changes the sample rate to one that an application asked for, and tells when
// it has become another than the one wanted. The application waits for it: it is our
// command that changes the rate, and not the event before.
func (r *run) follow(hz uint32) {
	before := r.want.SampleRate
	r.want.SampleRate = hz
	if err := r.applyRate(); err != nil {
		r.log.Warn("sample rate not changed", "hz", hz, "err", err)
	}
	if r.want.SampleRate != before {
		r.emit(driver.SampleRate(r.want.SampleRate))
	}
}

// applyRate makes the module run at the rate wanted, if the clock is locked; until then
// the module would wait for 32 s. While an application has the sound card open the module
// stays at its rate, though it answers that all is well; then that is the one wanted.
func (r *run) applyRate() error {
	if err := r.available(); err != nil || r.ptp.Lock != driver.Locked {
		return err
	}
	want := r.want.SampleRate
	hz, err := r.rate()
	if err != nil || hz == want {
		return err
	}
	if err := r.link.ask(msgSetSampleRate, u32(want)); err != nil {
		return err
	}
	if hz, err = r.rate(); err != nil || hz == want {
		return err
	}
	r.want.SampleRate = hz
	return fmt.Errorf("%w: the sound card stays at %d Hz instead of %d while an application has it open; close it", driver.ErrRefused, hz, want)
}

// rate is the sample rate that the module runs at, in Hz.
func (r *run) rate() (uint32, error) {
	data, err := r.link.command(msgGetSampleRate, nil)
	if err != nil {
		return 0, err
	}
	return readU32(msgGetSampleRate, data)
}
