// Package config is aes67d's configuration file: the one JSON object that users of
// the known daemon for Linux (bondagit's aes67-linux-daemon, version 4) already
// have, with the same members in the same order and the same built-in values. Their
// files load here unchanged, and what GET /api/config answers loads there.
//
// The one difference: interface_name is "auto" unless told, because an appliance
// does not know the name of its network port when the image is built.
package config

// Auto as interface_name stands for the first interface that has an IPv4 address.
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
	PTPDSCP   uint8 `json:"ptp_dscp"`
	// SAPMulticastAddress is where sources are announced (RFC 2974 §3).
	SAPMulticastAddress string `json:"sap_mcast_addr"`
	// SAPInterval is in seconds; 0 computes it by RFC 2974 §3.1.
	SAPInterval uint16 `json:"sap_interval"`
	// SyslogProto is "" (local), "udp" or "none".
	SyslogProto  string `json:"syslog_proto"`
	SyslogServer string `json:"syslog_server"`
	StatusFile   string `json:"status_file"`
	// InterfaceName is one interface, two with a comma between, or [Auto].
	InterfaceName string `json:"interface_name"`
	MDNSEnabled   bool   `json:"mdns_enabled"`
	CustomNodeID  string `json:"custom_node_id"`
	// NodeID is read-only.
	NodeID          string `json:"node_id"`
	PTPStatusScript string `json:"ptp_status_script"`
	// MACAddress is read-only.
	MACAddress string `json:"mac_addr"`
	// IPAddress is the address to prefer where the interface has several; what is
	// answered is the one in use.
	IPAddress        string `json:"ip_addr"`
	StreamerChannels uint8  `json:"streamer_channels"`
	StreamerFilesNum uint8  `json:"streamer_files_num"`
	// StreamerFileDuration is in seconds.
	StreamerFileDuration         uint16 `json:"streamer_file_duration"`
	StreamerPlayerBufferFilesNum uint8  `json:"streamer_player_buffer_files_num"`
	StreamerEnabled              bool   `json:"streamer_enabled"`
	AutoSinksUpdate              bool   `json:"auto_sinks_update"`
	NMOSEnabled                  bool   `json:"nmos_enabled"`
	NMOSRegistryAddress          string `json:"nmos_registry_address"`
	NMOSRegistryPort             uint16 `json:"nmos_registry_port"`
	NMOSNodePort                 uint16 `json:"nmos_node_port"`
	NMOSLabel                    string `json:"nmos_label"`
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
		AutoSinksUpdate:              true,
		NMOSRegistryPort:             8010,
		NMOSNodePort:                 3212,
		NMOSLabel:                    "AES67 Daemon",
	}
}
