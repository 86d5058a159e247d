package port

import (
	"fmt"
	"strconv"
	"strings"

	"aes67os/driver"
)

// parseChannels reads channels as people count them, "1-4,7,-", into what the rest of the
// program counts from 0. A lone "-" is [driver.Unmapped].
func parseChannels(text string) ([]int, error) {
	var channels []int
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "-" {
			channels = append(channels, driver.Unmapped)
		} else {
			first, last, isRange := strings.Cut(item, "-")
			if !isRange {
				last = first
			}
			a, errA := channelNumber(first)
			b, errB := channelNumber(last)
			if errA != nil || errB != nil || b < a {
				return nil, fmt.Errorf("%q is not a channel from 1 to %d, nor a range such as 1-2", item, driver.MaxChannels)
			}
			for c := a; c <= b; c++ {
				channels = append(channels, c-1)
			}
		}
		if len(channels) > driver.MaxChannels {
			return nil, fmt.Errorf("more than %d channels", driver.MaxChannels)
		}
	}
	return channels, nil
}

func channelNumber(text string) (int, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	if err != nil || n < 1 || n > driver.MaxChannels {
		return 0, strconv.ErrRange
	}
	return int(n), nil
}

// channelText is what parseChannels reads.
func channelText(channels []int) string {
	var items []string
	for i := 0; i < len(channels); {
		c, run := channels[i], 1
		if c == driver.Unmapped {
			items = append(items, "-")
		} else {
			for i+run < len(channels) && channels[i+run] == c+run {
				run++
			}
			item := strconv.Itoa(c + 1)
			if run > 1 {
				item += "-" + strconv.Itoa(c+run)
			}
			items = append(items, item)
		}
		i += run
	}
	return strings.Join(items, ",")
}
