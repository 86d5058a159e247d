package mdns

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// These tests use real sockets in network namespaces that they make, joined by a
// cable (a veth pair), and so need root.

// inside runs something in a network namespace and fails the test on an error.
type inside func(func() error)

// cable joins two new namespaces. Each end has the address given.
func cable(t *testing.T, addresses [2]string) (in [2]inside) {
	t.Helper()
	for i := range in {
		in[i] = namespace(t)
	}
	var other netns.NsHandle
	in[1](func() (err error) {
		other, err = netns.Get()
		return err
	})
	defer other.Close()
	in[0](func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(other),
		})
	})
	for i := range in {
		in[i](func() error { return configure("eth0", addresses[i]) })
		in[i](func() error { return configure("lo", "127.0.0.1/8") })
	}
	return in
}

// configure gives an interface an address and takes it up.
func configure(name, address string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(address)
	if err != nil {
		return err
	}
	if err := netlink.AddrReplace(l, a); err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

// namespace makes a network namespace, which lasts as long as the test or a socket in it.
func namespace(t *testing.T) inside {
	t.Helper()
	work, done := make(chan func() error), make(chan error)
	go func() {
		// Never unlocked: the thread is spoilt and ends with the goroutine.
		runtime.LockOSThread()
		for f := range work {
			done <- f()
		}
	}()
	t.Cleanup(func() { close(work) })
	in := func(f func() error) {
		t.Helper()
		work <- f
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	in(func() error {
		ns, err := netns.New()
		if err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		return ns.Close() // the thread keeps it
	})
	return in
}

// respond runs a responder on the real links of a namespace until the test ends.
func respond(t *testing.T, in inside, name string, services ...Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var r *Responder
	in(func() error {
		links, err := WatchLinks(ctx, quiet())
		if err != nil {
			return err
		}
		socket, err := Open(ctx)
		if err != nil {
			return err
		}
		r = New(name, socket, links, quiet())
		return nil
	})
	for _, s := range services {
		r.Publish(s)
	}
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run(%s) = %v; want nil", name, err)
		}
		done <- nil
	}
	t.Cleanup(stop)
	return stop
}

// resolve asks the group until somebody answers, as an ordinary DNS client would.
func resolve(t *testing.T, in inside, m *dns.Msg) *dns.Msg {
	t.Helper()
	var answer *dns.Msg
	in(func() error {
		client := &dns.Client{Net: "udp4", Timeout: 500 * time.Millisecond}
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
			conn, err := net.ListenPacket("udp4", ":0")
			if err != nil {
				return err
			}
			// An unconnected socket: the answer comes from the responder's address,
			// not from the group's.
			answer, _, err = client.ExchangeWithConn(m, &dns.Conn{Conn: toGroup{conn}})
			conn.Close()
			if err == nil {
				return nil
			}
		}
		return fmt.Errorf("nobody answers %s", m.Question[0].Name)
	})
	return answer
}

// toGroup is a connection to whoever is in the group.
type toGroup struct{ net.PacketConn }

func (g toGroup) Read(b []byte) (int, error) {
	n, _, err := g.ReadFrom(b)
	return n, err
}
func (g toGroup) Write(b []byte) (int, error) {
	return g.WriteTo(b, &net.UDPAddr{IP: Group.AsSlice(), Port: Port})
}
func (g toGroup) RemoteAddr() net.Addr { return &net.UDPAddr{IP: Group.AsSlice(), Port: Port} }

// routeGroup tells the kernel by which link a program reaches the group that does
// not say so itself.
func routeGroup() error {
	l, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	group := &net.IPNet{IP: Group.AsSlice(), Mask: net.CIDRMask(32, 32)}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: group})
}

func TestOnTheWire(t *testing.T) {
	in := cable(t, [2]string{"10.67.0.1/24", "10.67.0.2/24"})
	respond(t, in[0], "box", page)
	q := query("box.local.", dns.TypeA)
	q.Id = 99
	in[1](routeGroup)
	answer := resolve(t, in[1], q)
	if diff := cmp.Diff([]string{"10 box.local. A 10.67.0.1"}, texts(answer.Answer...)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}

	// The kernel tells of a new address.
	in[0](func() error { return configure("eth0", "10.67.0.7/24") })
	for deadline := time.Now().Add(20 * time.Second); len(answer.Answer) != 2; {
		if time.Now().After(deadline) {
			t.Fatalf("answers %v; want the new address too", answer.Answer)
		}
		answer = resolve(t, in[1], q)
	}
}

