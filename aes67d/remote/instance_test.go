package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/aes67d/rtsp"
	"aes67os/test/background"

	"github.com/google/go-cmp/cmp"
)

// servers stands for all RTSP servers there are.
type servers struct {
	mu sync.Mutex
	// asked has when and for what connections were made.
	asked []string
	begin time.Time
	// open has the connections, by address.
	open map[netip.AddrPort]*connection
	// lives is how long a connection lives; 0 is for good.
	lives time.Duration
	sdp   string
}

type connection struct{ update func(sdp string) }

func (s *servers) follow(ctx context.Context, address netip.AddrPort, path string, update func(sdp string)) error {
	s.mu.Lock()
	s.asked = append(s.asked, fmt.Sprintf("%v %s%s", time.Since(s.begin), address, path))
	s.open[address] = &connection{update}
	first, lives := s.sdp, s.lives
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, address)
	}()
	if first != "" {
		update(first)
	}
	var end <-chan time.Time
	if lives > 0 {
		end = time.After(lives)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-end:
		return errors.New("the server has closed the connection")
	}
}

// withServers runs a test with a table that runs, in a bubble.
func withServers(t *testing.T, test func(t *testing.T, table *table, s *servers)) {
	synctest.Test(t, func(t *testing.T) {
		s := &servers{open: map[netip.AddrPort]*connection{}, begin: time.Now()}
		table := newTable()
		table.follow = s.follow
		stop := table.run()
		test(t, table, s)
		stop()
		if len(s.open) != 0 {
			t.Errorf("%d connections are left", len(s.open))
		}
	})
}

var box = Instance{Name: "box 1", Domain: "local", Address: netip.MustParseAddrPort("10.0.0.13:8854")}

