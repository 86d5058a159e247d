package supervisor

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestEnvironmentIsExact(t *testing.T) {
	t.Setenv("INIT_SECRET", "not for services")
	// A descriptor that whoever started init left open for everybody.
	left, err := unix.Open("/dev/zero", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(left)
	b := start(t, Spec{
		Name: "a", Argv: program("pid", "environ", "watchdog", "ids", "open-files", "print:done", "hang"),
		Env:      []string{"LANG=C.UTF-8", "EMPTY="},
		Watchdog: time.Hour,
		Listen: []Socket{
			{Name: "http", Network: "tcp", Address: "127.0.0.1:0"},
			{Name: "https", Network: "tcp", Address: "127.0.0.1:0"},
		},
	})
	b.logged("a", "done") // and with it all before
	pid := b.logged("a", "pid ")
	want := []string{
		"EMPTY=", "LANG=C.UTF-8",
		"LISTEN_FDNAMES=http:https", "LISTEN_FDS=2", "LISTEN_PID=" + pid,
		"NOTIFY_SOCKET=" + filepath.Join(b.dir, "a"),
		"WATCHDOG_PID=" + pid, "WATCHDOG_USEC=3600000000",
	}
	if diff := cmp.Diff(want, sorted(b.texts("a", "env "))); diff != "" {
		t.Error(diff)
	}
	if got := b.logged("a", "watchdog "); got != "1h0m0s" {
		t.Errorf("go-systemd finds a watchdog of %s, want 1h0m0s", got)
	}
	if got := b.logged("a", "session "); got != "true group true" {
		t.Errorf("leads a session: %s; want true, group true", got)
	}
	if diff := cmp.Diff([]string{"0 /dev/null", "1 pipe", "2 pipe", "3 socket", "4 socket"}, b.texts("a", "fd ")); diff != "" {
		t.Error(diff)
	}
}

func TestNoVariablesForWhatIsNotAsked(t *testing.T) {
	b := start(t, Spec{Name: "a", Argv: program("environ", "print:done", "hang")})
	b.logged("a", "done") // and with it all before
	if diff := cmp.Diff([]string{"NOTIFY_SOCKET=" + filepath.Join(b.dir, "a")}, b.texts("a", "env ")); diff != "" {
		t.Error(diff)
	}
}

func TestPrivileges(t *testing.T) {
	tests := map[string]struct {
		user *User
		want map[string]string
	}{
		"some capabilities": {
			&User{UID: 1234, GID: 2345, Groups: []uint32{3456, 4567}, Capabilities: []uintptr{unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_RAW, unix.CAP_SYS_NICE}},
			map[string]string{
				"Uid": "1234 1234 1234 1234", "Gid": "2345 2345 2345 2345", "Groups": "3456 4567",
				"CapInh": "0000000000802400", "CapPrm": "0000000000802400", "CapEff": "0000000000802400",
				"CapBnd": "0000000000802400", "CapAmb": "0000000000802400", "NoNewPrivs": "1",
			},
		},
		"none": {
			&User{UID: 1234, GID: 2345},
			map[string]string{
				"Uid": "1234 1234 1234 1234", "Gid": "2345 2345 2345 2345", "Groups": "",
				"CapInh": "0000000000000000", "CapPrm": "0000000000000000", "CapEff": "0000000000000000",
				"CapBnd": "0000000000000000", "CapAmb": "0000000000000000", "NoNewPrivs": "1",
			},
		},
		"root with less": {
			&User{Capabilities: []uintptr{unix.CAP_NET_RAW}},
			map[string]string{
				"Uid": "0 0 0 0", "Gid": "0 0 0 0", "Groups": "",
				"CapInh": "0000000000002000", "CapPrm": "0000000000002000", "CapEff": "0000000000002000",
				"CapBnd": "0000000000002000", "CapAmb": "0000000000002000", "NoNewPrivs": "1",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := start(t, Spec{
				Name: "a", Argv: program("status", "adjust", "notify:READY=1", "hang"),
				User: test.user, OOMScoreAdjust: 500, Nice: -5,
			})
			// To be ready, it has to be allowed to write to its socket.
			b.running("a", 0)
			got := map[string]string{}
			for name := range test.want {
				got[name] = strings.TrimSpace(b.logged("a", name+":"))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if got := b.logged("a", "adjust "); got != "500 -5" {
				t.Errorf("OOM score and nice value are %s, want 500 -5", got)
			}
		})
	}
}

func TestSockets(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	// A socket left over is replaced.
	old, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	old.Close()

	b := start(t, Spec{
		Name: "a", Argv: program("listeners", "notify:READY=1", "hang"), User: &User{UID: 1234, GID: 2345},
		Listen: []Socket{
			{Name: "web", Network: "tcp", Address: "127.0.0.1:0"},
			{Name: "local", Network: "unix", Address: path, Mode: 0o640},
		},
	})
	b.running("a", 0)
	if got := b.logged("a", "listens web tcp "); !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("web listens on %s", got)
	}
	if got := b.logged("a", "listens local unix "); got != path {
		t.Errorf("local listens on %s, want %s", got, path)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprintf("%o %d %d", st.Mode&0o777, st.Uid, st.Gid), "640 1234 2345"; got != want {
		t.Errorf("socket file is %s, want %s", got, want)
	}
	b.Stop(t.Context())
	for _, path := range []string{path, filepath.Join(b.dir, "a")} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left over", path)
		}
	}
}

func TestAFileIsNotReplacedByASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := start(t, Spec{Name: "a", Argv: program("hang"), Listen: []Socket{{Name: "s", Network: "unix", Address: path}}})
	b.logged("init", "a could not be started: "+path+" is in the way of a socket")
	if content, err := os.ReadFile(path); string(content) != "precious" {
		t.Errorf("the file is %q, %v", content, err)
	}
}

// A connection made while the service is down is answered when it is back.
func TestConnectionsWaitForTheService(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	b := start(t, Spec{
		Name: "a", Argv: program("notify:READY=1", "serve:got"),
		Listen: []Socket{{Name: "s", Network: "unix", Address: path}},
	})
	b.running("a", 0)
	dial := func() net.Conn {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	first := dial()
	fmt.Fprintln(first, "hello")
	if line, err := bufio.NewReader(first).ReadString('\n'); line != "got hello\n" {
		t.Fatalf("answer is %q, %v", line, err)
	}
	// This one comes while the service is busy, and is still in the queue when
	// it dies.
	second := dial()
	fmt.Fprintln(second, "queued")
	fmt.Fprintln(first, "die")
	if line, err := bufio.NewReader(first).ReadString('\n'); err == nil {
		t.Fatalf("answer is %q, want none", line)
	}
	third := dial()
	fmt.Fprintln(third, "while it is down")

	for _, answer := range []struct {
		conn net.Conn
		want string
	}{{second, "got queued\n"}, {third, "got while it is down\n"}} {
		if line, err := bufio.NewReader(answer.conn).ReadString('\n'); line != answer.want {
			t.Errorf("answer is %q, %v; want %q", line, err, answer.want)
		}
		answer.conn.Close() // the service serves one at a time
	}
	b.running("a", 1)
}
