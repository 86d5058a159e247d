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
	"slices"
	"strings"
	"sync"
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
func respond(t *testing.T, in inside, name string, services ...Service) (r *Responder) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	in(func() error {
		links, err := WatchLinks(ctx, false, quiet())
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
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run(%s) = %v; want nil", name, err)
		}
	})
	return r
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
	run := avahi(t, in[1], "studio", "10.67.1.2")
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

// avahi starts a message bus and an Avahi daemon in the namespace, whose eth0 has the
// address, until the test ends.
func avahi(t *testing.T, in inside, name, address string) avahiHost {
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
	h.until(t, address, "avahi-resolve", "-4", "-n", name+".local")
	return h
}

// background starts a program and ends it with the test, or before by what it returns.
func (h avahiHost) background(t *testing.T, name string, args ...string) (end func()) {
	t.Helper()
	command := exec.Command(name, args...)
	var out bytes.Buffer
	command.Stdout, command.Stderr, command.Env = &out, &out, h.env
	h.in(command.Start)
	end = sync.OnceFunc(func() {
		command.Process.Kill()
		command.Wait()
	})
	t.Cleanup(func() {
		end()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, out.String())
		}
	})
	return end
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

// watch browses for sessions and returns a way to wait until something is reported.
func watch(t *testing.T, r *Responder) (until func(want string)) {
	t.Helper()
	all := make(chan string, 1000)
	t.Cleanup(r.Browse("_rtsp._tcp", "_ravenna_session", func(found bool, i Instance) {
		i.Interface = 0 // differs from run to run
		all <- report{Found: found, Instance: i}.String()
	}))
	var heard []string
	return func(want string) {
		t.Helper()
		for deadline := time.After(30 * time.Second); !slices.Contains(heard, want); {
			select {
			case got := <-all:
				heard = append(heard, got)
			case <-deadline:
				t.Fatalf("no report of %s, but %q", want, heard)
			}
		}
	}
}

// TestAvahiSessions has Avahi find our sessions, and us those of Avahi, from another
// host and from beside it on the same one.
func TestAvahiSessions(t *testing.T) {
	in := cable(t, [2]string{"10.67.3.1/24", "10.67.3.2/24"})
	run := avahi(t, in[1], "studio", "10.67.3.2")
	box := respond(t, in[0], "box", source("Daemon 1 Mic"))
	desk := respond(t, in[1], "desk", source("Daemon 2 Talk"))
	watchers := map[*Responder]func(string){box: watch(t, box), desk: watch(t, desk)}
	every := func(report string, own *Responder) {
		t.Helper()
		for r, until := range watchers {
			if r == own {
				until(report + " own")
			} else {
				until(report)
			}
		}
	}
	every(`found "Daemon 1 Mic" box.local 10.67.3.1:8854 [] if0`, box)
	every(`found "Daemon 2 Talk" desk.local 10.67.3.2:8854 [] if0`, desk)
	for _, want := range []string{
		`=;eth0;IPv4;Daemon\0321\032Mic;_rtsp._tcp;local;box.local;10.67.3.1;8854;`,
		`=;eth0;IPv4;Daemon\0322\032Talk;_rtsp._tcp;local;desk.local;10.67.3.2;8854;`,
	} {
		run.until(t, want, "avahi-browse", "-rpt", "--no-db-lookup", "_ravenna_session._sub._rtsp._tcp")
	}

	end := run.background(t, "avahi-publish-service", "--subtype", "_ravenna_session._sub._rtsp._tcp",
		"Büro 2.0", "_rtsp._tcp", "9010", "v=1", `q="`)
	every(`found "Büro 2.0" studio.local 10.67.3.2:9010 ["v=1" "q=\""] if0`, nil)
	end()
	every(`gone "Büro 2.0" studio.local 10.67.3.2:9010 ["v=1" "q=\""] if0`, nil)

	withdraw := box.Publish(source("Daemon 1 Line"))
	every(`found "Daemon 1 Line" box.local 10.67.3.1:8854 [] if0`, box)
	withdraw()
	every(`gone "Daemon 1 Line" box.local 10.67.3.1:8854 [] if0`, box)
}

// TestLateBrowser finds what was announced long before, although Avahi shares the
// port: a unicast answer may go to either. There is more than fits into one packet.
func TestLateBrowser(t *testing.T) {
	in := cable(t, [2]string{"10.67.4.1/24", "10.67.4.2/24"})
	run := avahi(t, in[1], "studio", "10.67.4.2")
	var sources []Service
	for i := range 64 {
		sources = append(sources, source(fmt.Sprintf("Daemon 1 Mic %d", i)))
	}
	respond(t, in[0], "box", sources...)
	for _, i := range []int{0, 31, 63} {
		run.until(t, fmt.Sprintf(`=;eth0;IPv4;Daemon\0321\032Mic\032%d;_rtsp._tcp;local;box.local;10.67.4.1;8854;`, i),
			"avahi-browse", "-rpt", "--no-db-lookup", "_rtsp._tcp")
	}
	until := watch(t, respond(t, in[1], "desk"))
	for i := range 64 {
		until(fmt.Sprintf(`found "Daemon 1 Mic %d" box.local 10.67.4.1:8854 [] if0`, i))
	}
}
