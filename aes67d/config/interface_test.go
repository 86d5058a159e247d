package config

import (
	"net"
	"net/netip"
	"testing"

	"aes67os/aes67d/netif"

	"github.com/google/go-cmp/cmp"
)

func host() []netif.Interface {
	mac := func(last byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, last} }
	on := func(prefixes ...string) (list []netip.Prefix) {
		for _, p := range prefixes {
			list = append(list, netip.MustParsePrefix(p))
		}
		return list
	}
	return []netif.Interface{
		{Name: "lo", Loopback: true, Addresses: on("127.0.0.1/8")},
		{Name: "wlan0", MAC: mac(9), Wireless: true, Addresses: on("172.16.0.9/16")},
		{Name: "eth0", MAC: mac(1)},
		{Name: "eth1", MAC: mac(2), Addresses: on("192.168.1.10/24", "10.0.0.9/8")},
		{Name: "eth2", MAC: mac(3), Addresses: on("192.168.2.10/24", "192.168.1.77/24")},
	}
}

func TestSelect(t *testing.T) {
	type in struct{ Name, MAC, Address string }
	const mac1, mac2, mac3 = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"
	for _, test := range []struct {
		name string
		c    Config
		want []in
	}{
		{"auto takes the first wired one with an address", Config{InterfaceName: Auto}, []in{{"eth1", mac2, "192.168.1.10"}}},
		{"by name", Config{InterfaceName: "eth2"}, []in{{"eth2", mac3, "192.168.2.10"}}},
		{"wireless by name", Config{InterfaceName: "wlan0"}, []in{{"wlan0", "02:00:00:00:00:09", "172.16.0.9"}}},
		{"loopback by name", Config{InterfaceName: "lo"}, []in{{"lo", "", "127.0.0.1"}}},
		{"two", Config{InterfaceName: " eth2 , eth1"}, []in{{"eth2", mac3, "192.168.2.10"}, {"eth1", mac2, "192.168.1.10"}}},
		{"two, one missing", Config{InterfaceName: "eth7,eth1"}, []in{{"eth7", "", "invalid IP"}, {"eth1", mac2, "192.168.1.10"}}},
		{"two, one without an address", Config{InterfaceName: "eth1,eth0,"}, []in{{"eth1", mac2, "192.168.1.10"}, {"eth0", mac1, "invalid IP"}}},
		{"preferred address", Config{InterfaceName: "eth1", IPAddress: "10.0.0.9"}, []in{{"eth1", mac2, "10.0.0.9"}}},
		{"preferred address is the primary's", Config{InterfaceName: "eth1,eth2", IPAddress: "192.168.1.77"},
			[]in{{"eth1", mac2, "192.168.1.10"}, {"eth2", mac3, "192.168.2.10"}}},
		{"preferred address is gone", Config{InterfaceName: "eth1", IPAddress: "10.0.0.8"}, []in{{"eth1", mac2, "192.168.1.10"}}},
	} {
		interfaces, addresses := test.c.Select(host())
		var got []in
		for n, i := range interfaces {
			got = append(got, in{i.Name, i.MAC.String(), addresses[n].String()})
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	for _, none := range [][]netif.Interface{nil, host()[:3]} {
		interfaces, addresses := Default().Select(none)
		if len(interfaces) != 1 || interfaces[0].Name != "" || len(addresses) != 1 || addresses[0].IsValid() {
			t.Errorf("auto without a wired interface = %v, %v; want one without name and address", interfaces, addresses)
		}
	}
}

func TestOn(t *testing.T) {
	type members struct{ MAC, IP, Node string }
	for _, test := range []struct {
		name string
		c    Config
		want members
	}{
		{"auto", Config{InterfaceName: Auto}, members{"02:00:00:00:00:02", "192.168.1.10", "Daemon a8c00a01"}},
		{"the first of two", Config{InterfaceName: "eth2,eth1"}, members{"02:00:00:00:00:03", "192.168.2.10", "Daemon a8c00a02"}},
		{"preferred address", Config{InterfaceName: "eth1", IPAddress: "10.0.0.9"}, members{"02:00:00:00:00:02", "10.0.0.9", "Daemon 000a0900"}},
		{"no address", Config{InterfaceName: "eth0", CustomNodeID: "stage left"}, members{"02:00:00:00:00:01", "", "stage left"}},
		{"loopback", Config{InterfaceName: "lo"}, members{"00:00:00:00:00:00", "127.0.0.1", "Daemon 007f0100"}},
		{"no interface", Config{InterfaceName: "eth7", IPAddress: "10.0.0.9"}, members{"", "", "Daemon 00000000"}},
	} {
		c := test.c.On(host())
		if diff := cmp.Diff(test.want, members{c.MACAddress, c.IPAddress, c.NodeID}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
