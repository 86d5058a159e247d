package interop

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"aes67os/test/aes67d"

	"github.com/google/go-cmp/cmp"
)

// TestTshark has tshark read what we say by SAP: all of it, and without complaint.
func TestTshark(t *testing.T) {
	t.Parallel()
	one, two := pair(t)
	capture := filepath.Join(t.TempDir(), "sap.pcap")
	shark := exec.Command("tshark", "-q", "-l", "-i", "eth0", "-w", capture, "-f", "udp port 9875")
	stderr, err := shark.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	two.Start(shark)
	// It tells when it has begun.
	for said := ""; !strings.Contains(said, "Capturing on"); {
		b := make([]byte, 1000)
		n, err := stderr.Read(b)
		if err != nil {
			t.Fatalf("tshark: %v after %q", err, said)
		}
		said += string(b[:n])
	}
	listener := aes67d.Start(t, program, two, nil, "-driver", "fake")
	d := aes67d.Start(t, program, one, map[string]any{"custom_node_id": "studio"}, "-driver", "fake")
	d.Must("PUT", "/api/source/0", source("Mic", nil))
	d.Must("PUT", "/api/source/1", source("Regie", map[string]any{"codec": "L16", "max_samples_per_packet": 192}))
	first := d.Must("GET", "/api/source/sdp/0", "")
	d.Must("PUT", "/api/source/0", source("Mic", map[string]any{"ttl": 32}))
	d.Must("DELETE", "/api/source/1", "")
	aes67d.Until(t, "one left", func() bool { return len(browse(listener, "sap")) == 1 })
	d.Stop()
	aes67d.Until(t, "none left", func() bool { return len(browse(listener, "sap")) == 0 })

	// The capture is whole once nothing more comes into it.
	read := func(arguments ...string) []string {
		// A capture that is still written to may end in half a packet, an error.
		out, _ := exec.Command("tshark", append([]string{"-r", capture, "-Y", "sap"}, arguments...)...).Output()
		return strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	types := []string{"-T", "fields", "-e", "sap.flags.t"}
	deletions := func() (n int) {
		for _, l := range read(types...) {
			if l == "1" || l == "True" {
				n++
			}
		}
		return n
	}
	// Three of the first version of one source, of the other, of the second version.
	aes67d.Until(t, "nine deletions captured", func() bool { return deletions() == 9 })
	shark.Process.Signal(syscall.SIGINT)
	shark.Wait()

	if announced := len(read(types...)) - deletions(); announced < 3 {
		t.Errorf("%d announcements captured; want at least 3", announced)
	}
	for _, l := range read("-T", "fields", "-e", "_ws.expert.severity", "-e", "_ws.expert.message", "-e", "_ws.malformed") {
		if strings.TrimSpace(l) != "" {
			t.Errorf("tshark complains: %s", l)
		}
	}
	names := map[string]bool{}
	for _, l := range read("-T", "fields", "-e", "sdp.session_name", "-e", "sap.payload_type", "-e", "ip.ttl") {
		if l != "\t\t255" && l != "\tapplication/sdp\t255" { // a deletion has no name
			names[l] = true
		}
	}
	if diff := cmp.Diff(map[string]bool{"studio Mic\tapplication/sdp\t255": true, "studio Regie\tapplication/sdp\t255": true}, names); diff != "" {
		t.Errorf("names read (-want +got):\n%s", diff)
	}
	origins := strings.Join(read("-T", "fields", "-e", "sdp.owner"), "\n")
	if want := line(t, first, "o="); !strings.Contains(origins, want) {
		t.Errorf("origins read:\n%s\nwant %q among them", origins, want)
	}
}
