package dhcp

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/insomniacslk/dhcp/iana"
)

// transaction is one exchange: what its messages have in common.
type transaction struct {
	id    dhcpv4.TransactionID
	start time.Time
}

// begin starts an exchange. The library's own ids wait until the kernel's random
// generator is ready, which early at boot can take longer than all of DHCP.
func begin() transaction {
	t := transaction{start: time.Now()}
	for i, n := 0, rand.Uint32(); i < len(t.id); i, n = i+1, n>>8 {
		t.id[i] = byte(n)
	}
	return t
}

// message builds what all messages of a client hold (RFC 2131 table 5).
func (c *Client) message(t transaction, kind dhcpv4.MessageType, options ...dhcpv4.Option) *dhcpv4.DHCPv4 {
	m := &dhcpv4.DHCPv4{
		OpCode:        dhcpv4.OpcodeBootRequest,
		HWType:        iana.HWTypeEthernet,
		TransactionID: t.id,
		NumSeconds:    uint16(min(time.Since(t.start)/time.Second, 0xffff)),
		ClientHWAddr:  c.HardwareAddr,
		Options:       make(dhcpv4.Options),
	}
	m.UpdateOption(dhcpv4.OptMessageType(kind))
	m.UpdateOption(dhcpv4.OptMaxMessageSize(nclient4.MaxMessageSize))
	// The hardware address as identifier (RFC 2132 §9.14) is what servers assume
	// without one; saying it keeps the lease when one server replaces another.
	m.UpdateOption(dhcpv4.OptClientIdentifier(append([]byte{byte(iana.HWTypeEthernet)}, c.HardwareAddr...)))
	if c.Hostname != "" {
		m.UpdateOption(dhcpv4.OptHostName(c.Hostname))
	}
	m.UpdateOption(dhcpv4.OptParameterRequestList(
		dhcpv4.OptionSubnetMask,
		dhcpv4.OptionRouter,
		dhcpv4.OptionDomainNameServer,
		dhcpv4.OptionHostName,
		dhcpv4.OptionDomainName,
		dhcpv4.OptionInterfaceMTU,
		dhcpv4.OptionBroadcastAddress,
		dhcpv4.OptionNTPServers,
		dhcpv4.OptionIPAddressLeaseTime,
		dhcpv4.OptionServerIdentifier,
		dhcpv4.OptionRenewTimeValue,
		dhcpv4.OptionRebindingTimeValue,
		dhcpv4.OptionClasslessStaticRoute,
	))
	for _, o := range options {
		m.UpdateOption(o)
	}
	return m
}

// discover asks all servers, for hint if it is valid (RFC 2131 §4.4.1).
func (c *Client) discover(t transaction, hint netip.Addr) *dhcpv4.DHCPv4 {
	m := c.message(t, dhcpv4.MessageTypeDiscover)
	if hint.IsValid() {
		m.UpdateOption(dhcpv4.OptRequestedIPAddress(hint.AsSlice()))
	}
	return m
}

// selecting accepts an offer; by its server identifier all others see that they lost
// (RFC 2131 §4.3.2).
func (c *Client) selecting(t transaction, offer *Lease) *dhcpv4.DHCPv4 {
	return c.message(t, dhcpv4.MessageTypeRequest,
		dhcpv4.OptRequestedIPAddress(offer.Address.Addr().AsSlice()),
		dhcpv4.OptServerIdentifier(offer.Server.AsSlice()))
}

// rebooting asks whether the address is still ours on this network (RFC 2131 §4.3.2).
func (c *Client) rebooting(t transaction, held *Lease) *dhcpv4.DHCPv4 {
	return c.message(t, dhcpv4.MessageTypeRequest,
		dhcpv4.OptRequestedIPAddress(held.Address.Addr().AsSlice()))
}

// extending asks for more time (RFC 2131 §4.3.2, RENEWING and REBINDING).
func (c *Client) extending(t transaction, held *Lease) *dhcpv4.DHCPv4 {
	m := c.message(t, dhcpv4.MessageTypeRequest)
	m.ClientIPAddr = held.Address.Addr().AsSlice()
	return m
}
