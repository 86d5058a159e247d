// Package ptp4l runs the PTP clock of the package linuxptp in a test's network, and asks it
// how it does.
package ptp4l

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"aes67os/test/netns"
)

// patience is how long something may take to be so.
const patience = time.Minute

// Clock is a ptp4l.
type Clock struct {
	t      netns.T
	in     *netns.Namespace
	socket string
	// Stop ends it before the test does.
	Stop func()
}

// Start starts ptp4l on eth0, with software timestamps as those are what veth has, until the
// test ends. It steers nothing, for the host's clock is everybody's. options are lines of its
// configuration.
func Start(t netns.T, in *netns.Namespace, options ...string) *Clock {
	t.Helper()
	dir := t.TempDir()
	c := &Clock{t: t, in: in, socket: filepath.Join(dir, "socket")}
	lines := append([]string{"[global]", "free_running 1", "time_stamping software", "logSyncInterval -3",
		"logMinDelayReqInterval 0", "uds_address " + c.socket}, options...)
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Stop = in.Background(exec.Command("ptp4l", "-4", "-E", "-S", "-i", "eth0", "-q", "-m", "-f", config))
	return c
}

// Until waits until one of the clock's data sets matches a pattern, and returns the
// submatches.
func (c *Clock) Until(dataSet, pattern string) []string {
	c.t.Helper()
	wanted := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); ; {
		answer := c.ask(dataSet)
		if m := wanted.FindStringSubmatch(answer); m != nil {
			return m
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("ptp4l's %s does not match %q:\n%s", dataSet, pattern, answer)
		}
	}
}

// ask asks for a data set. There is nothing in the answer while ptp4l is starting.
func (c *Clock) ask(dataSet string) (answer string) {
	c.in.Do(func() error {
		out, _ := exec.Command("pmc", "-u", "-b", "0", "-s", c.socket, "-i", c.socket+".pmc", "GET "+dataSet).CombinedOutput()
		answer = string(out)
		return nil
	})
	return answer
}

// Measures waits until the clock measures how far it is from a master, and returns the offset
// and the path delay in nanoseconds, as it prints them.
func (c *Clock) Measures() (offset, delay string) {
	c.t.Helper()
	m := c.Until("CURRENT_DATA_SET", `stepsRemoved +1\s+offsetFromMaster +(-?[1-9][0-9.]*)\s+meanPathDelay +([1-9][0-9.]*)`)
	return m[1], m[2]
}

// Follows waits until the clock's grandmaster is the one with this identity, as SDP writes it.
func (c *Clock) Follows(id string) {
	c.t.Helper()
	hex := strings.ToLower(strings.ReplaceAll(id, "-", ""))
	c.Until("PARENT_DATA_SET", "grandmasterIdentity +"+regexp.QuoteMeta(hex[:6]+"."+hex[6:10]+"."+hex[10:]))
}

// Identity is what the clock calls itself, as SDP writes it.
func (c *Clock) Identity() string {
	c.t.Helper()
	hex := strings.ToUpper(strings.ReplaceAll(c.Until("DEFAULT_DATA_SET", `clockIdentity +(\S+)`)[1], ".", ""))
	var bytes []string
	for ; hex != ""; hex = hex[2:] {
		bytes = append(bytes, hex[:2])
	}
	return strings.Join(bytes, "-")
}
