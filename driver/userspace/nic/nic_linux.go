// Package nic looks for network interfaces, as often as one likes: unlike package net it makes
// next to no garbage.
package nic

import "golang.org/x/sys/unix"

// Find returns the index of the network interface of that name, above 0, and whether it is up
// and has a carrier. The index is 0 if there is no such interface. It looks in the network
// namespace of the calling thread.
func Find(name string) (index int, running bool) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, false // no interface can have such a name
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	if unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request) != nil {
		return 0, false
	}
	index = int(request.Uint32())
	if unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request) != nil {
		return 0, false
	}
	const up = unix.IFF_UP | unix.IFF_RUNNING
	return index, request.Uint16()&up == up
}
