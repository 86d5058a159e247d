// Package avahi runs Avahi, the usual mDNS responder of Linux, as a host of a test's
// network, and asks it what it finds. It needs dbus-daemon, avahi-daemon and avahi-utils.
package avahi

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"aes67os/test/netns"

	"github.com/google/go-cmp/cmp"
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

	listens, tell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer listens.Close()
	// It prints its address once it listens.
	h.background(tell, "dbus-daemon", "--nofork", "--print-address", "--config-file="+busConfig)
	tell.Close()
	if _, err := bufio.NewReader(listens).ReadString('\n'); err != nil {
		t.Fatalf("the message bus does not come up: %v", err)
	}
	// Its own /run, because the place of the pid file is fixed.
	h.background(nil, "unshare", "--mount", "sh", "-c",
		"mount -t tmpfs tmpfs /run && mkdir /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f "+config)
	h.Resolves(name+".local", address)
	return h
}

// background starts a program, which writes its output to output unless that is nil. It
// ends with the test, or before by what is returned.
func (h *Host) background(output *os.File, name string, arguments ...string) (end func()) {
	h.t.Helper()
	c := exec.Command(name, arguments...)
	var said bytes.Buffer
	c.Stdout, c.Stderr, c.Env = &said, &said, h.env
	if output != nil {
		c.Stdout = output
	}
	h.in.Start(c)
	end = sync.OnceFunc(func() {
		c.Process.Kill()
		c.Wait()
	})
	h.t.Cleanup(func() {
		end()
		if h.t.Failed() {
			h.t.Logf("%s said:\n%s", name, &said)
		}
	})
	return end
}

// run runs one of Avahi's programs and returns what it prints.
func (h *Host) run(name string, arguments ...string) (string, error) {
	h.t.Helper()
	c := exec.CommandContext(h.t.Context(), name, arguments...)
	var out, complaint bytes.Buffer
	c.Stdout, c.Stderr, c.Env = &out, &complaint, h.env
	h.in.Start(c)
	if err := c.Wait(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, &complaint)
	}
	return out.String(), nil
}

// until asks again and again until get returns want.
func until[V any](h *Host, what string, want V, get func() (V, error)) {
	h.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		got, err := get()
		diff := cmp.Diff(want, got)
		switch {
		case err == nil && diff == "":
			return
		case time.Now().After(deadline):
			h.t.Fatalf("Avahi on %s: not within %v, %v (-want +got):\n%s", what, patience, err, diff)
		}
	}
}

// Resolves waits until Avahi knows the address of a host.
func (h *Host) Resolves(name, address string) {
	h.t.Helper()
	until(h, name, name+"\t"+address+"\n", func() (string, error) {
		return h.run("avahi-resolve", "-4", "-n", name)
	})
}

// Service is an instance of a service that Avahi has found and resolved.
type Service struct {
	Name, Type, Host, Address string
	Port                      int
	// Text has its strings, each in quotation marks, with spaces between.
	Text string
}

// Finds waits until exactly these services, by name, are known of a type, or of a
// subtype, such as _ravenna_session._sub._rtsp._tcp.
func (h *Host) Finds(kind string, want ...Service) {
	h.t.Helper()
	until(h, kind, want, func() ([]Service, error) { return h.browse(kind) })
}

func (h *Host) browse(kind string) (all []Service, err error) {
	h.t.Helper()
	out, err := h.run("avahi-browse", "--resolve", "--parsable", "--no-db-lookup", "--terminate", kind)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		// Resolved, the interface, the protocol, name, type, domain, host, address, port, text.
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ";", 10)
		if fields[0] != "=" {
			continue
		}
		if len(fields) != 10 {
			return nil, fmt.Errorf("avahi-browse prints %q", line)
		}
		port, err := strconv.Atoi(fields[8])
		if err != nil {
			return nil, fmt.Errorf("avahi-browse prints the port %q", fields[8])
		}
		all = append(all, Service{
			Name: unescape(fields[3]), Type: fields[4], Host: fields[6], Address: fields[7], Port: port, Text: fields[9],
		})
	}
	slices.SortFunc(all, func(a, b Service) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

var escaped = regexp.MustCompile(`\\([0-9]{3}|.)`)

// unescape returns a label as it is. A byte is escaped by its decimal number, or by a
// backslash alone.
func unescape(label string) string {
	return escaped.ReplaceAllStringFunc(label, func(s string) string {
		if n, err := strconv.ParseUint(s[1:], 10, 8); err == nil && len(s) == 4 {
			return string([]byte{byte(n)})
		}
		return s[1:]
	})
}

// Publish has Avahi announce a service, of a subtype, too, if that is not empty, until
// withdraw is called or the test ends.
func (h *Host) Publish(name, kind, subtype string, port int, text ...string) (withdraw func()) {
	h.t.Helper()
	var arguments []string
	if subtype != "" {
		arguments = []string{"--subtype", subtype + "._sub." + kind}
	}
	arguments = append(arguments, name, kind, strconv.Itoa(port))
	return h.background(nil, "avahi-publish-service", append(arguments, text...)...)
}
