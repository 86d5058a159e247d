package main

import (
	"os/exec"
	"path/filepath"
	"strconv"

	"aes67os/driver/userspace/rtp"
	"aes67os/test/netns"
)

// floor is no peer, but what the kernel takes for the same packets in any case: see
// floor/floor.c.
type floor struct {
	*cable
	program string
}

func newFloor(c *cable) talker {
	f := floor{c, filepath.Join(c.t.TempDir(), "floor")}
	if out, err := exec.Command("gcc", "-O2", "-Wall", "-o", f.program, "test/bench/floor/floor.c").CombinedOutput(); err != nil {
		c.t.Fatalf("build the floor: %v\n%s", err, out)
	}
	return f
}

func (f floor) send() int {
	return f.launch(f.sender, "send", strconv.Itoa(rtp.HeaderSize+samplesPerPacket*channels*3))
}

func (f floor) receive() int { return f.launch(f.receiver, "receive") }

func (f floor) launch(in *netns.Namespace, what string, more ...string) int {
	c := exec.Command("chrt", append([]string{"-r", "70", f.program, what, "eth0", strconv.Itoa(streams)}, more...)...)
	return launch(f.t, in, c).Process.Pid
}
