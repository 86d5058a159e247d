package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func with(change func(*Config)) Config {
	c := Default()
	change(&c)
	return c
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, file string
		want       Config
		warnings   []string
		err        string
	}{
		{name: "empty object", file: `{}`, want: Default()},
		{name: "some members", file: `{"http_port": 9090, "interface_name": "eth0,eth1", "mdns_enabled": false}`,
			want: with(func(c *Config) { c.HTTPPort, c.InterfaceName, c.MDNSEnabled = 9090, "eth0,eth1", false })},
		{name: "read-only members are not read", file: `{"node_id": "x", "mac_addr": "y", "ip_addr": "10.0.0.1"}`,
			want: with(func(c *Config) { c.IPAddress = "10.0.0.1" })},
		{name: "numbers and booleans as text", file: `{"rtp_port": "5006", "mdns_enabled": "0", "auto_sinks_update": "false"}`,
			want: with(func(c *Config) { c.RTPPort, c.MDNSEnabled, c.AutoSinksUpdate = 5006, false, false })},
		{name: "misspelt", file: `{"rtp_ports": 1, "HTTP_port": 1}`, want: Default(), warnings: []string{
			`there is no "rtp_ports" in the configuration; it is kept without effect`,
			`there is no "HTTP_port" in the configuration; it is kept without effect`,
		}},
		{name: "values that cannot be", file: `{"http_port": 0, "playout_delay": 5000, "ptp_domain": 128, "ptp_dscp": 64, "sap_mcast_addr": "10.0.0.1",
			"tic_frame_size_at_1fs": 0, "log_severity": 6, "max_tic_frame_size": 1, "sample_rate": 0, "streamer_channels": 1, "streamer_files_num": 17,
			"streamer_file_duration": 5, "streamer_player_buffer_files_num": 3, "rtp_mcast_base": "", "rtp_mcast_base_sec": "ff02::1",
			"transcriber_channels": 17, "transcriber_files_num": 3, "transcriber_file_duration": 1, "nmos_label": "a\nb", "ip_addr": "::1"}`,
			want: with(func(c *Config) { c.PlayoutDelay, c.TicFrameSizeAt1FS = 4000, 192 }),
			warnings: []string{
				"http_port cannot be 0: it must be from 1 to 65535; using 8080",
				"log_severity cannot be 6: it must be from 0 to 5; using 2",
				"playout_delay cannot be 5000: it must be from 0 to 4000; using 4000",
				"tic_frame_size_at_1fs cannot be 0: it must be from 1 to 192; using 192",
				"max_tic_frame_size cannot be 1: it must be from 192 to 1024; using 1024",
				"sample_rate cannot be 0: it must be one of [44100 48000 88200 96000 176400 192000 352800 384000] Hz; using 48000",
				`rtp_mcast_base cannot be "": it must be an IPv4 multicast address; using 239.1.0.1`,
				`rtp_mcast_base_sec cannot be "ff02::1": it must be an IPv4 multicast address; using 239.1.0.1`,
				"ptp_domain cannot be 128: it must be from 0 to 127; using 0",
				"ptp_dscp cannot be 64: it must be from 0 to 63; using 46",
				`sap_mcast_addr cannot be "10.0.0.1": it must be an IPv4 multicast address; using 224.2.127.254`,
				`ip_addr cannot be "::1": it must be an IPv4 address or empty; using `,
				"streamer_channels cannot be 1: it must be from 2 to 16; using 8",
				"streamer_files_num cannot be 17: it must be from 4 to 16; using 8",
				"streamer_file_duration cannot be 5: it must be from 1 to 4; using 1",
				"streamer_player_buffer_files_num cannot be 3: it must be from 1 to 2; using 1",
				"transcriber_channels cannot be 17: it must be from 2 to 16; using 4",
				"transcriber_files_num cannot be 3: it must be from 4 to 16; using 4",
				"transcriber_file_duration cannot be 1: it must be from 2 to 5; using 5",
				`nmos_label cannot be "a\nb": it must not have control characters; using AES67 Daemon`,
			}},
		{name: "one port twice", file: `{"http_port": 8854}`, want: Default(),
			warnings: []string{"rtsp_port cannot be 8854: http_port is the same; using 8854"}},
		{name: "three interfaces", file: `{"interface_name": "eth0, eth1, eth2"}`, want: with(func(c *Config) { c.InterfaceName = "eth0,eth1" }),
			warnings: []string{`interface_name cannot be "eth0, eth1, eth2": it must be one interface, or two with a comma between; using eth0,eth1`}},
		{name: "an interface twice", file: `{"interface_name": "eth0,eth0"}`, want: with(func(c *Config) { c.InterfaceName = "eth0" }),
			warnings: []string{`interface_name cannot be "eth0,eth0": the two interfaces must not be the same; using eth0`}},
		{name: "no interface", file: `{"interface_name": " ,"}`, want: Default(),
			warnings: []string{`interface_name cannot be " ,": it must be one interface, or two with a comma between; using auto`}},
		{name: "local syslog by name", file: `{"syslog_proto": "local"}`, want: Default()},
		{name: "unknown syslog", file: `{"syslog_proto": "tcp"}`, want: Default(),
			warnings: []string{`syslog_proto cannot be "tcp": it must be "udp", "none", or empty for the local syslog; using the local syslog`}},
		{name: "syslog without port", file: `{"syslog_proto": "udp", "syslog_server": "10.0.0.1"}`,
			want:     with(func(c *Config) { c.SyslogServer = "10.0.0.1" }),
			warnings: []string{`syslog_server cannot be "10.0.0.1": it must be a host and a port, as in 192.168.1.1:514; using the local syslog`}},
		{name: "cut off", file: "{\"http_port\": 9090,\n ", err: "error parsing JSON at line 2: unexpected end of JSON input"},
		{name: "wrong type", file: `{"http_port": 9090, "rtsp_port": "many"}`,
			err: `error parsing JSON: rtsp_port must be a whole number from 0 to 65535, not "many"`},
		{name: "not an object", file: `[]`, err: "error parsing JSON: must be an object, not an array"},
		{name: "nothing", file: ``, err: "error parsing JSON at line 1: unexpected end of JSON input"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _, warnings, err := parse([]byte(test.file), Default())
			want := test.want
			if test.err != "" {
				want = Default()
				if err == nil || err.Error() != test.err {
					t.Errorf("error %v; want %s", err, test.err)
				}
			} else if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.warnings, warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestKnown reads a file as the known daemon writes it. What we would write in its place
// differs in the read-only members and has one of ours at the end.
func TestKnown(t *testing.T) {
	known, err := os.ReadFile("testdata/known.conf")
	if err != nil {
		t.Fatal(err)
	}
	c, unknown, warnings, err := parse(known, Default())
	if err != nil || len(unknown) > 0 || len(warnings) > 0 {
		t.Errorf("%v, unknown %s, warnings %q; want none", err, unknown, warnings)
	}
	written, err := encode(c, unknown)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		`"node_id": "stage left"`, `"node_id": ""`,
		`"mac_addr": "02:00:00:00:00:01"`, `"mac_addr": ""`,
		"on stage\"\n", "on stage\",\n  \"sdp_source_filter\": false,\n  \"audio_ports\": \"\",\n  \"audio_cpus\": \"\",\n"+
			"  \"ptp_priority1\": 128,\n  \"ptp_priority2\": 254\n",
	).Replace(string(known))
	if diff := cmp.Diff(want, string(written)); diff != "" {
		t.Errorf("written again (-want +got):\n%s", diff)
	}
}

// FuzzParse checks that whatever a file holds, the outcome is a configuration which
// is valid and survives being written and read again, along with what is not ours.
func FuzzParse(f *testing.F) {
	known, err := os.ReadFile("testdata/known.conf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(known)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"http_port": 70000}`))
	f.Add([]byte(`{"http_port": "8854", "x": {"y": [1, "<"]}, "": null}`))
	f.Add([]byte(`{"tic_frame_size_at_1fs": 200, "max_tic_frame_size": 64, "custom_node_id": "\u0000", "interface_name": "auto,eth0,../x"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, unknown, _, err := parse(b, Default())
		if err != nil {
			if c != Default() || unknown != nil {
				t.Errorf("error %v, but not the defaults", err)
			}
			return
		}
		if err := c.validate(); err != nil {
			t.Errorf("repaired: %v", err)
		}
		written, err := encode(c, unknown)
		if err != nil {
			t.Fatal(err)
		}
		again, kept, warnings, err := parse(written, Default())
		if err != nil || len(warnings) != len(unknown) {
			t.Fatalf("its own output: %q, %v", warnings, err)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("written and read again (-want +got):\n%s", diff)
		}
		if len(kept) != len(unknown) {
			t.Errorf("kept %s; want %s", kept, unknown)
		}
	})
}
