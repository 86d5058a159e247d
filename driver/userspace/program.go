package userspace

import (
	"fmt"

	"aes67os/driver"
	"aes67os/driver/userspace/port"
	"aes67os/driver/userspace/realtime"
)

// CheckPorts tells what is wrong with a description of ports, whose syntax is that of
// [port.ParsePorts]. The error is driver.ErrInvalid.
func CheckPorts(text string) error {
	_, err := port.ParsePorts(text)
	return err
}

// CheckCPUs tells what is wrong with a list of processors, whose syntax is that of
// [realtime.ParseCPUs]. The error is driver.ErrInvalid.
func CheckCPUs(text string) error {
	_, err := parseCPUs(text)
	return err
}

func parseCPUs(text string) ([]int, error) {
	cpus, err := realtime.ParseCPUs(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", driver.ErrInvalid, err)
	}
	return cpus, nil
}
