package network_test

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"aes67os/init/api"
	"aes67os/init/network"

	"github.com/google/go-cmp/cmp"
)

func TestConfigJSON(t *testing.T) {
	const text = `{"interfaces":{"02:00:5e:10:00:01":{"method":"static","address":"192.0.2.10/24",` +
		`"gateway":"192.0.2.1","dns":["192.0.2.53"],"mtu":1500}}}`
	want := network.Config{Interfaces: map[string]network.InterfaceConfig{
		"02:00:5e:10:00:01": {
			Method: api.Static, Address: "192.0.2.10/24", Gateway: "192.0.2.1",
			DNS: []string{"192.0.2.53"}, MTU: 1500,
		},
	}}
	var got network.Config
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Unmarshal (-want +got):\n%s", diff)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("Validate() = %v", err)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(b)); diff != "" {
		t.Errorf("Marshal (-want +got):\n%s", diff)
	}
}

func TestConfigValidate(t *testing.T) {
	static := func(address, gateway string) network.InterfaceConfig {
		return network.InterfaceConfig{Method: api.Static, Address: address, Gateway: gateway}
	}
	for _, tt := range []struct {
		name string
		key  string
		with network.InterfaceConfig
		want string // the error's lines; empty is none
	}{
		{"empty is DHCP", "eth0", network.InterfaceConfig{}, ""},
		{"any", "*", network.InterfaceConfig{Method: api.LinkLocal}, ""},
		{"MAC", "02:00:5E:10:00:01", network.InterfaceConfig{Method: api.NoAddress}, ""},
		{"static", "eth0", static("192.0.2.10/24", "192.0.2.1"), ""},
		{"static point to point", "eth0", static("192.0.2.10/31", "192.0.2.11"), ""},
		{"static link-local", "eth0", static("169.254.9.9/16", ""), ""},
		{"IPv6 name server", "eth0", network.InterfaceConfig{DNS: []string{"2001:db8::53"}}, ""},
		{
			"bad key", "a long name with spaces", network.InterfaceConfig{},
			`interfaces: "a long name with spaces" is no interface name, MAC address or "*"`,
		},
		{
			"bad MAC", "02:00:5e", network.InterfaceConfig{},
			`interfaces: "02:00:5e" is no interface name, MAC address or "*"`,
		},
		{
			"unknown method", "eth0", network.InterfaceConfig{Method: "bootp"},
			`interfaces.eth0.method: "bootp" is unknown, want "dhcp", "static", "link-local" or "none"`,
		},
		{
			"no address", "eth0", static("", ""),
			`interfaces.eth0.address: "" is no IPv4 address with prefix length, want one such as "192.0.2.10/24"`,
		},
		{
			"no prefix length", "eth0", static("192.0.2.10", ""),
			`interfaces.eth0.address: "192.0.2.10" is no IPv4 address with prefix length, want one such as "192.0.2.10/24"`,
		},
		{
			"network's address", "eth0", static("192.0.2.0/24", ""),
			`interfaces.eth0.address: 192.0.2.0/24 is the network itself or its broadcast address, want one in between`,
		},
		{
			"broadcast address", "eth0", static("192.0.2.255/24", ""),
			`interfaces.eth0.address: 192.0.2.255/24 is the network itself or its broadcast address, want one in between`,
		},
		{
			"loopback", "eth0", static("127.0.0.1/8", ""),
			`interfaces.eth0.address: 127.0.0.1/8 cannot be a host's address`,
		},
		{
			"multicast", "eth0", static("239.69.0.1/24", ""),
			`interfaces.eth0.address: 239.69.0.1/24 cannot be a host's address`,
		},
		{
			"gateway elsewhere", "eth0", static("192.0.2.10/24", "198.51.100.1"),
			`interfaces.eth0.gateway: want another address of the network 192.0.2.0/24, not 198.51.100.1`,
		},
		{
			"gateway itself", "eth0", static("192.0.2.10/24", "192.0.2.10"),
			`interfaces.eth0.gateway: want another address of the network 192.0.2.0/24, not 192.0.2.10`,
		},
		{
			"address with DHCP", "*", network.InterfaceConfig{Address: "192.0.2.10/24", Gateway: "192.0.2.1"},
			`interfaces.*.address: only used with method "static", leave it out with "dhcp"` + "\n" +
				`interfaces.*.gateway: only used with method "static", leave it out with "dhcp"`,
		},
		{
			"name servers and MTU", "eth0",
			network.InterfaceConfig{DNS: []string{"192.0.2.53", "dns.example"}, MTU: 100},
			`interfaces.eth0.dns[1]: "dns.example" is no name server's address, want one such as "192.0.2.1"` + "\n" +
				`interfaces.eth0.mtu: 100, want 576 to 9216 bytes, or 0 for the interface's own`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := network.Config{Interfaces: map[string]network.InterfaceConfig{tt.key: tt.with}}
			var got string
			if err := c.Validate(); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Validate() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewRefusesConfig(t *testing.T) {
	c := network.Config{Interfaces: map[string]network.InterfaceConfig{"eth0": {MTU: 1}}}
	if _, err := network.New(network.Options{Config: c}); err == nil || !strings.Contains(err.Error(), "eth0.mtu") {
		t.Errorf("New() = %v, want an error that names eth0.mtu", err)
	}
}

func TestConfigFor(t *testing.T) {
	mac, err := net.ParseMAC("02:00:5e:10:00:01")
	if err != nil {
		t.Fatal(err)
	}
	byName := network.InterfaceConfig{MTU: 1000}
	byMAC := network.InterfaceConfig{MTU: 2000}
	any := network.InterfaceConfig{MTU: 3000}
	full := map[string]network.InterfaceConfig{"eth0": byName, "02:00:5E:10:00:01": byMAC, network.Any: any}
	for _, tt := range []struct {
		name string
		of   string
		mac  net.HardwareAddr
		want network.InterfaceConfig
	}{
		{"name comes first", "eth0", mac, byName},
		{"then MAC", "eth1", mac, byMAC},
		{"then any", "eth1", net.HardwareAddr{2, 0, 0, 0, 0, 9}, any},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := network.Config{Interfaces: full}.For(tt.of, tt.mac)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("For() (-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff(network.InterfaceConfig{}, network.Config{}.For("eth0", mac)); diff != "" {
		t.Errorf("For() of the zero Config (-want +got):\n%s", diff)
	}
}

func FuzzConfigValidate(f *testing.F) {
	f.Add(`{"interfaces":{"*":{"method":"static","address":"192.0.2.10/24","gateway":"192.0.2.1"}}}`)
	f.Add(`{"interfaces":{"eth0":{"dns":["::1"],"mtu":-1}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var c network.Config
		if json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		if err := c.Validate(); err != nil && err.Error() == "" {
			t.Errorf("Validate() of %s says nothing", text)
		}
	})
}
