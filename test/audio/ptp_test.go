package audio

import (
	"fmt"
	"strings"
	"testing"

	"aes67os/test/aes67d"
	"aes67os/test/netns"
	"aes67os/test/ptp4l"
)

// Identities of clocks, as ptp4l and as SDP write them.
const (
	first4l, first   = "02aaaa.fffe.000001", "02-AA-AA-FF-FE-00-00-01"
	second4l, second = "02bbbb.fffe.000002", "02-BB-BB-FF-FE-00-00-02"
)

// TestPTP has the daemon follow ptp4l, then another one in its place, then lead it. The
// grandmaster's identity is in what it tells and in the SDP of its sources.
func TestPTP(t *testing.T) {
	t.Parallel()
	one, two := netns.Pair(t, oneAddress, twoAddress)
	d := start(t, one, "", nil)
	version := ""
	described := func(grandmaster string) {
		t.Helper()
		sdp := ""
		aes67d.Until(t, "SDP with "+grandmaster, func() bool {
			sdp = d.Must("GET", "/api/source/sdp/0", "")
			return strings.Contains(sdp, "a=ts-refclk:ptp=IEEE1588-2008:"+grandmaster+":0")
		})
		var now string
		if _, err := fmt.Sscanf(sdp[strings.Index(sdp, "o=- "):], "o=- %s %s", new(string), &now); err != nil || now <= version {
			t.Errorf("the SDP's version is %s, before it was %s, %v:\n%s", now, version, err, sdp)
		}
		version = now
	}
	d.send(0, format{"L24", 48, generous}, []int{0, 1})

	const leads = "priority1 100"
	master := ptp4l.Start(t, two, leads, "clockIdentity "+first4l)
	aes67d.Until(t, "following ptp4l", func() bool { return d.ptp().GMID == first && d.ptp().Status == "locked" })
	described(first)
	master.Stop()
	master = ptp4l.Start(t, two, leads, "clockIdentity "+second4l)
	aes67d.Until(t, "following the other ptp4l", func() bool { return d.ptp().GMID == second && d.ptp().Status == "locked" })
	described(second)
	master.Stop()

	slave := ptp4l.Start(t, two, "slaveOnly 1", "clockIdentity "+first4l)
	own := d.lock(first, second)
	described(own)
	slave.Follows(own)
	slave.Measures()
}
