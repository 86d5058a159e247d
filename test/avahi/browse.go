package avahi

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Service is an instance of a service that Avahi has found and resolved.
type Service struct {
	Name, Type, Host, Address string
	Port                      int
	// Text has its strings, each in quotation marks, with spaces between.
	Text string
}

// Browser is an avahi-browse that goes on.
type Browser struct {
	h     *Host
	kind  string
	lines <-chan string
	// found is by interface, protocol, name, type and domain, as printed.
	found map[string]Service
}

// Browse looks for services of a type, or of a subtype such as
// _ravenna_session._sub._rtsp._tcp, until the test ends.
func (h *Host) Browse(kind string) *Browser {
	h.t.Helper()
	lines, _ := h.background("avahi-browse", "--resolve", "--parsable", "--no-db-lookup", kind)
	return &Browser{h: h, kind: kind, lines: lines, found: map[string]Service{}}
}

// Finds waits until exactly these services, in the order of their names, are there.
func (b *Browser) Finds(want ...Service) {
	b.h.t.Helper()
	for timeout := time.After(patience); ; {
		for len(b.lines) > 0 {
			b.take(<-b.lines)
		}
		got := slices.SortedFunc(maps.Values(b.found), func(a, b Service) int { return strings.Compare(a.Name, b.Name) })
		diff := cmp.Diff(want, got)
		if diff == "" {
			return
		}
		select {
		case line, ok := <-b.lines:
			if !ok {
				b.h.t.Fatal("avahi-browse has ended")
			}
			b.take(line)
		case <-timeout:
			b.h.t.Fatalf("Avahi finds of %s (-want +got):\n%s", b.kind, diff)
		}
	}
}

// take takes in a line: that there is an instance, that it is resolved, or that it has
// gone, the fields of its key, and, if resolved, the host's name, address, port and text.
func (b *Browser) take(line string) {
	b.h.t.Helper()
	fields := strings.SplitN(line, ";", 10)
	switch {
	case fields[0] == "=" && len(fields) == 10:
		port, err := strconv.Atoi(fields[8])
		if err != nil {
			b.h.t.Fatalf("avahi-browse prints the port %q", fields[8])
		}
		b.found[strings.Join(fields[1:6], ";")] = Service{
			Name: unescape(fields[3]), Type: fields[4], Host: fields[6], Address: fields[7], Port: port, Text: fields[9],
		}
	case fields[0] == "-" && len(fields) == 6:
		delete(b.found, strings.Join(fields[1:6], ";"))
	case fields[0] != "+":
		b.h.t.Fatalf("avahi-browse prints %q", line)
	}
}

var escaped = regexp.MustCompile(`\\([0-9]{3}|.)`)

// unescape returns a label as it is. In what is printed a byte is escaped by its decimal
// number, or by a backslash alone.
func unescape(label string) string {
	return escaped.ReplaceAllStringFunc(label, func(s string) string {
		if n, err := strconv.ParseUint(s[1:], 10, 8); err == nil && len(s) == 4 {
			return string([]byte{byte(n)})
		}
		return s[1:]
	})
}
