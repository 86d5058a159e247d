package qemu

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	greeting = `{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}`
	ok       = `{"return": {}}`
	event    = `{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "NIC_RX_FILTER_CHANGED", "data": {}}`
)

// fakeQMP is a control socket that greets and then answers a line with the lines of
// the next of answers. It closes when there are none left; heard then has what came.
func fakeQMP(t *testing.T, greet string, answers ...string) (m *Machine, heard <-chan []string) {
	t.Helper()
	m = &Machine{control: filepath.Join(t.TempDir(), "qmp.sock")}
	l, err := net.Listen("unix", m.control)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	result := make(chan []string, 1)
	go func() {
		var lines []string
		defer func() { result <- lines }()
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, greet)
		in := bufio.NewScanner(conn)
		for _, a := range answers {
			if !in.Scan() {
				return
			}
			lines = append(lines, in.Text())
			io.WriteString(conn, a)
		}
	}()
	return m, result
}

func TestCommand(t *testing.T) {
	const capabilities = `{"execute":"qmp_capabilities"}`
	for _, test := range []struct {
		name, greet string
		answers     []string
		arguments   any
		heard       []string
		wantErr     string
	}{
		{
			name: "without arguments", greet: greeting + "\r\n", answers: []string{ok + "\r\n", ok + "\r\n"},
			heard: []string{capabilities, `{"execute":"device_del"}`},
		},
		{
			name: "with arguments", greet: greeting + "\n", answers: []string{ok + "\n", ok + "\n"},
			arguments: map[string]string{"id": "disk"},
			heard:     []string{capabilities, `{"arguments":{"id":"disk"},"execute":"device_del"}`},
		},
		{
			name: "events come first", greet: greeting + "\n" + event + "\n", answers: []string{event + "\n" + ok + "\n", event + "\n" + event + "\n" + ok + "\n"},
			heard: []string{capabilities, `{"execute":"device_del"}`},
		},
		{
			name: "refused", greet: greeting + "\n",
			answers: []string{ok + "\n", event + "\n" + `{"error": {"class": "DeviceNotFound", "desc": "Device 'disk' not found"}}` + "\n"},
			heard:   []string{capabilities, `{"execute":"device_del"}`},
			wantErr: "qemu: device_del: Device 'disk' not found",
		},
		{
			name: "capabilities refused", greet: greeting + "\n", answers: []string{`{"error": {"desc": "no"}}` + "\n"},
			heard: []string{capabilities}, wantErr: "qemu: qmp_capabilities: no",
		},
		{name: "no greeting", wantErr: "qemu's control socket: no greeting"},
		{
			name: "ends before the answer", greet: greeting + "\n", answers: []string{ok + "\n", event + "\n"},
			heard: []string{capabilities, `{"execute":"device_del"}`}, wantErr: "qemu: device_del: the connection ended",
		},
		{
			name: "answer is no JSON", greet: greeting + "\n", answers: []string{"what?\n"},
			heard: []string{capabilities}, wantErr: "qemu: qmp_capabilities: invalid character 'w' looking for beginning of value",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, heard := fakeQMP(t, test.greet, test.answers...)
			err := m.Command(t.Context(), "device_del", test.arguments)
			if err == nil && test.wantErr != "" || err != nil && err.Error() != test.wantErr {
				t.Errorf("Command() = %v; want %q", err, test.wantErr)
			}
			if diff := cmp.Diff(test.heard, <-heard); diff != "" {
				t.Errorf("QEMU was told (-want +got):\n%s", diff)
			}
		})
	}
}

// A QEMU that hangs does not hang its caller.
func TestCommandEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := &Machine{control: filepath.Join(t.TempDir(), "qmp.sock")}
	l, err := net.Listen("unix", m.control)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, greeting+"\n")
		bufio.NewScanner(conn).Scan()
		cancel()
		io.Copy(io.Discard, conn) // until the caller gives up
	}()
	if err := m.Command(ctx, "system_powerdown", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Command() = %v; want context.Canceled", err)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, s := range []string{ok, event + "\n" + ok, `{"error": {"desc": "no"}}`, `{"error": null}`, "what?", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if answer(bufio.NewScanner(bytes.NewReader(data))) == nil && !strings.Contains(string(data), "{") {
			t.Errorf("answer(%q) = nil; there is no answer in it", data)
		}
	})
}
