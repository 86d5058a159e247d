package ravenna

import (
	"bufio"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
)

// recorded is a message of a recording in testdata, where its origin is told.
type recorded struct {
	// kind is command, answer, event or reply.
	kind, name string
	// bytes are as on the socket.
	bytes []byte
}

// readRecording reads testdata/name.txt.
func readRecording(t testing.TB, name string) []recorded {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []recorded
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		if b, err := hex.DecodeString(strings.ReplaceAll(line, " ", "")); err == nil {
			last := &all[len(all)-1]
			last.bytes = append(last.bytes, b...)
			continue
		}
		head, _, _ := strings.Cut(line, " =>")
		kind, what, _ := strings.Cut(head, " ")
		all = append(all, recorded{kind: kind, name: what})
	}
	if len(all) == 0 {
		t.Fatalf("%s: no messages", f.Name())
	}
	return all
}

// pick returns the messages of a kind.
func pick(all []recorded, kind string) []recorded {
	var some []recorded
	for _, r := range all {
		if r.kind == kind {
			some = append(some, r)
		}
	}
	return some
}

// receive takes bytes of a socket apart as the netlink library does.
func receive(t testing.TB, b []byte) netlink.Message {
	t.Helper()
	var m netlink.Message
	if err := m.UnmarshalBinary(b); err != nil {
		t.Fatalf("netlink message: %v", err)
	}
	return m
}
