// Package avahi runs Avahi, the usual mDNS responder of Linux, as a host of a test's
// network, and asks it what it finds. It needs dbus-daemon, avahi-daemon and avahi-utils.
package avahi

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"aes67os/test/netns"
)

// patience is how long something may take to be known.
const patience = 30 * time.Second

// Host is an Avahi with a message bus of its own.
type Host struct {
	t   netns.T
	in  *netns.Namespace
	env []string
}

// Start starts Avahi in the namespace, on eth0, which has the address, until the test
// ends. The host is known by that name.
func Start(t netns.T, in *netns.Namespace, name, address string) *Host {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	bus := "unix:path=" + filepath.Join(dir, "bus")
	busConfig := write("bus.conf", `<busconfig><type>system</type><listen>`+bus+`</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>`)
	config := write("avahi.conf", "[server]\nhost-name="+name+"\nuse-ipv6=no\nallow-interfaces=eth0\n")
	h := &Host{t: t, in: in, env: append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+bus)}

	lines, _ := h.background("dbus-daemon", "--nofork", "--print-address", "--config-file="+busConfig)
	if _, ok := <-lines; !ok { // it prints its address once it listens
		t.Fatal("the message bus does not come up")
	}
	// Its own /run, because the place of the pid file is fixed.
	h.background("unshare", "--mount", "sh", "-c",
		"mount -t tmpfs tmpfs /run && mkdir /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f "+config)
	h.Resolves(name+".local", address)
	return h
}

// background starts a program and returns the lines it prints. It ends with the test, or
// before by what is returned.
func (h *Host) background(name string, arguments ...string) (lines <-chan string, end func()) {
	h.t.Helper()
	c := exec.Command(name, arguments...)
	var complaint bytes.Buffer
	c.Env, c.Stderr = h.env, &complaint
	out, err := c.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	h.in.Start(c)
	printed := make(chan string, 1000)
	go func() {
		defer close(printed)
		for r := bufio.NewScanner(out); r.Scan(); {
			printed <- r.Text()
		}
	}()
	end = sync.OnceFunc(func() {
		c.Process.Kill()
		for range printed { // all is read before Wait closes the pipe
		}
		c.Wait()
	})
	h.t.Cleanup(func() {
		end()
		if h.t.Failed() && complaint.Len() > 0 {
			h.t.Logf("%s says:\n%s", name, &complaint)
		}
	})
	return printed, end
}

// Resolves waits until Avahi knows the address of a host.
func (h *Host) Resolves(name, address string) {
	h.t.Helper()
	want := name + "\t" + address + "\n"
	for deadline := time.Now().Add(patience); ; {
		c := exec.CommandContext(h.t.Context(), "avahi-resolve", "-4", "-n", name)
		var out bytes.Buffer
		c.Env, c.Stdout, c.Stderr = h.env, &out, &out
		h.in.Start(c)
		err := c.Wait() // it may well fail until the name is there
		switch {
		case err == nil && out.String() == want:
			return
		case time.Now().After(deadline):
			h.t.Fatalf("avahi-resolve: %v, %q; want %q", err, &out, want)
		}
	}
}

// Publish has Avahi announce a service, by a subtype, too, until withdraw is called or
// the test ends.
func (h *Host) Publish(name, kind, subtype string, port int, text ...string) (withdraw func()) {
	h.t.Helper()
	arguments := append([]string{"--subtype", subtype + "._sub." + kind, name, kind, strconv.Itoa(port)}, text...)
	_, withdraw = h.background("avahi-publish-service", arguments...)
	return withdraw
}
