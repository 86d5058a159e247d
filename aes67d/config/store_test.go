package config

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// open returns a store and what the log says.
func open(t *testing.T, name string) (*Store, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := Open(name, "", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s, &log
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func delay(samples uint32) func(*Config) error {
	return func(c *Config) error {
		c.PlayoutDelay = samples
		return nil
	}
}

func TestOpenMissing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "daemon.conf")
	s, log := open(t, name)
	if s.Get() != Default() || log.Len() > 0 {
		t.Errorf("%+v, and the log says %s; want the defaults in silence", s.Get(), log)
	}
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("Open left a file: %v", err)
	}
	if _, _, err := s.Update(delay(7)); err != nil {
		t.Fatal(err)
	}
	again, _ := open(t, name)
	if again.Get() != s.Get() || again.Get().PlayoutDelay != 7 {
		t.Errorf("the next start has %+v; want %+v", again.Get(), s.Get())
	}
}

func TestOpenDamaged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "daemon.conf")
	const damaged = `{"rtsp_port": 1, "http_po`
	write(t, name, damaged)
	s, log := open(t, name)
	if s.Get() != Default() {
		t.Errorf("%+v; want the defaults", s.Get())
	}
	if got := content(t, name+".damaged"); got != damaged {
		t.Errorf("set aside is %q; want %q", got, damaged)
	}
	for _, want := range []string{"level=ERROR", "file=" + name, "kept_as=" + name + ".damaged", "error parsing JSON at line 1"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
	if _, _, err := s.Update(delay(7)); err != nil {
		t.Error(err)
	}
	// So is what is far too long for a configuration.
	write(t, name, `{"x": "`+strings.Repeat("x", 1<<20)+`"}`)
	if s, log := open(t, name); s.Get() != Default() || !strings.Contains(log.String(), "kept_as="+name+".damaged-2") {
		t.Errorf("after a file of more than a MiB: %+v\n%s", s.Get(), log)
	}
}

// A file that is there and cannot be read is not to be lost to the first change.
func TestOpenUnreadable(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "daemon.conf")
	if err := os.Symlink("daemon.conf", name); err != nil { // to itself
		t.Fatal(err)
	}
	s, log := open(t, name)
	if s.Get() != Default() || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("%+v, and the log says %q; want the defaults and an error", s.Get(), log)
	}
	if _, after, err := s.Update(delay(7)); err == nil || after != Default() || s.Get() != Default() {
		t.Errorf("Update = %+v, %v; want an error", after, err)
	}
	if target, err := os.Readlink(name); err != nil || target != "daemon.conf" {
		t.Errorf("the file is now %q, %v; want it as it was", target, err)
	}
	if _, err := Open(dir, "", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("Open of a directory = nil; want an error")
	}
}

func TestUpdate(t *testing.T) {
	name := filepath.Join(t.TempDir(), "daemon.conf")
	write(t, name, `{"x_last": [ 1, {"a": "<b>"} ], "playout_delay": 1, "X": null}`)
	s, log := open(t, name)
	if n := strings.Count(log.String(), "level=WARN"); n != 2 {
		t.Errorf("%d warnings; want one for each member that is not ours:\n%s", n, log)
	}
	before, after, err := s.Update(func(c *Config) error {
		c.PlayoutDelay, c.NMOSLabel, c.SyslogProto = 2, "R&D", "local"
		c.NodeID, c.MACAddress = "not to be set", "not to be set"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := with(func(c *Config) { c.PlayoutDelay, c.NMOSLabel = 2, "R&D" })
	if after != want || s.Get() != want || before != with(func(c *Config) { c.PlayoutDelay = 1 }) {
		t.Errorf("from %+v to %+v, in force %+v", before, after, s.Get())
	}
	written := content(t, name)
	if c, _, _, err := parse([]byte(written), Default()); err != nil || c != want {
		t.Errorf("on the disk is %+v, %v; want %+v", c, err, want)
	}
	const end = `  "nmos_label": "R&D",
  "sdp_source_filter": false,
  "audio_ports": "",
  "audio_cpus": "",
  "ptp_priority1": 128,
  "ptp_priority2": 254,
  "x_last": [
    1,
    {
      "a": "<b>"
    }
  ],
  "X": null
}
`
	if !strings.HasPrefix(written, "{\n  \"http_port\": 8080,\n") || !strings.HasSuffix(written, end) {
		t.Errorf("the file is\n%s\nwant our members in their order, and then\n%s", written, end)
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want it kept", info.Mode(), err)
	}
}

func TestUpdateRefused(t *testing.T) {
	own := errors.New("no")
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"number", func(c *Config) { c.PTPDSCP = 64 }, "ptp_dscp cannot be 64: it must be from 0 to 63"},
		{"same ports", func(c *Config) { c.RTSPPort = c.HTTPPort }, "rtsp_port cannot be 8080: http_port is the same"},
		{"address", func(c *Config) { c.SAPMulticastAddress = "10.0.0.1" }, `sap_mcast_addr cannot be "10.0.0.1": it must be an IPv4 multicast address`},
		{"rate", func(c *Config) { c.SampleRate = 32000 },
			"sample_rate cannot be 32000: it must be one of [44100 48000 88200 96000 176400 192000 352800 384000] Hz"},
		{"tic", func(c *Config) { c.TicFrameSizeAt1FS, c.MaxTicFrameSize = 100, 99 }, "max_tic_frame_size cannot be 99: it must be from 100 to 1024"},
		{"name", func(c *Config) { c.CustomNodeID = "a\r\nb" }, `custom_node_id cannot be "a\r\nb": it must not have control characters`},
		{"syslog", func(c *Config) { c.SyslogProto, c.SyslogServer = "udp", "host:0" },
			`syslog_server cannot be "host:0": it must be a host and a port, as in 192.168.1.1:514`},
		{"unused syslog server", func(c *Config) { c.SyslogServer = "a\x00" }, `syslog_server cannot be "a\x00": it must not have control characters`},
		{"auto and another", func(c *Config) { c.InterfaceName = "auto,eth0" }, `interface_name cannot be "auto,eth0": auto cannot be one of two interfaces`},
		{"no interface's name", func(c *Config) { c.InterfaceName = "eth0,../eth1" },
			`interface_name cannot be "eth0,../eth1": "../eth1" is no name of a network interface`},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "daemon.conf")
			s, _ := open(t, name)
			before, after, err := s.Update(func(c *Config) error {
				test.change(c)
				return nil
			})
			if e, ok := errors.AsType[*ValueError](err); !ok || e.Error() != test.want {
				t.Errorf("error %v; want %s", err, test.want)
			}
			if before != Default() || after != Default() || s.Get() != Default() {
				t.Errorf("the configuration is %+v; want it as it was", s.Get())
			}
			if _, _, err := s.Update(func(*Config) error { return own }); err != own {
				t.Errorf("error %v; want the caller's own", err)
			}
			if _, _, err := s.Update(func(*Config) error { return nil }); err != nil {
				t.Errorf("no change: %v", err)
			}
			if _, err := os.Stat(name); !os.IsNotExist(err) {
				t.Errorf("a file was written: %v", err)
			}
		})
	}
}

