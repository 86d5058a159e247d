// Package config is aes67d's configuration file: the one JSON object that users of
// the known daemon for Linux (bondagit's aes67-linux-daemon, version 4) already
// have, with the same members in the same order and the same built-in values. Their
// files load here unchanged, and what GET /api/config answers loads there.
//
// Two things differ. interface_name is "auto" unless told, because an appliance does
// not know the name of its network port when the image is built. And a change that
// cannot work is refused with the reason ([ValueError]), where the known daemon would
// take it and replace it at its next start.
//
// A [Store] keeps the configuration: reading is forgiving, for a system with a default
// too many is better than none; changing is strict; and what is on the disk is what is
// in memory, after every change.
package config

// Auto as interface_name stands for the first wired interface that has an IPv4 address.
const Auto = "auto"

// Config holds the members of the file. Read-only ones are answered and never read.
type Config struct {
	HTTPPort    uint16 `json:"http_port"`
	RTSPPort    uint16 `json:"rtsp_port"`
	HTTPBaseDir string `json:"http_base_dir"`
	// LogSeverity is 0 (trace) to 5 (fatal); 2 is info.
	LogSeverity int `json:"log_severity"`
	// PlayoutDelay is in samples, at most 4000.
	PlayoutDelay uint32 `json:"playout_delay"`
	// TicFrameSizeAt1FS is the period of the driver in samples at 44.1 or 48 kHz, 1 to 192.
	TicFrameSizeAt1FS uint32 `json:"tic_frame_size_at_1fs"`
	// MaxTicFrameSize is in samples, at most 1024.
	MaxTicFrameSize uint32 `json:"max_tic_frame_size"`
	// SampleRate is in Hz.
	SampleRate uint32 `json:"sample_rate"`
	// RTPMulticastBase plus a source's id is that source's address; the second is
	// the one of the second network of SMPTE ST 2022-7, as are all ...Sec.
	RTPMulticastBase    string `json:"rtp_mcast_base"`
	RTPMulticastBaseSec string `json:"rtp_mcast_base_sec"`
	RTPPort             uint16 `json:"rtp_port"`
	RTPPortSec          uint16 `json:"rtp_port_sec"`
	// PTPDomain is 0 to 127 (IEEE 1588-2008 table 2).
	PTPDomain uint8 `json:"ptp_domain"`
	// PTPDSCP is 0 to 63 (RFC 2474 §3).
	PTPDSCP uint8 `json:"ptp_dscp"`
	// SAPMulticastAddress is where sources are announced (RFC 2974 §3).
	SAPMulticastAddress string `json:"sap_mcast_addr"`
	// SAPInterval is in seconds; 0 computes it by RFC 2974 §3.1.
	SAPInterval uint16 `json:"sap_interval"`
	// SyslogProto is "" (local), "udp" or "none".
	SyslogProto string `json:"syslog_proto"`
	// SyslogServer is the host:port for "udp".
	SyslogServer string `json:"syslog_server"`
	// StatusFile keeps sources and sinks.
	StatusFile string `json:"status_file"`
	// InterfaceName is one interface, two with a comma between, or [Auto].
	InterfaceName string `json:"interface_name"`
	MDNSEnabled   bool   `json:"mdns_enabled"`
	// CustomNodeID replaces what NodeID would be, if it is not empty.
	CustomNodeID string `json:"custom_node_id"`
	// NodeID is read-only.
	NodeID string `json:"node_id"`
	// PTPStatusScript is a program to run with the clock's state when that has changed.
	PTPStatusScript string `json:"ptp_status_script"`
	// MACAddress is read-only.
	MACAddress string `json:"mac_addr"`
	// IPAddress is the address to prefer where the interface has several; what is
	// answered is the one in use.
	IPAddress string `json:"ip_addr"`
	// StreamerChannels is 2 to 16.
	StreamerChannels uint8 `json:"streamer_channels"`
	// StreamerFilesNum is 4 to 16.
	StreamerFilesNum uint8 `json:"streamer_files_num"`
	// StreamerFileDuration is in seconds, 1 to 4.
	StreamerFileDuration uint16 `json:"streamer_file_duration"`
	// StreamerPlayerBufferFilesNum is 1 or 2.
	StreamerPlayerBufferFilesNum uint8 `json:"streamer_player_buffer_files_num"`
	StreamerEnabled              bool  `json:"streamer_enabled"`
	TranscriberEnabled           bool  `json:"transcriber_enabled"`
	// TranscriberChannels is 2 to 16.
	TranscriberChannels uint8 `json:"transcriber_channels"`
	// TranscriberFilesNum is 4 to 16.
	TranscriberFilesNum uint8 `json:"transcriber_files_num"`
	// TranscriberFileDuration is in seconds, 2 to 5.
	TranscriberFileDuration uint16 `json:"transcriber_file_duration"`
	// TranscriberModel is the file of a speech model.
	TranscriberModel          string `json:"transcriber_model"`
	TranscriberLanguage       string `json:"transcriber_language"`
	TranscriberOpenVINODevice string `json:"transcriber_openvino_device"`
	// AutoSinksUpdate makes sinks follow newer versions of the SDP they were made of.
	AutoSinksUpdate     bool   `json:"auto_sinks_update"`
	NMOSEnabled         bool   `json:"nmos_enabled"`
	NMOSRegistryAddress string `json:"nmos_registry_address"`
	NMOSRegistryPort    uint16 `json:"nmos_registry_port"`
	NMOSNodePort        uint16 `json:"nmos_node_port"`
	NMOSLabel           string `json:"nmos_label"`
	// SDPSourceFilter puts a=source-filter (RFC 4570 §3) also into the SDP of sources on
	// one network. Dante Controller does not show such sources. This one is ours.
	SDPSourceFilter bool `json:"sdp_source_filter"`
	// The rest is ours, too, for the driver that needs no kernel module, driver/userspace.

	// AudioPorts joins channels of the device to sound cards and files.
	AudioPorts string `json:"audio_ports"`
	// AudioCPUs are the processors for audio, as in "2-3"; empty for any.
	AudioCPUs string `json:"audio_cpus"`
	// PTPPriority1 and PTPPriority2 are ours as grandmaster, 1 to 255; the lower one leads
	// (IEEE 1588-2008 §7.6.2).
	PTPPriority1 uint8 `json:"ptp_priority1"`
	PTPPriority2 uint8 `json:"ptp_priority2"`
}

