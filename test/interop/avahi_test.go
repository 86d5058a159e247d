package interop

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"aes67os/aes67d/rtsp"
	"aes67os/test/aes67d"
	"aes67os/test/avahi"
	"aes67os/test/background"
	"aes67os/test/netns"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestAvahiFindsUs asks Avahi, on the daemon's own host and on another one, for what is
// known of the daemon.
func TestAvahiFindsUs(t *testing.T) {
	t.Parallel()
	one, two := pair(t)
	near, far := avahi.Start(t, one, "near", oneAddress), avahi.Start(t, two, "far", twoAddress)
	d := aes67d.Start(t, program, one, map[string]any{"custom_node_id": "studio"}, "-driver", "fake")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ = strings.Cut(host, ".")
	service := func(name, kind string, port int, text string) avahi.Service {
		return avahi.Service{Name: name, Type: kind, Host: host + ".local", Address: oneAddress, Port: port, Text: text}
	}
	browsers := map[string][]*avahi.Browser{}
	// known waits until the node is known, and these sources by name, or nothing at all.
	known := func(node bool, sources ...string) {
		t.Helper()
		var page, control, sessions []avahi.Service
		if node {
			page = append(page, service("studio", "_http._tcp", 8080, `"path=/"`))
			control = append(control, service("studio", "_rtsp._tcp", 8854, ""))
		}
		for _, s := range sources {
			sessions = append(sessions, service("studio "+s, "_rtsp._tcp", 8854, ""))
		}
		for kind, want := range map[string][]avahi.Service{
			"_http._tcp":                       page,
			"_ravenna._sub._http._tcp":         page,
			"_ravenna._sub._rtsp._tcp":         control,
			"_ravenna_session._sub._rtsp._tcp": sessions,
			"_rtsp._tcp":                       slices.Concat(control, sessions),
		} {
			if browsers[kind] == nil {
				browsers[kind] = []*avahi.Browser{near.Browse(kind), far.Browse(kind)}
			}
			for _, b := range browsers[kind] {
				b.Finds(want...)
			}
		}
	}
	known(true)
	d.Must("PUT", "/api/source/5", source("Bühne links", nil))
	d.Must("PUT", "/api/source/6", source("Regie", nil))
	known(true, "Bühne links", "Regie")
	d.Must("DELETE", "/api/source/5", "")
	known(true, "Regie")
	d.Must("POST", "/api/config", `{"mdns_enabled": false}`)
	known(false)
	d.Must("POST", "/api/config", `{"mdns_enabled": true}`)
	known(true, "Regie")
	d.Stop()
	known(false)
}

// TestFindsAvahis has Avahi, on the daemon's own host and on another one, announce a
// source. Ours is the RTSP server that hands out its SDP.
func TestFindsAvahis(t *testing.T) {
	t.Parallel()
	one, two := pair(t)
	d := aes67d.Start(t, program, one, nil, "-driver", "fake")
	expect := func(what string, want ...remoteSource) {
		t.Helper()
		aes67d.Until(t, what, func() bool {
			return cmp.Equal(want, browse(d, "mdns"), cmpopts.IgnoreFields(remoteSource{}, "ID"), cmpopts.EquateEmpty())
		})
	}
	for _, test := range []struct {
		name, address string
		in            *netns.Namespace
	}{
		{"near", oneAddress, one},
		{"far", twoAddress, two},
	} {
		host := avahi.Start(t, test.in, test.name, test.address)
		found := remoteSource{
			Source: "mDNS", Name: test.name + " Gerät 1/2: Küche", Domain: "local", Address: test.address,
			SDP: fmt.Sprintf("v=0\r\no=- 1 0 IN IP4 %s\r\ns=Küche\r\nc=IN IP4 239.1.2.3/15\r\nt=0 0\r\n"+
				"m=audio 5004 RTP/AVP 98\r\na=rtpmap:98 L24/48000/2\r\na=ptime:1\r\na=mediaclk:direct=0\r\n", test.address),
		}
		port := serve(t, test.in, test.address, rtsp.Source{ID: 1, Name: found.Name, SDP: found.SDP})
		withdraw := host.Publish(found.Name, "_rtsp._tcp", "_ravenna_session", port)
		expect(test.name+" announces", found)
		d.Must("POST", "/api/config", `{"mdns_enabled": false}`)
		expect("not looked for " + test.name)
		d.Must("POST", "/api/config", `{"mdns_enabled": true}`)
		expect("looked for "+test.name+" again", found)
		withdraw()
		expect(test.name + " withdraws")
	}
}

// serve hands out a source by RTSP in the namespace until the test ends.
func serve(t *testing.T, in *netns.Namespace, address string, source rtsp.Source) (port int) {
	t.Helper()
	var l net.Listener
	in.Do(func() (err error) {
		l, err = net.Listen("tcp", address+":0")
		return err
	})
	s := rtsp.NewServer(slog.New(slog.DiscardHandler))
	s.Set([]rtsp.Source{source})
	background.Run(t, func(ctx context.Context) error { return s.Run(ctx, l) })
	return l.Addr().(*net.TCPAddr).Port
}
