package nic

import (
	"net"
	"testing"
)

// TestFind compares what is found with what package net knows.
func TestFind(t *testing.T) {
	all, err := net.Interfaces()
	if err != nil || len(all) == 0 {
		t.Fatalf("%d interfaces, %v", len(all), err)
	}
	const up = net.FlagUp | net.FlagRunning
	for _, i := range all {
		if index, running := Find(i.Name); index != i.Index || running != (i.Flags&up == up) {
			t.Errorf("Find(%q) = %d, %v; want %d and the flags %v", i.Name, index, running, i.Index, i.Flags)
		}
	}
	for _, name := range []string{"", "nothere", "a name that is too long for an interface"} {
		if index, running := Find(name); index != 0 || running {
			t.Errorf("Find(%q) = %d, %v; want nothing", name, index, running)
		}
	}
	if n := testing.AllocsPerRun(100, func() { Find(all[0].Name) }); n > 1 {
		t.Errorf("%v allocations; want 1 at most", n)
	}
}
