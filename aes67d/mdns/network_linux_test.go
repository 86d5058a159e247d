package mdns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"aes67os/test/avahi"
	"aes67os/test/background"
	"aes67os/test/netns"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"
)

// These tests use real sockets in network namespaces that they make, and so need root.

// respond runs a responder on the real links of a namespace until the test ends.
func respond(t *testing.T, in *netns.Namespace, name string, services ...Service) (r *Responder) {
	t.Helper()
	// The links end after the responder.
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	in.Do(func() error {
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
	background.Run(t, r.Run)
	return r
}

// resolve asks the group until somebody answers, as an ordinary DNS client would.
func resolve(t *testing.T, in *netns.Namespace, m *dns.Msg) *dns.Msg {
	t.Helper()
	var answer *dns.Msg
	in.Do(func() error {
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
func routeGroup(in *netns.Namespace) {
	in.Link("eth0", func(l netlink.Link) error {
		group := &net.IPNet{IP: Group.AsSlice(), Mask: net.CIDRMask(32, 32)}
		return netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: group})
	})
}

func TestOnTheWire(t *testing.T) {
	one, two := netns.Pair(t, "10.67.0.1/24", "10.67.0.2/24")
	respond(t, one, "box", page)
	q := query("box.local.", dns.TypeA)
	q.Id = 99
	routeGroup(two)
	answer := resolve(t, two, q)
	if diff := cmp.Diff([]string{"10 box.local. A 10.67.0.1"}, texts(answer.Answer...)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}

	// The kernel tells of a new address.
	one.Configure("eth0", "10.67.0.7/24")
	for deadline := time.Now().Add(20 * time.Second); len(answer.Answer) != 2; {
		if time.Now().After(deadline) {
			t.Fatalf("answers %v; want the new address too", answer.Answer)
		}
		answer = resolve(t, two, q)
	}
}

// TestSocket checks what a socket tells of a packet: the link, the sender, and
// whether it was sent to all.
func TestSocket(t *testing.T) {
	one, two := netns.Pair(t, "10.67.2.1/24", "10.67.2.2/24")
	var sockets [2]*Socket
	var link [2]int
	for i, in := range []*netns.Namespace{one, two} {
		link[i] = in.Index("eth0")
		in.Do(func() (err error) {
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
// and we must give way to its own.
func TestAvahi(t *testing.T) {
	one, two := netns.Pair(t, "10.67.1.1/24", "10.67.1.2/24")
	studio := avahi.Start(t, two, "studio", "10.67.1.2")
	respond(t, one, "studio", page) // Avahi was there first
	studio.Resolves("studio-2.local", "10.67.1.1")
	studio.Resolves("studio.local", "10.67.1.2")
	// The instance is another name, and Avahi has no service of it.
	studio.Browse("_http._tcp").Finds(avahi.Service{
		Name: "studio", Type: "_http._tcp", Host: "studio-2.local", Address: "10.67.1.1", Port: 80, Text: `"path=/"`,
	})

	// Beside Avahi on one host, both answer.
	respond(t, two, "desk")
	routeGroup(one)
	for name, want := range map[string]string{"studio.local.": "10.67.1.2", "desk.local.": "10.67.1.2"} {
		q := query(name, dns.TypeA)
		q.Id = 7
		if got := resolve(t, one, q); len(got.Answer) == 0 || got.Answer[0].(*dns.A).A.String() != want {
			t.Errorf("%s: %v; want %s", name, got.Answer, want)
		}
	}
}

// found is what Avahi finds when a responder publishes source(name).
func found(name, host, address string) avahi.Service {
	return avahi.Service{Name: name, Type: "_rtsp._tcp", Host: host, Address: address, Port: 8854}
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
	one, two := netns.Pair(t, "10.67.3.1/24", "10.67.3.2/24")
	studio := avahi.Start(t, two, "studio", "10.67.3.2")
	box := respond(t, one, "box", source("Daemon 1 Mic"))
	desk := respond(t, two, "desk", source("Daemon 2 Talk"))
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
	studio.Browse("_ravenna_session._sub._rtsp._tcp").Finds(
		found("Daemon 1 Mic", "box.local", "10.67.3.1"), found("Daemon 2 Talk", "desk.local", "10.67.3.2"))

	end := studio.Publish("Büro 2.0", "_rtsp._tcp", "_ravenna_session", 9010, "v=1", `q="`)
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
	one, two := netns.Pair(t, "10.67.4.1/24", "10.67.4.2/24")
	studio := avahi.Start(t, two, "studio", "10.67.4.2")
	var sources []Service
	var sessions []avahi.Service
	for i := range 64 {
		name := fmt.Sprintf("Daemon 1 Mic %02d", i)
		sources = append(sources, source(name))
		sessions = append(sessions, found(name, "box.local", "10.67.4.1"))
	}
	respond(t, one, "box", sources...)
	studio.Browse("_rtsp._tcp").Finds(sessions...)
	until := watch(t, respond(t, two, "desk"))
	for i := range 64 {
		until(fmt.Sprintf(`found "Daemon 1 Mic %02d" box.local 10.67.4.1:8854 [] if0`, i))
	}
}
