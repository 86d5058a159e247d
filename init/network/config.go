package network

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"aes67os/init/api"
)

// Any is the key of Config.Interfaces for every interface without a key of its own.
const Any = "*"

// Config is how interfaces get their addresses. The zero Config is DHCP with
// link-local fallback everywhere.
type Config struct {
	// Interfaces has, by falling precedence, an interface's name, its MAC address, or Any as key.
	Interfaces map[string]InterfaceConfig `json:"interfaces,omitempty"`
}

// InterfaceConfig is the configuration of one interface.
type InterfaceConfig struct {
	// Method is api.DHCP when empty.
	Method api.Method `json:"method,omitempty"`
	// Address is IPv4 in CIDR form, such as "192.0.2.10/24". For api.Static only.
	Address string `json:"address,omitempty"`
	// Gateway is the default route's, within Address's network. For api.Static only.
	Gateway string `json:"gateway,omitempty"`
	// DNS are name servers; they replace those which DHCP tells.
	DNS []string `json:"dns,omitempty"`
	// MTU is in bytes, 576 to 9216; 0 leaves it as it is, or as DHCP tells.
	MTU int `json:"mtu,omitempty"`
}

const (
	minMTU = 576
	maxMTU = 9216
)

// Validate says everything that is wrong with the configuration, each with the
// member's name and what is expected there.
func (c Config) Validate() error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(c.Interfaces)) {
		if !isKey(key) {
			errs = append(errs, fmt.Errorf("interfaces: %q is no interface name, MAC address or %q", key, Any))
		}
		if _, err := c.Interfaces[key].settings(); err != nil {
			for _, e := range flatten(err) {
				errs = append(errs, fmt.Errorf("interfaces.%s.%w", key, e))
			}
		}
	}
	return errors.Join(errs...)
}

// For returns what holds for one interface.
func (c Config) For(name string, mac net.HardwareAddr) InterfaceConfig {
	if ic, ok := c.Interfaces[name]; ok {
		return ic
	}
	for key, ic := range c.Interfaces {
		if hw, err := net.ParseMAC(key); err == nil && hw.String() == mac.String() {
			return ic
		}
	}
	return c.Interfaces[Any]
}

// isKey knows MAC addresses by their colons, which interface names must not have.
func isKey(key string) bool {
	if strings.Contains(key, ":") {
		hw, err := net.ParseMAC(key)
		return err == nil && len(hw) == 6
	}
	const longest = 15 // IFNAMSIZ without its zero byte
	return key != "" && len(key) <= longest && key != "." && key != ".." && !strings.ContainsAny(key, "/ \t\n")
}

// settings is an InterfaceConfig that was read.
type settings struct {
	method  api.Method
	address netip.Prefix
	gateway netip.Addr
	dns     []netip.Addr
	mtu     int
}

// settings reads c. The error joins all that is wrong, each beginning with a member's name.
func (c InterfaceConfig) settings() (settings, error) {
	s := settings{method: c.Method, mtu: c.MTU}
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	switch c.Method {
	case "":
		s.method = api.DHCP
	case api.DHCP, api.Static, api.LinkLocal, api.NoAddress:
	default:
		wrong("method: %q is unknown, want %q, %q, %q or %q", c.Method, api.DHCP, api.Static, api.LinkLocal, api.NoAddress)
	}

	if s.method == api.Static {
		var err error
		if s.address, err = parseAddress(c.Address); err != nil {
			wrong("address: %w", err)
		}
		if c.Gateway != "" {
			s.gateway, err = netip.ParseAddr(c.Gateway)
			switch {
			case err != nil || !s.gateway.Is4():
				wrong("gateway: %q is no IPv4 address, want one such as \"192.0.2.1\"", c.Gateway)
			case s.address.IsValid() && (!s.address.Contains(s.gateway) || s.gateway == s.address.Addr()):
				wrong("gateway: want another address of the network %s, not %s", s.address.Masked(), s.gateway)
			}
		}
	} else {
		if c.Address != "" {
			wrong("address: only used with method %q, leave it out with %q", api.Static, s.method)
		}
		if c.Gateway != "" {
			wrong("gateway: only used with method %q, leave it out with %q", api.Static, s.method)
		}
	}

	for i, text := range c.DNS {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
			wrong("dns[%d]: %q is no name server's address, want one such as \"192.0.2.1\"", i, text)
		}
		s.dns = append(s.dns, a)
	}
	if c.MTU != 0 && (c.MTU < minMTU || c.MTU > maxMTU) {
		wrong("mtu: %d, want %d to %d bytes, or 0 for the interface's own", c.MTU, minMTU, maxMTU)
	}
	return s, errors.Join(errs...)
}

func parseAddress(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, fmt.Errorf("%q is no IPv4 address with prefix length, want one such as \"192.0.2.10/24\"", text)
	}
	a := p.Addr()
	if p.Bits() < 1 || a.IsMulticast() || a.IsLoopback() || a.As4()[0] == 0 || a.As4()[0] >= 240 {
		return netip.Prefix{}, fmt.Errorf("%s cannot be a host's address", text)
	}
	if p.Bits() <= 30 && (a == p.Masked().Addr() || !p.Contains(a.Next())) {
		return netip.Prefix{}, fmt.Errorf("%s is the network itself or its broadcast address, want one in between", text)
	}
	return p, nil
}

// flatten takes apart what errors.Join has joined.
func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