func TestUpdateNotSaved(t *testing.T) {
	name := filepath.Join(t.TempDir(), "none", "daemon.conf")
	s, _ := open(t, name)
	if _, after, err := s.Update(delay(7)); err == nil || after != Default() || s.Get() != Default() {
		t.Errorf("Update = %+v, %v; want an error, and all as before", after, err)
	}
	// Once there is room, it can be.
	if err := os.Mkdir(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Update(delay(7)); err != nil || s.Get().PlayoutDelay != 7 {
		t.Errorf("Update = %v", err)
	}
}

// TestUpdateTogether loses no update of many, and a reader of the file never sees half of
// one.
func TestUpdateTogether(t *testing.T) {
	const clients, updates = 8, 10
	name := filepath.Join(t.TempDir(), "daemon.conf")
	s, _ := open(t, name)
	if _, _, err := s.Update(delay(1)); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for range clients {
		writers.Go(func() {
			for range updates {
				before, after, err := s.Update(func(c *Config) error {
					c.PlayoutDelay++
					return nil
				})
				if err != nil || after.PlayoutDelay != before.PlayoutDelay+1 {
					t.Errorf("from %d to %d, %v", before.PlayoutDelay, after.PlayoutDelay, err)
				}
				b, err := os.ReadFile(name)
				if err != nil {
					t.Error(err)
				}
				c, _, _, err := parse(b, Default())
				if err != nil || c.PlayoutDelay < after.PlayoutDelay {
					t.Errorf("after update to %d the file has %d, %v", after.PlayoutDelay, c.PlayoutDelay, err)
				}
			}
		})
	}
	writers.Wait()
	if got := s.Get().PlayoutDelay; got != 1+clients*updates {
		t.Fatalf("after %d updates it is %d", clients*updates, got)
	}
	again, _ := open(t, name)
	if diff := cmp.Diff(s.Get(), again.Get()); diff != "" {
		t.Errorf("on the disk (-memory +disk):\n%s", diff)
	}
}

func TestDefaults(t *testing.T) {
	dir := t.TempDir()
	name, defaults := filepath.Join(dir, "daemon.conf"), filepath.Join(dir, "defaults.conf")
	write(t, defaults, `{"sap_interval": 30, "syslog_proto": "none"}`)
	want := with(func(c *Config) { c.SAPInterval, c.SyslogProto = 30, "none" })
	for _, test := range []struct {
		name, file string
		want       Config
	}{
		{"no file", "", want},
		{"a damaged file", `{"sap_interval": 7,`, want},
		{"a file with some members", `{"sap_interval": 7}`, with(func(c *Config) { c.SAPInterval, c.SyslogProto = 7, "none" })},
	} {
		if test.file != "" {
			write(t, name, test.file)
		}
		s, err := Open(name, defaults, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, s.Get()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	write(t, defaults, `{`)
	if _, err := Open(name, defaults, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("Open with damaged defaults = nil; want an error")
	}
}
