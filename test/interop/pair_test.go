package interop

import (
	"slices"
	"strings"
	"testing"

	"aes67os/test/aes67d"
)

// TestTwoDaemons has one send and the other find, receive, and follow.
func TestTwoDaemons(t *testing.T) {
	t.Parallel()
	one, two := pair(t)
	studio := aes67d.Start(t, program, one, map[string]any{"custom_node_id": "studio"}, "-driver", "fake")
	stage := aes67d.Start(t, program, two, map[string]any{"custom_node_id": "stage"}, "-driver", "fake")
	studio.Must("PUT", "/api/source/5", source("Bühne links", nil))
	sdp := studio.Must("GET", "/api/source/sdp/5", "")
	const name = "studio Bühne links"
	for _, kind := range []string{"sap", "mdns"} {
		aes67d.Until(t, "found by "+kind, func() bool { return found(stage, kind, name, sdp) })
	}
	if own := browse(studio, "all"); len(own) != 0 {
		t.Errorf("found its own sources: %v", own)
	}

	// Three ways to the SDP, one sink for each.
	for id, url := range []string{
		"rtsp://" + oneAddress + ":8854/by-name/studio%20B%C3%BChne%20links",
		"rtsp://" + oneAddress + ":8854/by-id/5",
		"http://" + oneAddress + ":8080/api/source/sdp/5",
	} {
		stage.Must("PUT", "/api/sink/"+string(rune('0'+id)), sink("from "+url[:4]+url[len(url)-3:], "", map[string]any{
			"use_sdp": false, "source": url, "map": []int{2 * id, 2*id + 1}}))
	}
	sinks := func() (all []string) {
		var answer struct{ Sinks []struct{ SDP string } }
		stage.Get("/api/sinks", &answer)
		for _, s := range answer.Sinks {
			all = append(all, s.SDP)
		}
		return all
	}
	for _, got := range sinks() {
		if got != sdp {
			t.Errorf("a sink has:\n%s\nwant:\n%s", got, sdp)
		}
	}

	// A change reaches the sinks by itself.
	studio.Must("PUT", "/api/source/5", source("Bühne links", map[string]any{"address": "239.9.9.9"}))
	changed := studio.Must("GET", "/api/source/sdp/5", "")
	if !strings.Contains(changed, "239.9.9.9") || line(t, changed, "o=") == line(t, sdp, "o=") {
		t.Fatalf("after a change:\n%s", changed)
	}
	for _, kind := range []string{"sap", "mdns"} {
		aes67d.Until(t, "the change found by "+kind, func() bool { return found(stage, kind, name, changed) })
	}
	aes67d.Until(t, "the sinks follow", func() bool {
		for _, got := range sinks() {
			if got != changed {
				return false
			}
		}
		return true
	})
	if n := len(browse(stage, "all")); n != 2 {
		t.Errorf("%d sources found after a change; want 2, one by SAP and one by mDNS", n)
	}

	// What goes is gone there, too: one source, then all with their daemon.
	studio.Must("PUT", "/api/source/6", source("Regie", nil))
	aes67d.Until(t, "four found", func() bool { return len(browse(stage, "all")) == 4 })
	studio.Must("DELETE", "/api/source/5", "")
	aes67d.Until(t, "two left", func() bool { return len(browse(stage, "all")) == 2 })
	studio.Stop()
	aes67d.Until(t, "none left", func() bool { return len(browse(stage, "all")) == 0 })
}

// TestInterfaceComesLate starts the daemon without a network and plugs it in.
func TestInterfaceComesLate(t *testing.T) {
	t.Parallel()
	one, two := pair(t)
	one.Run("ip", "address", "flush", "dev", "eth0")
	late := aes67d.Start(t, program, one, map[string]any{"custom_node_id": "late"}, "-driver", "fake")
	stage := aes67d.Start(t, program, two, nil, "-driver", "fake")
	late.Must("PUT", "/api/source/0", source("Mic", nil))
	if status, answer, err := late.Do("GET", "/api/source/sdp/0", ""); err != nil || status != 500 || !strings.Contains(answer, "no network interface") {
		t.Errorf("SDP without an address: %d %q, %v; want 500 with the reason", status, answer, err)
	}
	one.Configure("eth0", oneAddress+"/24")
	for _, kind := range []string{"sap", "mdns"} {
		aes67d.Until(t, "found by "+kind, func() bool { return len(browse(stage, kind)) == 1 })
	}
	// DHCP gives another address.
	one.Run("ip", "address", "flush", "dev", "eth0")
	one.Configure("eth0", "192.0.2.77/24")
	for _, kind := range []string{"sap", "mdns"} {
		aes67d.Until(t, "found at the new address by "+kind, func() bool {
			return slices.ContainsFunc(browse(stage, kind), func(s remoteSource) bool {
				return strings.Contains(s.SDP, "IN IP4 192.0.2.77\n")
			})
		})
	}
	// By SAP the former one stays until it is too old: nobody could tell from the
	// address that was gone.
	if n := len(browse(stage, "mdns")); n != 1 {
		t.Errorf("%d sources found by mDNS; want 1", n)
	}
}