// Default is the configuration of a system without a file.
func Default() Config {
	return Config{
		HTTPPort:                     8080,
		RTSPPort:                     8854,
		HTTPBaseDir:                  "../webui/dist",
		LogSeverity:                  2,
		TicFrameSizeAt1FS:            48,
		MaxTicFrameSize:              1024,
		SampleRate:                   48000,
		RTPMulticastBase:             "239.1.0.1",
		RTPMulticastBaseSec:          "239.1.0.1",
		RTPPort:                      5004,
		RTPPortSec:                   5004,
		PTPDSCP:                      46,
		SAPMulticastAddress:          "224.2.127.254",
		SAPInterval:                  300,
		StatusFile:                   "./status.json",
		InterfaceName:                Auto,
		MDNSEnabled:                  true,
		StreamerChannels:             8,
		StreamerFilesNum:             8,
		StreamerFileDuration:         1,
		StreamerPlayerBufferFilesNum: 1,
		TranscriberChannels:          4,
		TranscriberFilesNum:          4,
		TranscriberFileDuration:      5,
		TranscriberLanguage:          "en",
		TranscriberOpenVINODevice:    "CPU",
		AutoSinksUpdate:              true,
		NMOSRegistryPort:             8010,
		NMOSNodePort:                 3212,
		NMOSLabel:                    "AES67 Daemon",
		PTPPriority1:                 128,
		PTPPriority2:                 254,
	}
}
