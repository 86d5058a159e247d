package config

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoad(t *testing.T) {
	with := func(change func(*Config)) Config {
		c := Default()
		change(&c)
		return c
	}
	for _, test := range []struct {
		name, file string
		want       Config
		warnings   []string
		fails      bool
	}{
		{name: "empty object", file: `{}`, want: Default()},
		{name: "some members", file: `{"http_port": 9090, "interface_name": "eth0,eth1", "mdns_enabled": false}`,
			want: with(func(c *Config) { c.HTTPPort, c.InterfaceName, c.MDNSEnabled = 9090, "eth0,eth1", false })},
		{name: "read-only members are not read", file: `{"node_id": "x", "mac_addr": "y", "ip_addr": "10.0.0.1"}`,
			want: with(func(c *Config) { c.IPAddress = "10.0.0.1" })},
		{name: "misspelt", file: `{"rtp_ports": 1, "htp_port": 1}`, want: Default(), warnings: []string{
			`there is no "htp_port" in the configuration, it is ignored`,
			`there is no "rtp_ports" in the configuration, it is ignored`,
		}},
		{name: "out of range", file: `{"playout_delay": 5000, "ptp_domain": 128, "sap_mcast_addr": "10.0.0.1", "tic_frame_size_at_1fs": 0, "log_severity": 6,
			"max_tic_frame_size": 1, "sample_rate": 0, "streamer_channels": 1, "streamer_files_num": 17, "streamer_file_duration": 5,
			"streamer_player_buffer_files_num": 3, "rtp_mcast_base": "", "rtp_mcast_base_sec": "ff02::1"}`,
			want: with(func(c *Config) { c.PlayoutDelay, c.TicFrameSizeAt1FS = 4000, 192 }),
			warnings: []string{
				"log_severity cannot be 6, using 2",
				"playout_delay cannot be 5000, using 4000",
				"tic_frame_size_at_1fs cannot be 0, using 192",
				"max_tic_frame_size cannot be 1, using 1024",
				"sample_rate cannot be 0, using 48000",
				"ptp_domain cannot be 128, using 0",
				"streamer_channels cannot be 1, using 8",
				"streamer_files_num cannot be 17, using 8",
				"streamer_file_duration cannot be 5, using 1",
				"streamer_player_buffer_files_num cannot be 3, using 1",
				"rtp_mcast_base cannot be , using 239.1.0.1",
				"rtp_mcast_base_sec cannot be ff02::1, using 239.1.0.1",
				"sap_mcast_addr cannot be 10.0.0.1, using 224.2.127.254",
			}},
		{name: "cut off", file: `{"http_port": 9090, `, want: Default(), fails: true},
		{name: "wrong type", file: `{"http_port": 9090, "rtsp_port": "many"}`, want: Default(), fails: true},
		{name: "not an object", file: `[]`, want: Default(), fails: true},
		{name: "nothing", file: ``, want: Default(), fails: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "aes67d.conf")
			if err := os.WriteFile(file, []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
			got, warnings, err := Load(file)
			if (err != nil) != test.fails {
				t.Errorf("error %v; want one: %v", err, test.fails)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.warnings, warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadMissing(t *testing.T) {
	got, warnings, err := Load(filepath.Join(t.TempDir(), "none"))
	if err != nil || warnings != nil {
		t.Errorf("Load = %v, %v; want neither", warnings, err)
	}
	if diff := cmp.Diff(Default(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, _, err := Load(t.TempDir()); err == nil {
		t.Error("Load of a directory = nil; want an error")
	}
}

func TestOn(t *testing.T) {
	address := netip.MustParseAddr
	interfaces := []Interface{
		{Name: "eth0", MAC: "02:00:00:00:00:01"},
		{Name: "eth1", MAC: "02:00:00:00:00:02", Addresses: []netip.Addr{address("192.168.1.10"), address("10.0.0.9")}},
	}
	type members struct{ MAC, IP, Node string }
	for _, test := range []struct {
		name string
		c    Config
		want members
	}{
		{"auto takes the one with an address", Config{InterfaceName: Auto}, members{"02:00:00:00:00:02", "192.168.1.10", "Daemon a8c00a01"}},
		{"by name", Config{InterfaceName: "eth1"}, members{"02:00:00:00:00:02", "192.168.1.10", "Daemon a8c00a01"}},
		{"the first of two", Config{InterfaceName: " eth1 , eth0"}, members{"02:00:00:00:00:02", "192.168.1.10", "Daemon a8c00a01"}},
		{"preferred address", Config{InterfaceName: "eth1", IPAddress: "10.0.0.9"}, members{"02:00:00:00:00:02", "10.0.0.9", "Daemon 000a0900"}},
		{"preferred address is gone", Config{InterfaceName: "eth1", IPAddress: "10.0.0.8"}, members{"02:00:00:00:00:02", "192.168.1.10", "Daemon a8c00a01"}},
		{"no address", Config{InterfaceName: "eth0", CustomNodeID: "stage left"}, members{"02:00:00:00:00:01", "", "stage left"}},
		{"no interface", Config{InterfaceName: "eth7", IPAddress: "10.0.0.9"}, members{"", "", "Daemon 00000000"}},
	} {
		c := test.c.On(interfaces)
		if diff := cmp.Diff(test.want, members{c.MACAddress, c.IPAddress, c.NodeID}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// FuzzParse checks that whatever a file holds, the outcome is a configuration which
// is valid and survives being written and read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"http_port": 70000}`))
	f.Add([]byte(`{"tic_frame_size_at_1fs": 200, "max_tic_frame_size": 64, "custom_node_id": "\u0000"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, _, err := Parse(b)
		if err != nil {
			if c != Default() {
				t.Errorf("error %v, but not the defaults", err)
			}
			return
		}
		written, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, warnings, err := Parse(written)
		if err != nil || warnings != nil {
			t.Fatalf("its own output: %v, %v", warnings, err)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("written and read again (-want +got):\n%s", diff)
		}
	})
}
