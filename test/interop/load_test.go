package interop

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"aes67os/test/aes67d"
	"aes67os/test/load"

	"github.com/google/go-cmp/cmp"
)

// TestLoad has 8 clients add, update and remove 64 sources and 64 sinks a hundred times.
// Whatever a call has done is in the status file when it is answered, no client's update
// gets lost, and nothing is left in the end.
func TestLoad(t *testing.T) {
	const rounds = 100
	// The race detector has its turn in other tests; here it would take minutes.
	fast, err := aes67d.Build(t.Context(), t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	one, _ := pair(t)
	d := aes67d.Start(t, fast, one, map[string]any{"log_severity": 3}, "-driver", "fake")
	// All hosts, PTP, mDNS, and two of SAP come by and by.
	aes67d.Until(t, "joined the groups there are without streams", func() bool { return len(memberships(t, d)) == 5 })
	before := usageOf(t, d)

	everyone := func(calls func(client int) []load.Call) {
		t.Helper()
		errs := make([]error, load.Clients)
		var clients sync.WaitGroup
		for i := range errs {
			clients.Go(func() {
				for _, c := range calls(i) {
					if errs[i] = do(d, c); errs[i] != nil {
						return
					}
				}
			})
		}
		clients.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	for round := range rounds {
		everyone(func(client int) []load.Call { return load.Round(client, round) })
		same(t, d, fmt.Sprintf("round %d", round), load.After(round))
	}
	everyone(load.Removal)
	same(t, d, "the end", 0)

	var after usage
	defer func() {
		if t.Failed() {
			t.Logf("in use before:\n%+v\nin use after:\n%+v", before, after)
		}
	}()
	d.Client.CloseIdleConnections()
	aes67d.Until(t, "nothing is left", func() bool {
		after = usageOf(t, d)
		return after.goroutines <= before.goroutines && after.files <= before.files && after.sockets <= before.sockets &&
			slices.Equal(after.memberships, before.memberships) && after.heap < 32<<20
	})
}

// do makes a call and looks at once at what has come of it, in the file and by REST.
func do(d *aes67d.Daemon, c load.Call) error {
	body := ""
	if c.Method == http.MethodPut {
		body = c.Stream.JSON()
	}
	what := fmt.Sprintf("%s %s version %d", c.Method, c.Stream.Path(), c.Stream.Version)
	status, answer, err := d.Do(c.Method, c.Stream.Path(), body)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("%s: %d %s, %w", what, status, answer, err)
	}
	file, err := os.ReadFile(d.Status)
	if err != nil {
		return err
	}
	if !has(string(file), c) {
		return fmt.Errorf("%s is answered, and not in the status file", what)
	}
	status, answer, err = d.Do(http.MethodGet, "/api/"+c.Stream.Kind+"s", "")
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("after %s: %d %s, %w", what, status, answer, err)
	}
	if !has(answer, c) {
		return fmt.Errorf("%s has got lost", what)
	}
	return nil
}

// has tells whether streams are as they have to be after a call.
func has(streams string, c load.Call) bool {
	if c.Method == http.MethodPut {
		return strings.Contains(streams, c.Stream.JSON())
	}
	return !strings.Contains(streams, fmt.Sprintf("%q: %q", "name", c.Stream.Name()))
}

var sessionVersion = regexp.MustCompile(`,\n  "session_version": \d+\n}\n$`)

// same fails the test unless the daemon has exactly all streams in a version, or none in
// version 0, in memory and on disk.
func same(t *testing.T, d *aes67d.Daemon, when string, version int) {
	t.Helper()
	lists := map[string][]string{}
	for client := range load.Clients {
		if version == 0 {
			break
		}
		for _, s := range load.Streams(client, version) {
			lists[s.Kind] = append(lists[s.Kind], s.JSON())
		}
	}
	list := func(kind string) string {
		if len(lists[kind]) == 0 {
			return "[]"
		}
		return "[\n    " + strings.Join(lists[kind], ",\n    ") + "\n  ]"
	}
	want := "{\n  \"sources\": " + list("source") + ",\n  \"sinks\": " + list("sink") + "\n}\n"
	if diff := cmp.Diff(want, d.Must(http.MethodGet, "/api/streams", "")); diff != "" {
		t.Fatalf("streams after %s (-want +got):\n%s", when, diff)
	}
	file, err := os.ReadFile(d.Status)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, sessionVersion.ReplaceAllString(string(file), "\n}\n")); diff != "" {
		t.Fatalf("status file after %s (-want +got):\n%s", when, diff)
	}
}

// usage is what a process uses.
type usage struct {
	goroutines, files, sockets int
	memberships                []string
	// heap is in bytes.
	heap float64
}

func usageOf(t *testing.T, d *aes67d.Daemon) usage {
	t.Helper()
	u := usage{memberships: memberships(t, d)}
	metrics := "\n" + d.Must(http.MethodGet, "/metrics", "")
	gauge := func(name string) float64 {
		v, err := strconv.ParseFloat(line(t, metrics, name+" "), 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	u.goroutines, u.heap = int(gauge("go_goroutines")), gauge("go_memstats_heap_inuse_bytes")
	dir := fmt.Sprintf("/proc/%d/fd/", d.PID())
	open, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range open {
		switch target, err := os.Readlink(dir + f.Name()); {
		case err != nil: // closed meanwhile
		case strings.HasPrefix(target, "socket:"):
			u.sockets++
		default:
			u.files++
		}
	}
	return u
}

// memberships lists the multicast groups, as the kernel writes them, that the process's
// namespace has joined on eth0, each with the number of sockets that have joined it.
func memberships(t *testing.T, d *aes67d.Daemon) (list []string) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/igmp", d.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, groups, ok := bytes.Cut(b, []byte("\teth0 "))
	if !ok {
		t.Fatalf("eth0 is not there:\n%s", b)
	}
	for l := range strings.Lines(string(groups)) {
		fields := strings.Fields(l)
		switch {
		case len(fields) == 4 && strings.HasPrefix(l, "\t\t\t\t"):
			list = append(list, fields[0]+" "+fields[1])
		case !strings.HasPrefix(l, " "): // the next interface
			return list
		}
	}
	return list
}
