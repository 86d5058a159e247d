package ptp

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// fakeCard is a network card with timestamps.
type fakeCard struct {
	is  unix.EthtoolTsInfo
	now unix.HwTstampConfig
	// widens is a filter that it takes instead of what it is asked for; fault is why
	// it takes none. mute are drivers that can be set, but not asked.
	widens      int32
	noInfo      error
	fault, mute error
	sets        int
}

func (c *fakeCard) info() (*unix.EthtoolTsInfo, error) { i := c.is; return &i, c.noInfo }
func (c *fakeCard) config() (*unix.HwTstampConfig, error) {
	now := c.now
	return &now, c.mute
}

func (c *fakeCard) configure(to *unix.HwTstampConfig) error {
	if c.fault != nil {
		return c.fault
	}
	if c.widens != 0 && to.Rx_filter != 0 {
		to.Rx_filter = c.widens
	}
	c.now, c.sets = *to, c.sets+1
	return nil
}

// able is what a card says that takes all timestamps of some filters.
func able(filters ...int32) unix.EthtoolTsInfo {
	i := unix.EthtoolTsInfo{So_timestamping: needed | unix.SOF_TIMESTAMPING_SOFTWARE, Phc_index: 3, Tx_types: 1<<unix.HWTSTAMP_TX_OFF | 1<<unix.HWTSTAMP_TX_ON}
	for _, f := range filters {
		i.Rx_filters |= 1 << f
	}
	return i
}

// TestEnable checks how cards are set, and set back.
func TestEnable(t *testing.T) {
	set := func(tx, rx int32) unix.HwTstampConfig { return unix.HwTstampConfig{Tx_type: tx, Rx_filter: rx} }
	const (
		on   = unix.HWTSTAMP_TX_ON
		none = unix.HWTSTAMP_FILTER_NONE
		all  = unix.HWTSTAMP_FILTER_ALL
		l4   = unix.HWTSTAMP_FILTER_PTP_V2_L4_EVENT
		v2   = unix.HWTSTAMP_FILTER_PTP_V2_EVENT
		l2   = unix.HWTSTAMP_FILTER_PTP_V2_L2_EVENT
	)
	noTX := able(all)
	noTX.Tx_types = 1 << unix.HWTSTAMP_TX_OFF
	noClock := able(all)
	noClock.Phc_index = -1
	noRaw := able(all)
	noRaw.So_timestamping = unix.SOF_TIMESTAMPING_SOFTWARE
	for _, test := range []struct {
		name string
		card fakeCard
		// want is what it is set to, and after when that is set back.
		want, after unix.HwTstampConfig
		fault       string
	}{
		{"all events", fakeCard{is: able(none, l4, v2)}, set(on, v2), set(0, 0), ""},
		{"UDP only", fakeCard{is: able(none, l4)}, set(on, l4), set(0, 0), ""},
		{"everything", fakeCard{is: able(none, all)}, set(on, all), set(0, 0), ""},
		{"more than asked for", fakeCard{is: able(v2), widens: all}, set(on, all), set(0, 0), ""},
		{"on already", fakeCard{is: able(v2, all), now: set(on, all)}, set(on, all), set(on, all), ""},
		{"on for others", fakeCard{is: able(v2, l2), now: set(on, l2)}, set(on, v2), set(on, l2), ""},
		{"one-step for others", fakeCard{is: able(v2), now: set(unix.HWTSTAMP_TX_ONESTEP_SYNC, v2)}, set(on, v2), set(unix.HWTSTAMP_TX_ONESTEP_SYNC, v2), ""},
		{"cannot be asked", fakeCard{is: able(v2), mute: unix.EOPNOTSUPP}, set(on, v2), set(on, v2), ""},
		{"less than asked for", fakeCard{is: able(v2), widens: l2}, set(0, 0), set(0, 0), "too few timestamps"},
		{"no rights", fakeCard{is: able(v2), fault: unix.EPERM}, set(0, 0), set(0, 0), "CAP_NET_ADMIN"},
		{"broken", fakeCard{is: able(v2), fault: unix.EIO}, set(0, 0), set(0, 0), "make the network card take timestamps: input/output"},
		{"the filter is no use", fakeCard{is: able(none, l2)}, set(0, 0), set(0, 0), errNoHardware.Error()},
		{"none of sending", fakeCard{is: noTX}, set(0, 0), set(0, 0), errNoHardware.Error()},
		{"no clock", fakeCard{is: noClock}, set(0, 0), set(0, 0), errNoHardware.Error()},
		{"of the kernel only", fakeCard{is: noRaw}, set(0, 0), set(0, 0), errNoHardware.Error()},
		{"not known to the driver", fakeCard{noInfo: unix.EOPNOTSUPP}, set(0, 0), set(0, 0), errNoHardware.Error()},
		{"gone", fakeCard{noInfo: unix.ENODEV}, set(0, 0), set(0, 0), "no such device"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := test.card
			clock, restore, err := enable(&c)
			if test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)) || test.fault == "" && (err != nil || clock != 3) {
				t.Errorf("enable = clock %d, %v; want %q", clock, err, test.fault)
			}
			if diff := cmp.Diff(test.want, c.now); diff != "" {
				t.Errorf("set (-want +got):\n%s", diff)
			}
			if err != nil {
				return
			}
			if c.widens = 0; restore() != nil {
				t.Error("setting back fails")
			}
			if diff := cmp.Diff(test.after, c.now); diff != "" {
				t.Errorf("set back (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRestoreYields has another program set the card while we use it.
func TestRestoreYields(t *testing.T) {
	c := fakeCard{is: able(unix.HWTSTAMP_FILTER_PTP_V2_EVENT)}
	_, restore, err := enable(&c)
	if err != nil {
		t.Fatal(err)
	}
	theirs := unix.HwTstampConfig{Tx_type: unix.HWTSTAMP_TX_ON, Rx_filter: unix.HWTSTAMP_FILTER_ALL}
	c.now = theirs
	if err := restore(); err != nil || c.now != theirs {
		t.Errorf("restore: %+v, %v; want theirs", c.now, err)
	}
	c.now, c.mute = unix.HwTstampConfig{}, errors.New("gone")
	if err := restore(); !errors.Is(err, c.mute) {
		t.Errorf("restore = %v; want %v", err, c.mute)
	}
}
