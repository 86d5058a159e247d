package ptp

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"
)

// card is what a network card is asked about timestamps. It is an interface for tests, as
// few cards have them.
type card interface {
	// info is what it can do (ETHTOOL_GET_TS_INFO).
	info() (*unix.EthtoolTsInfo, error)
	// config is what it does (SIOCGHWTSTAMP), and configure changes that (SIOCSHWTSTAMP) and
	// c to what it does now, which may be more.
	config() (*unix.HwTstampConfig, error)
	configure(c *unix.HwTstampConfig) error
}

// needed are the kinds of timestamps that we ask of the socket.
const needed = unix.SOF_TIMESTAMPING_TX_HARDWARE | unix.SOF_TIMESTAMPING_RX_HARDWARE | unix.SOF_TIMESTAMPING_RAW_HARDWARE

// filters are the settings of what received packets get a timestamp that will do. The
// first also does for others, who use PTP without UDP.
var filters = []int32{
	unix.HWTSTAMP_FILTER_PTP_V2_EVENT, unix.HWTSTAMP_FILTER_PTP_V2_L4_EVENT, unix.HWTSTAMP_FILTER_ALL,
}

// goodEnough tells whether a card that is set so serves us. TX_ONESTEP_SYNC does not: our
// Syncs are two-step.
func goodEnough(c *unix.HwTstampConfig) bool {
	return c.Tx_type == unix.HWTSTAMP_TX_ON && slices.Contains(filters, c.Rx_filter)
}

// enable makes a card take timestamps and returns the number of its clock. A setting of
// another program that will do stays as it is. restore sets back what we have set, unless
// somebody has set something else since.
func enable(c card) (clock int32, restore func() error, err error) {
	info, err := c.info()
	if errors.Is(err, unix.EOPNOTSUPP) || err == nil && (info.So_timestamping&needed != needed || info.Phc_index < 0) {
		return 0, nil, errNoHardware
	}
	if err != nil {
		return 0, nil, fmt.Errorf("ask the network card for its timestamps: %w", err)
	}
	// Old drivers can be set, but not asked.
	before, unknown := c.config()
	if unknown == nil && goodEnough(before) {
		return info.Phc_index, func() error { return nil }, nil
	}
	ours, err := choose(c, info)
	if err != nil {
		return 0, nil, err
	}
	restore = func() error {
		if unknown != nil {
			return nil
		}
		if now, err := c.config(); err != nil || *now != ours {
			return err
		}
		return c.configure(before)
	}
	if !goodEnough(&ours) {
		return 0, nil, errors.Join(fmt.Errorf("the network card takes too few timestamps: type %d, filter %d", ours.Tx_type, ours.Rx_filter), restore())
	}
	return info.Phc_index, restore, nil
}

// choose sets the first filter that the card has, and returns what it has made of that.
func choose(c card, info *unix.EthtoolTsInfo) (unix.HwTstampConfig, error) {
	for _, filter := range filters {
		if info.Rx_filters&(1<<filter) == 0 || info.Tx_types&(1<<unix.HWTSTAMP_TX_ON) == 0 {
			continue
		}
		ours := unix.HwTstampConfig{Tx_type: unix.HWTSTAMP_TX_ON, Rx_filter: filter}
		err := c.configure(&ours)
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("make the network card take timestamps: needs CAP_NET_ADMIN: %w", err)
		} else if err != nil {
			err = fmt.Errorf("make the network card take timestamps: %w", err)
		}
		return ours, err
	}
	return unix.HwTstampConfig{}, fmt.Errorf("%w that takes the time of PTP packets", errNoHardware)
}
