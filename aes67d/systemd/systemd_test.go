// Package systemd has what systemd needs to run aes67d on a host, as data, and tests
// that systemd's own tools find nothing wrong with it. `make install` installs it.
package systemd

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"aes67os/aes67d/config"

	"github.com/google/go-cmp/cmp"
)

// run returns what a command prints; the command has to succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// tree lists the files below dir, with their permissions.
func tree(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	files := map[string]fs.FileMode{}
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		files[strings.TrimPrefix(path, dir)] = info.Mode()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return files
}

func TestInstall(t *testing.T) {
	root := t.TempDir()
	makeTarget := func(target string) string {
		return run(t, "make", "-C", "../..", target, "DESTDIR="+root, "PREFIX=/usr")
	}
	makeTarget("install")
	want := map[string]fs.FileMode{
		"/etc/aes67d/daemon.conf":                0o644,
		"/usr/bin/aes67d":                        0o755,
		"/usr/lib/systemd/system/aes67d.service": 0o644,
		"/usr/lib/sysusers.d/aes67d.conf":        0o644,
		"/usr/lib/tmpfiles.d/aes67d.conf":        0o644,
	}
	if diff := cmp.Diff(want, tree(t, root)); diff != "" {
		t.Errorf("installed (-want +got):\n%s", diff)
	}
	if version := run(t, filepath.Join(root, "usr/bin/aes67d"), "-v"); version == "" || version == "devel\n" {
		t.Errorf("aes67d -v prints %q; want the version", version)
	}

	t.Run("unit", func(t *testing.T) {
		unit, err := os.ReadFile(filepath.Join(root, "usr/lib/systemd/system/aes67d.service"))
		if err != nil {
			t.Fatal(err)
		}
		const program = "\nExecStart=/usr/bin/aes67d "
		if !bytes.Contains(unit, []byte(program)) {
			t.Fatalf("the unit does not start /usr/bin/aes67d:\n%s", unit)
		}
		// The program is to be where the unit says, for systemd-analyze.
		file := filepath.Join(t.TempDir(), "aes67d.service")
		unit = bytes.Replace(unit, []byte(program), []byte("\nExecStart="+root+"/usr/bin/aes67d "), 1)
		if err := os.WriteFile(file, unit, 0o644); err != nil {
			t.Fatal(err)
		}
		if out := run(t, "systemd-analyze", "verify", "--man=no", file); out != "" {
			t.Errorf("systemd-analyze verify says:\n%s", out)
		}
		// In tenths; 25 is "OK". A service without any hardening has 96.
		run(t, "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=25", file)
	})

	// systemd makes the user, and gives it the directory it replaces its file in.
	t.Run("user", func(t *testing.T) {
		if err := os.WriteFile(filepath.Join(root, "etc/group"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, "systemd-sysusers", "--root="+root)
		uid := ""
		for line := range strings.Lines(run(t, "cat", filepath.Join(root, "etc/passwd"))) {
			if field := strings.Split(line, ":"); field[0] == "aes67d" {
				uid = field[2]
			}
		}
		run(t, "systemd-tmpfiles", "--root="+root, "--create")
		info, err := os.Stat(filepath.Join(root, "etc/aes67d"))
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; strconv.Itoa(int(owner)) != uid {
			t.Errorf("/etc/aes67d belongs to user %d; want %q", owner, uid)
		}
	})

	own := []byte(`{"http_port": 9090}`)
	settings := filepath.Join(root, "etc/aes67d/daemon.conf")
	if err := os.WriteFile(settings, own, 0o600); err != nil {
		t.Fatal(err)
	}
	makeTarget("install")
	makeTarget("uninstall")
	if got, err := os.ReadFile(settings); err != nil || !bytes.Equal(got, own) {
		t.Errorf("the configuration is now %s, %v; want it kept", got, err)
	}
	for name := range tree(t, root) {
		if strings.HasPrefix(name, "/usr/") {
			t.Errorf("%s stays after make uninstall", name)
		}
	}
}

// TestConfiguration reads the configuration that is installed: it has every member, so
// that people see what there is, and says nothing that needs saying in the log.
func TestConfiguration(t *testing.T) {
	content, err := os.ReadFile("daemon.conf")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := config.Open("daemon.conf", "", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || log.Len() > 0 {
		t.Fatalf("Open = %v, and the log says %s", err, &log)
	}
	all, err := json.MarshalIndent(s.Get(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(all)+"\n", string(content)); diff != "" {
		t.Errorf("daemon.conf (-as it would be written +as it is):\n%s", diff)
	}
	want := config.Default()
	want.HTTPBaseDir = "/usr/local/share/aes67-daemon/webui"
	want.SAPMulticastAddress, want.SAPInterval = "239.255.255.255", 30
	want.SyslogProto = "none" // systemd's journal has standard error
	want.StatusFile = "/var/lib/aes67d/status.json"
	if diff := cmp.Diff(want, s.Get()); diff != "" {
		t.Errorf("beside the defaults (-want +got):\n%s", diff)
	}
}
