package interop

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"aes67os/aes67d/sap"
	"aes67os/test/aes67d"
	"aes67os/test/netns"

	"golang.org/x/net/ipv4"
)

// TestLoopback goes the way that people try the daemon out, and that the known daemon's
// own tests go: everything on one host's loopback interface, with all 64 sources, where
// the daemon finds its own.
func TestLoopback(t *testing.T) {
	t.Parallel()
	host := netns.New(t)
	said := listenSAP(t, host)
	d := aes67d.Start(t, program, host, map[string]any{
		"interface_name": "lo", "sap_mcast_addr": sap.GlobalGroup.String(), "sap_interval": 1, "custom_node_id": "test node",
		"status_file": "", "sample_rate": 44100,
	}, "-driver", "fake")
	const all = 64
	sdps := map[string]string{}
	for id := range all {
		name := fmt.Sprintf("ALSA %d", id)
		d.Must("PUT", "/api/source/"+strconv.Itoa(id), source(name, map[string]any{"codec": "L16"}))
		sdps["test node "+name] = d.Must("GET", "/api/source/sdp/"+strconv.Itoa(id), "")
		d.Must("PUT", "/api/sink/"+strconv.Itoa(id), sink(name, sdps["test node "+name], nil))
	}
	for _, kind := range []string{"sap", "mdns"} {
		aes67d.Until(t, "all found by "+kind, func() bool {
			for name, sdp := range sdps {
				if !found(d, kind, name, sdp) {
					return false
				}
			}
			return true
		})
	}
	for id := range all {
		d.Must("DELETE", "/api/source/"+strconv.Itoa(id), "")
	}
	for _, kind := range []string{"sap", "mdns"} {
		aes67d.Until(t, "none left by "+kind, func() bool { return len(browse(d, kind)) == 0 })
	}

	// What was said is, byte for byte, what the REST API shows; each was taken back
	// three times, by its line of origin.
	deleted := map[string]int{}
	announced := map[string]bool{}
	for len(deleted) < all || slices.Min(values(deleted)) < 3 {
		p := said()
		if p.Delete {
			deleted[string(p.Payload)]++
		} else {
			announced[string(p.Payload)] = true
		}
	}
	for name, sdp := range sdps {
		if !announced[sdp] || deleted["o="+line(t, sdp, "o=")+"\n"] != 3 {
			t.Errorf("%s: announced %v, deleted %d times", name, announced[sdp], deleted["o="+line(t, sdp, "o=")+"\n"])
		}
	}
}

func values(m map[string]int) (list []int) {
	for _, n := range m {
		list = append(list, n)
	}
	return list
}

// listenSAP returns what is said by SAP on the loopback interface, packet by packet.
func listenSAP(t *testing.T, host *netns.Namespace) (next func() sap.Packet) {
	t.Helper()
	var conn *net.UDPConn
	host.Do(func() error {
		lo, err := net.InterfaceByName("lo")
		if err != nil {
			return err
		}
		group := &net.UDPAddr{IP: sap.GlobalGroup.AsSlice(), Port: sap.Port}
		if conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: group.IP, Port: group.Port}); err != nil {
			return err
		}
		if err := conn.SetReadBuffer(1 << 20); err != nil {
			return err
		}
		return ipv4.NewPacketConn(conn).JoinGroup(lo, group)
	})
	t.Cleanup(func() { conn.Close() })
	return func() sap.Packet {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		p, err := sap.Parse(b[:n])
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}
