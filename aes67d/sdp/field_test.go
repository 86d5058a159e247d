package sdp

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/driver"
)

var update = flag.Bool("update", false, "write testdata/expected.txt anew")

// TestField reads what devices in the field send. What each becomes, with its warnings
// or its error, is in testdata/expected.txt; testdata/README.md says where it comes from.
func TestField(t *testing.T) {
	got := map[string]string{}
	var all strings.Builder
	for name, text := range field(t) {
		got[name] = outcome(Parse(text))
	}
	for _, name := range names(t) {
		fmt.Fprintf(&all, "%s\n%s\n", name, got[name])
	}
	path := filepath.Join("testdata", "expected.txt")
	if *update {
		if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	expected, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(expected), all.String()); diff != "" {
		t.Errorf("not as in %s (-want +got):\n%s", path, diff)
	}
}

// TestFieldOrigins keeps the table of where the examples come from complete.
func TestFieldOrigins(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("testdata", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names(t) {
		if !strings.Contains(string(readme), "| "+name+" |") {
			t.Errorf("testdata/README.md does not say where %s.sdp comes from", name)
		}
	}
}

// names returns the names of the examples, sorted.
func names(t testing.TB) []string {
	paths, err := filepath.Glob(filepath.Join("testdata", "*.sdp"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for i, path := range paths {
		paths[i] = strings.TrimSuffix(filepath.Base(path), ".sdp")
	}
	return paths
}

// field returns the examples by name.
func field(t testing.TB) map[string][]byte {
	texts := map[string][]byte{}
	for _, name := range names(t) {
		text, err := os.ReadFile(filepath.Join("testdata", name+".sdp"))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = text
	}
	return texts
}

// outcome is what Parse returns, for people to read.
func outcome(d Description, warnings []string, err error) string {
	var s strings.Builder
	if err != nil {
		fmt.Fprintf(&s, "\terror: %v\n", err)
	} else {
		o := d.Origin
		fmt.Fprintf(&s, "\tsession: %q, %q\n\torigin: %q %q %d %v\n", d.Name, d.Info, o.Username, o.SessionID, o.Version, o.Address)
	}
	for _, stream := range d.Streams {
		c := stream.Clock
		fmt.Fprintf(&s, "\tstream: %v ttl %d from %v, type %d %s/%d/%d, %d samples, offset %d\n",
			stream.Destination, stream.TTL, stream.Sources, stream.PayloadType, stream.Codec, stream.SampleRate,
			stream.Channels, stream.SamplesPerPacket, stream.TimestampOffset)
		switch {
		case c.Traceable:
			s.WriteString("\t\tclock: traceable")
		case c.Grandmaster != driver.ClockID{}:
			fmt.Fprintf(&s, "\t\tclock: %v", c.Grandmaster)
		default:
			s.WriteString("\t\tclock: not said")
		}
		if c.HasDomain {
			fmt.Fprintf(&s, ", domain %d", c.Domain)
		}
		s.WriteByte('\n')
	}
	for _, w := range warnings {
		fmt.Fprintf(&s, "\twarning: %s\n", w)
	}
	return s.String()
}