// TestSocket checks what a socket tells of a packet: the link, the sender, and
// whether it was sent to all.
func TestSocket(t *testing.T) {
	in := cable(t, [2]string{"10.67.2.1/24", "10.67.2.2/24"})
	var sockets [2]*Socket
	var link [2]int
	for i := range sockets {
		in[i](func() error {
			l, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			link[i] = l.Attrs().Index
			if sockets[i], err = Open(t.Context()); err != nil {
				return err
			}
			return sockets[i].Join(link[i])
		})
		defer sockets[i].Close()
	}
	from := netip.MustParseAddrPort("10.67.2.1:5353")
	for _, test := range []struct {
		to    netip.AddrPort
		group bool
	}{
		{netip.AddrPortFrom(Group, Port), true},
		{netip.MustParseAddrPort("10.67.2.2:5353"), false},
	} {
		if err := sockets[0].Send(Packet{Link: link[0], Peer: test.to, Data: []byte("hello")}); err != nil {
			t.Fatal(err)
		}
		got, err := sockets[1].Receive()
		if err != nil {
			t.Fatal(err)
		}
		want := Packet{Link: link[1], Peer: from, Group: test.group, Data: []byte("hello")}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("sent to %s (-want +got):\n%s", test.to, diff)
		}
	}
	if err := sockets[1].Leave(link[1]); err != nil {
		t.Error(err)
	}
}

// TestAvahi has the most common responder as the other host: it must find our names,
// and we must give way to its own. Needs avahi-daemon, avahi-utils and dbus-daemon.
func TestAvahi(t *testing.T) {
	in := cable(t, [2]string{"10.67.1.1/24", "10.67.1.2/24"})
	run := avahi(t, in[1], "studio")
	respond(t, in[0], "studio", page) // Avahi was there first
	run.until(t, "10.67.1.1", "avahi-resolve", "-4", "-n", "studio-2.local")
	run.until(t, "10.67.1.2", "avahi-resolve", "-4", "-n", "studio.local")
	// The instance is another name, and Avahi has no service of it.
	run.until(t, `=;eth0;IPv4;studio;_http._tcp;local;studio-2.local;10.67.1.1;80;"path=/"`,
		"avahi-browse", "--resolve", "--parsable", "--no-db-lookup", "--terminate", "_http._tcp")

	// Beside Avahi on one host, both answer.
	respond(t, in[1], "desk")
	in[0](routeGroup)
	for name, want := range map[string]string{"studio.local.": "10.67.1.2", "desk.local.": "10.67.1.2"} {
		q := query(name, dns.TypeA)
		q.Id = 7
		if got := resolve(t, in[0], q); len(got.Answer) == 0 || got.Answer[0].(*dns.A).A.String() != want {
			t.Errorf("%s: %v; want %s", name, got.Answer, want)
		}
	}
}

// avahiHost runs programs beside an Avahi of their own.
type avahiHost struct {
	in  inside
	env []string
}

// avahi starts a message bus and an Avahi daemon in the namespace until the test ends.
func avahi(t *testing.T, in inside, name string) avahiHost {
	t.Helper()
	dir := t.TempDir()
	bus := "unix:path=" + filepath.Join(dir, "bus")
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	busConfig := write("bus.conf", `<busconfig><type>system</type><listen>`+bus+`</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>`)
	config := write("avahi.conf", "[server]\nhost-name="+name+"\nuse-ipv6=no\nallow-interfaces=eth0\n")
	h := avahiHost{in: in, env: append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+bus)}
	h.background(t, "dbus-daemon", "--nofork", "--config-file="+busConfig)
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("unix", filepath.Join(dir, "bus"))
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the message bus does not come up: %v", err)
		}
		runtime.Gosched()
	}
	// Its own /run, because the place of the pid file is fixed.
	h.background(t, "unshare", "--mount", "sh", "-c", fmt.Sprintf(
		"mount -t tmpfs tmpfs /run && mkdir /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f %s", config))
	h.until(t, "10.67.1.2", "avahi-resolve", "-4", "-n", name+".local")
	return h
}

// background starts a program and ends it with the test.
func (h avahiHost) background(t *testing.T, name string, args ...string) {
	t.Helper()
	command := exec.Command(name, args...)
	var out bytes.Buffer
	command.Stdout, command.Stderr, command.Env = &out, &out, h.env
	h.in(command.Start)
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, out.String())
		}
	})
}

// until repeats a command until its output contains want.
func (h avahiHost) until(t *testing.T, want, name string, args ...string) {
	t.Helper()
	var out []byte
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		command := exec.Command(name, args...)
		command.Env = h.env
		h.in(func() error {
			out, _ = command.CombinedOutput() // it may well fail until the names are there
			return nil
		})
		if strings.Contains(string(out), want) {
			return
		}
	}
	t.Fatalf("%s %v does not print %s, but:\n%s", name, args, want, out)
}
