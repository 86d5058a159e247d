// Package interop runs the real daemon beside other people's programs, and beside
// itself, in network namespaces.
package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"aes67os/test/aes67d"
	"aes67os/test/netns"
)

// program is the daemon under test, built with the race detector.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "interop")
		if err == nil {
			defer os.RemoveAll(dir)
			program, err = aes67d.Build(context.Background(), dir, true)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// Addresses of the two namespaces that most tests have.
const (
	oneAddress = "192.0.2.1"
	twoAddress = "192.0.2.2"
)

// pair is two namespaces with a cable between.
func pair(t testing.TB) (one, two *netns.Namespace) {
	t.Helper()
	return netns.Pair(t, oneAddress+"/24", twoAddress+"/24")
}

// source is the body of a request for a source; more are members that are to be other
// than usual.
func source(name string, more map[string]any) string {
	members := map[string]any{
		"enabled": true, "name": name, "io": "Audio Device", "max_samples_per_packet": 48, "codec": "L24", "address": "",
		"ttl": 15, "payload_type": 98, "dscp": 34, "refclk_ptp_traceable": false, "map": []int{0, 1},
	}
	for name, value := range more {
		members[name] = value
	}
	return body(members)
}

// sink is the body of a request for a sink.
func sink(name, sdp string, more map[string]any) string {
	members := map[string]any{
		"name": name, "io": "Audio Device", "use_sdp": true, "source": "", "sdp": sdp, "delay": 576,
		"ignore_refclk_gmid": true, "map": []int{0, 1},
	}
	for name, value := range more {
		members[name] = value
	}
	return body(members)
}

func body(members map[string]any) string {
	b, err := json.Marshal(members)
	if err != nil {
		panic(err) // of strings, numbers and booleans
	}
	return string(b)
}

// remoteSource is a member of what /api/browse/sources answers.
type remoteSource struct {
	Source, ID, Name, Domain, Address, SDP string
}

// browse lists the sources that the daemon has found.
func browse(d *aes67d.Daemon, kind string) []remoteSource {
	var answer struct {
		RemoteSources []remoteSource `json:"remote_sources"`
	}
	d.Get("/api/browse/sources/"+kind, &answer)
	return answer.RemoteSources
}

// found tells whether the daemon has found a source of that name with that SDP.
func found(d *aes67d.Daemon, kind, name, sdp string) bool {
	for _, s := range browse(d, kind) {
		if s.Name == name && s.SDP == sdp {
			return true
		}
	}
	return false
}

// line is the first line of text that begins so, without its beginning.
func line(t testing.TB, text, beginning string) string {
	t.Helper()
	for l := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(l, beginning); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Fatalf("no line %q... in:\n%s", beginning, text)
	return ""
}
