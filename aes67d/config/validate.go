package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"aes67os/driver/userspace"
)

// ValueError is a member with a value that it cannot have.
type ValueError struct {
	// Member is the name in JSON.
	Member string
	Value  any
	// Reason says what the value has to be.
	Reason string
}

func (e *ValueError) Error() string {
	value := fmt.Sprint(e.Value)
	if s, ok := e.Value.(string); ok {
		value = strconv.Quote(s)
	}
	return fmt.Sprintf("%s cannot be %s: %s", e.Member, value, e.Reason)
}

// finder hears of a member at fault, and of what puts it right and returns the value that
// then holds.
type finder func(problem *ValueError, repair func() any)

// validate returns the first member that is at fault, as a *ValueError.
func (c *Config) validate() error {
	var problems []error
	c.check(func(problem *ValueError, _ func() any) { problems = append(problems, problem) })
	if len(problems) == 0 {
		return nil
	}
	return problems[0]
}

// repair gives members at fault a value they can have, the one that the known daemon puts
// there if it does, and tells of each.
func (c *Config) repair() (warnings []string) {
	c.check(func(problem *ValueError, repair func() any) {
		warnings = append(warnings, fmt.Sprintf("%s; using %v", problem, repair()))
	})
	return warnings
}

// check looks at every member, in their order in the file but for those that depend on
// others, and tells found which are at fault.
func (c *Config) check(found finder) {
	d := Default()
	within(found, "http_port", &c.HTTPPort, 1, 65535, d.HTTPPort)
	within(found, "rtsp_port", &c.RTSPPort, 1, 65535, d.RTSPPort)
	if c.HTTPPort == c.RTSPPort {
		found(&ValueError{"rtsp_port", c.RTSPPort, "http_port is the same"}, func() any {
			c.HTTPPort, c.RTSPPort = d.HTTPPort, d.RTSPPort
			return c.RTSPPort
		})
	}
	within(found, "log_severity", &c.LogSeverity, 0, 5, d.LogSeverity)
	within(found, "playout_delay", &c.PlayoutDelay, 0, 4000, 4000)
	within(found, "tic_frame_size_at_1fs", &c.TicFrameSizeAt1FS, 1, 192, 192)
	within(found, "max_tic_frame_size", &c.MaxTicFrameSize, c.TicFrameSizeAt1FS, 1024, 1024)
	if rates := []uint32{44100, 48000, 88200, 96000, 176400, 192000, 352800, 384000}; !slices.Contains(rates, c.SampleRate) {
		found(&ValueError{"sample_rate", c.SampleRate, fmt.Sprintf("it must be one of %d Hz", rates)}, or(&c.SampleRate, d.SampleRate))
	}
	multicast(found, "rtp_mcast_base", &c.RTPMulticastBase, d.RTPMulticastBase)
	multicast(found, "rtp_mcast_base_sec", &c.RTPMulticastBaseSec, d.RTPMulticastBaseSec)
	within(found, "rtp_port", &c.RTPPort, 1, 65535, d.RTPPort)
	within(found, "rtp_port_sec", &c.RTPPortSec, 1, 65535, d.RTPPortSec)
	within(found, "ptp_domain", &c.PTPDomain, 0, 127, d.PTPDomain)
	within(found, "ptp_dscp", &c.PTPDSCP, 0, 63, d.PTPDSCP)
	multicast(found, "sap_mcast_addr", &c.SAPMulticastAddress, d.SAPMulticastAddress)
	c.checkSyslog(found)
	if reason := c.interfacesAtFault(); reason != "" {
		found(&ValueError{"interface_name", c.InterfaceName, reason}, c.repairInterfaces)
	}
	if a, err := netip.ParseAddr(c.IPAddress); c.IPAddress != "" && (err != nil || !a.Is4()) {
		found(&ValueError{"ip_addr", c.IPAddress, "it must be an IPv4 address or empty"}, or(&c.IPAddress, ""))
	}
	within(found, "streamer_channels", &c.StreamerChannels, 2, 16, d.StreamerChannels)
	within(found, "streamer_files_num", &c.StreamerFilesNum, 4, 16, d.StreamerFilesNum)
	within(found, "streamer_file_duration", &c.StreamerFileDuration, 1, 4, d.StreamerFileDuration)
	within(found, "streamer_player_buffer_files_num", &c.StreamerPlayerBufferFilesNum, 1, 2, d.StreamerPlayerBufferFilesNum)
	within(found, "transcriber_channels", &c.TranscriberChannels, 2, 16, d.TranscriberChannels)
	within(found, "transcriber_files_num", &c.TranscriberFilesNum, 4, 16, d.TranscriberFilesNum)
	within(found, "transcriber_file_duration", &c.TranscriberFileDuration, 2, 5, d.TranscriberFileDuration)
	within(found, "nmos_registry_port", &c.NMOSRegistryPort, 1, 65535, d.NMOSRegistryPort)
	within(found, "nmos_node_port", &c.NMOSNodePort, 1, 65535, d.NMOSNodePort)
	understood(found, "audio_ports", &c.AudioPorts, userspace.CheckPorts)
	understood(found, "audio_cpus", &c.AudioCPUs, userspace.CheckCPUs)
	within(found, "ptp_priority1", &c.PTPPriority1, 1, 255, d.PTPPriority1)
	within(found, "ptp_priority2", &c.PTPPriority2, 1, 255, d.PTPPriority2)
	for _, m := range []struct {
		name  string
		value *string
		or    string
	}{
		{"http_base_dir", &c.HTTPBaseDir, d.HTTPBaseDir},
		{"status_file", &c.StatusFile, d.StatusFile},
		{"custom_node_id", &c.CustomNodeID, d.CustomNodeID},
		{"ptp_status_script", &c.PTPStatusScript, d.PTPStatusScript},
		{"transcriber_model", &c.TranscriberModel, d.TranscriberModel},
		{"transcriber_language", &c.TranscriberLanguage, d.TranscriberLanguage},
		{"transcriber_openvino_device", &c.TranscriberOpenVINODevice, d.TranscriberOpenVINODevice},
		{"nmos_registry_address", &c.NMOSRegistryAddress, d.NMOSRegistryAddress},
		{"nmos_label", &c.NMOSLabel, d.NMOSLabel},
	} {
		// They go into lines of SDP, DNS and logs, and into file names.
		if strings.ContainsFunc(*m.value, unicode.IsControl) {
			found(&ValueError{m.name, *m.value, "it must not have control characters"}, or(m.value, m.or))
		}
	}
}

