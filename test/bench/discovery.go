package main

import (
	"fmt"
	"net/http"
	"time"

	"aes67os/test/aes67d"
	"aes67os/test/load"
	"aes67os/test/netns"
)

// tries is how often a source is looked for.
const tries = 10

// measureDiscovery returns how long after a source was put at one daemon another has found
// it and has its SDP, by SAP, and by mDNS and RTSP.
func measureDiscovery(t *runner, program string) (sap, mdns []time.Duration) {
	one, two := netns.New(t), netns.New(t)
	netns.Cable(netns.End{Namespace: one, Interface: "eth0", Addresses: []string{"192.0.2.1/24"}},
		netns.End{Namespace: two, Interface: "eth0", Addresses: []string{"192.0.2.2/24"}})
	studio := aes67d.Start(t, program, one, map[string]any{"custom_node_id": "studio", "log_severity": 2}, "-driver", "fake")
	stage := aes67d.Start(t, program, two, map[string]any{"custom_node_id": "stage", "log_severity": 2}, "-driver", "fake")
	found := func(kind string) bool {
		var answer struct {
			Sources []struct{ SDP string } `json:"remote_sources"`
		}
		stage.Get("/api/browse/sources/"+kind, &answer)
		return len(answer.Sources) > 0 && answer.Sources[0].SDP != ""
	}
	for try := range tries {
		progress(fmt.Sprintf("discovery, %d of %d", try+1, tries))
		s := load.Stream{Kind: "source", ID: try, Version: 1}
		studio.Must(http.MethodPut, s.Path(), s.JSON())
		began := time.Now()
		took := map[string]time.Duration{}
		aes67d.Until(t, "found by SAP and mDNS", func() bool {
			for _, kind := range []string{"sap", "mdns"} {
				if took[kind] == 0 && found(kind) {
					took[kind] = time.Since(began)
				}
			}
			return len(took) == 2
		})
		sap, mdns = append(sap, took["sap"]), append(mdns, took["mdns"])
		studio.Must(http.MethodDelete, s.Path(), "")
		aes67d.Until(t, "lost by SAP and mDNS", func() bool { return !found("sap") && !found("mdns") })
	}
	return sap, mdns
}