func TestInstance(t *testing.T) {
	withServers(t, func(t *testing.T, table *table, s *servers) {
		check := func(what string, changes int, want ...string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(want, lines(table)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
			if table.changes != changes {
				t.Errorf("%s: told of %d changes so far; want %d", what, table.changes, changes)
			}
		}
		table.Found(box)
		check("found, has not answered", 0)
		s.open[box.Address].update(example(1, 0))
		check("described", 1, "box 1 v0 rtsp:ecfd")
		s.open[box.Address].update(example(1, 1))
		check("announced", 2, "box 1 v1 rtsp:2738")
		table.Found(box)
		s.open[box.Address].update(example(1, 1))
		check("the same again", 2, "box 1 v1 rtsp:2738")

		moved := box
		moved.Address = netip.MustParseAddrPort("10.0.0.14:8854")
		old := s.open[box.Address]
		table.Found(moved)
		check("found elsewhere", 2, "box 1 v1 rtsp:2738")
		old.update(example(1, 2))
		check("heard from where it was", 2, "box 1 v1 rtsp:2738")
		if got := table.Sources("mdns")[0].Address; got != "10.0.0.13" {
			t.Errorf("address %s before it has answered at the new one", got)
		}
		s.open[moved.Address].update(example(1, 1))
		check("described elsewhere", 3, "box 1 v1 rtsp:2738")
		if got := table.Sources("mdns")[0].Address; got != "10.0.0.14" {
			t.Errorf("address %s; want the new one", got)
		}

		last := s.open[moved.Address]
		table.Lost(box.Name, "elsewhere")
		check("another lost", 3, "box 1 v1 rtsp:2738")
		table.Lost(box.Name, box.Domain)
		check("lost", 4)
		last.update(example(1, 3))
		check("heard after it was lost", 4)
		table.Lost(box.Name, box.Domain)
		check("lost again", 4)
		want := []string{"0s 10.0.0.13:8854/by-name/box 1", "0s 10.0.0.14:8854/by-name/box 1"}
		if diff := cmp.Diff(want, s.asked); diff != "" || len(s.open) != 0 {
			t.Errorf("%d connections are open; of those made (-want +got):\n%s", len(s.open), diff)
		}
	})
}

// TestLastSeen: a source by mDNS stays however long it has nothing new to say.
func TestLastSeen(t *testing.T) {
	withServers(t, func(t *testing.T, table *table, s *servers) {
		s.sdp = example(1, 0)
		table.Found(box)
		time.Sleep(24*time.Hour + time.Second)
		got := table.Sources("mdns")
		want := []Source{{Source: "mDNS", ID: "rtsp:ecfd", Name: "box 1", Domain: "local", Address: "10.0.0.13", SDP: s.sdp, LastSeen: 86401}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestSameSDP has two instances with the same SDP: their ids differ, and stay.
func TestSameSDP(t *testing.T) {
	withServers(t, func(t *testing.T, table *table, s *servers) {
		s.sdp = example(1, 0)
		second := Instance{Name: "box 2", Domain: "local", Address: netip.MustParseAddrPort("10.0.0.14:8854")}
		table.Found(box)
		synctest.Wait()
		table.Found(second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"box 1 v0 rtsp:ecfd", "box 2 v0 rtsp:ecfd-2"}, lines(table)); diff != "" {
			t.Errorf("both (-want +got):\n%s", diff)
		}
		table.Lost(box.Name, box.Domain)
		s.open[second.Address].update(s.sdp)
		if diff := cmp.Diff([]string{"box 2 v0 rtsp:ecfd-2"}, lines(table)); diff != "" {
			t.Errorf("the second alone (-want +got):\n%s", diff)
		}
	})
}

// TestBackoff has servers that end every connection.
func TestBackoff(t *testing.T) {
	const path = " 10.0.0.13:8854/by-name/box 1"
	for _, test := range []struct {
		name  string
		lives time.Duration
		until time.Duration
		want  []string
	}{
		{"soon", time.Nanosecond, 4 * time.Minute, []string{
			"0s", "1.000000001s", "3.000000002s", "7.000000003s", "15.000000004s", "31.000000005s", "1m3.000000006s", "2m3.000000007s", "3m3.000000008s",
		}},
		{"after a while", lastAgain, 3 * time.Minute, []string{"0s", "1m1s", "2m2s"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			withServers(t, func(t *testing.T, table *table, s *servers) {
				s.lives = test.lives
				table.Found(box)
				time.Sleep(test.until)
				var want []string
				for _, at := range test.want {
					want = append(want, at+path)
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				if diff := cmp.Diff(want, s.asked); diff != "" {
					t.Errorf("connections (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestFoundBeforeRun also runs the table a second time.
func TestFoundBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &servers{open: map[netip.AddrPort]*connection{}, begin: time.Now(), sdp: example(1, 0)}
		table := newTable()
		table.follow = s.follow
		table.Found(box)
		for n := range 2 {
			stop := table.run()
			synctest.Wait()
			if len(s.asked) != n+1 || len(lines(table)) != 1 {
				t.Errorf("run %d: asked %q, has %q", n+1, s.asked, lines(table))
			}
			stop()
		}
	})
}

func TestTooManyInstances(t *testing.T) {
	table := newTable()
	for n := range maxInstances + 10 {
		table.Found(Instance{Name: fmt.Sprint(n), Domain: "local", Address: box.Address})
	}
	if len(table.instances) != maxInstances {
		t.Errorf("%d instances; want %d", len(table.instances), maxInstances)
	}
	moved := box
	moved.Name = "0"
	moved.Address = netip.MustParseAddrPort("10.0.0.14:8854")
	table.Found(moved)
	if got := table.instances[moved.key()].Address; got != moved.Address {
		t.Errorf("one that is known is at %s; want %s", got, moved.Address)
	}
}

// TestEndToEnd follows a real server: it is there, changes, restarts, and goes.
func TestEndToEnd(t *testing.T) {
	serve := func(l net.Listener, sdp string) (s *rtsp.Server, stop func()) {
		s = rtsp.NewServer(slog.New(slog.DiscardHandler))
		s.Set([]rtsp.Source{{ID: 1, Name: "Küche / daemon", SDP: sdp}})
		return s, background.Run(t, func(ctx context.Context) error { return s.Run(ctx, l) })
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := netip.MustParseAddrPort(l.Addr().String())
	changed := make(chan struct{}, 10)
	table := New(slog.New(slog.DiscardHandler), func() { changed <- struct{}{} })
	background.Run(t, func(ctx context.Context) error { table.Run(ctx); return nil })

	s, stop := serve(l, example(1, 0))
	table.Found(Instance{Name: "Küche / daemon", Domain: "local", Address: address})
	expect := func(what string, want ...string) {
		t.Helper()
		select {
		case <-changed:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: not told of a change", what)
		}
		var got []string
		for _, s := range table.Sources("mdns") {
			got = append(got, s.SDP)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	expect("found", example(1, 0))
	s.Set([]rtsp.Source{{ID: 1, Name: "Küche / daemon", SDP: example(1, 1)}})
	expect("announced", example(1, 1))
	stop()
	if l, err = net.Listen("tcp", address.String()); err != nil {
		t.Fatal(err)
	}
	serve(l, example(1, 2))
	expect("restarted", example(1, 2))
	table.Lost("Küche / daemon", "local")
	expect("gone")
}