// or gives *v the value to and returns it.
func or[T any](v *T, to T) func() any {
	return func() any {
		*v = to
		return to
	}
}

// within checks that a number is from low to high; if not, it is to be the number to.
func within[T int | uint8 | uint16 | uint32](found finder, member string, v *T, low, high, to T) {
	if *v < low || *v > high {
		found(&ValueError{member, *v, fmt.Sprintf("it must be from %d to %d", low, high)}, or(v, to))
	}
}

// understood checks that words have a meaning to the driver; if not, there are to be none.
func understood(found finder, member string, v *string, check func(string) error) {
	if err := check(*v); err != nil {
		found(&ValueError{member, *v, err.Error()}, or(v, ""))
	}
}

func multicast(found finder, member string, v *string, to string) {
	if a, err := netip.ParseAddr(*v); err != nil || !a.Is4() || !a.IsMulticast() {
		found(&ValueError{member, *v, "it must be an IPv4 multicast address"}, or(v, to))
	}
}

func (c *Config) checkSyslog(found finder) {
	if c.SyslogProto == "local" { // a word for it that users of the known daemon have
		c.SyslogProto = ""
	}
	local := func() any { // as the known daemon has it for any word it does not know
		c.SyslogProto = ""
		return "the local syslog"
	}
	switch c.SyslogProto {
	case "", "none":
		if strings.ContainsFunc(c.SyslogServer, unicode.IsControl) {
			found(&ValueError{"syslog_server", c.SyslogServer, "it must not have control characters"}, or(&c.SyslogServer, ""))
		}
	case "udp":
		if err := hostPort(c.SyslogServer); err != nil {
			found(&ValueError{"syslog_server", c.SyslogServer, err.Error()}, local)
		}
	default:
		found(&ValueError{"syslog_proto", c.SyslogProto, `it must be "udp", "none", or empty for the local syslog`}, local)
	}
}

func hostPort(s string) error {
	host, port, err := net.SplitHostPort(s)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 ||
		host == "" || strings.ContainsFunc(host, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return errors.New("it must be a host and a port, as in 192.168.1.1:514")
	}
	return nil
}

// interfacesAtFault says what is wrong with interface_name.
func (c *Config) interfacesAtFault() string {
	names := c.interfaceNames()
	switch {
	case len(names) == 0 || len(names) > 2:
		return "it must be one interface, or two with a comma between"
	case len(names) == 2 && names[0] == names[1]:
		return "the two interfaces must not be the same"
	case len(names) == 2 && slices.Contains(names, Auto):
		return Auto + " cannot be one of two interfaces"
	}
	for _, name := range names {
		// As the kernel has it, which allows 15 bytes.
		if len(name) > 15 || name == "." || name == ".." || strings.ContainsFunc(name, func(r rune) bool {
			return r == '/' || r == ':' || unicode.IsSpace(r) || unicode.IsControl(r)
		}) {
			return fmt.Sprintf("%q is no name of a network interface", name)
		}
	}
	return ""
}

// repairInterfaces keeps what can be kept: the known daemon has no use for more than two
// interfaces, either.
func (c *Config) repairInterfaces() any {
	names := c.interfaceNames()
	for n := min(len(names), 2); n > 0; n-- {
		c.InterfaceName = strings.Join(names[:n], ",")
		if c.interfacesAtFault() == "" {
			return c.InterfaceName
		}
	}
	c.InterfaceName = Auto
	return Auto
}
