package daemon

import (
	"net/netip"

	"aes67os/aes67d/config"
	"aes67os/aes67d/netif"
	"aes67os/aes67d/session"
	"aes67os/driver"
)

// settings are what a configuration means to the sessions on the interfaces there are.
func settings(c config.Config, interfaces []netif.Interface) session.Settings {
	in, addresses := c.Select(interfaces)
	s := session.Settings{
		Interfaces: in,
		Addresses:  addresses,
		NodeID:     c.On(interfaces).NodeID,
		RTPPort:    [2]uint16{c.RTPPort, c.RTPPortSec},
		Driver: driver.Config{
			PTP:               driver.PTPConfig{Domain: c.PTPDomain, DSCP: c.PTPDSCP},
			SampleRate:        c.SampleRate,
			PlayoutDelay:      c.PlayoutDelay,
			TICFrameSizeAt1FS: c.TicFrameSizeAt1FS,
			MaxTICFrameSize:   c.MaxTicFrameSize,
			Program: driver.Program{
				Ports: c.AudioPorts, CPUs: c.AudioCPUs, Priority1: c.PTPPriority1, Priority2: c.PTPPriority2,
			},
		},
		SourceFilter:    c.SDPSourceFilter,
		AutoSinksUpdate: c.AutoSinksUpdate,
		PTPStatusScript: c.PTPStatusScript,
	}
	s.MulticastBase = [2]netip.Addr{address(c.RTPMulticastBase), address(c.RTPMulticastBaseSec)}
	for _, i := range in {
		if i.Name != "" { // "auto" has found none yet
			s.Driver.Interfaces = append(s.Driver.Interfaces, i.Name)
		}
	}
	return s
}

// address is a member of the configuration that is always an address: another value was
// replaced when the file was loaded, or refused.
func address(member string) netip.Addr {
	a, _ := netip.ParseAddr(member)
	return a
}
