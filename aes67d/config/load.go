package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
)

// Load reads the configuration in file. A file that does not exist is not an error:
// it means the defaults. With an error the configuration is the defaults as well,
// whole: half of a damaged file would be a system nobody has set up.
//
// Warnings name members that do not exist and values out of range, which are replaced.
func Load(file string) (c Config, warnings []string, err error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Default(), nil, nil
	}
	if err != nil {
		return Default(), nil, fmt.Errorf("read the configuration: %w", err)
	}
	c, warnings, err = Parse(b)
	if err != nil {
		return Default(), nil, fmt.Errorf("configuration in %s: %w", file, err)
	}
	return c, warnings, nil
}

// Parse reads a configuration from JSON. Members not given have their default.
func Parse(b []byte) (c Config, warnings []string, err error) {
	c = Default()
	if err := json.Unmarshal(b, &c); err != nil {
		return Default(), nil, err
	}
	c.NodeID, c.MACAddress = "", ""
	unknown, err := unknownMembers(b)
	if err != nil {
		return Default(), nil, err
	}
	for _, name := range unknown {
		warnings = append(warnings, fmt.Sprintf("there is no %q in the configuration, it is ignored", name))
	}
	return c, append(warnings, c.repair()...), nil
}

// unknownMembers finds misspelt names, which would otherwise be settings without effect.
func unknownMembers(b []byte) ([]string, error) {
	var given, known map[string]json.RawMessage
	if err := json.Unmarshal(b, &given); err != nil {
		return nil, err
	}
	all, err := json.Marshal(Default())
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(all, &known); err != nil {
		return nil, err
	}
	maps.DeleteFunc(given, func(name string, _ json.RawMessage) bool {
		_, ok := known[name]
		return ok
	})
	return slices.Sorted(maps.Keys(given)), nil
}

// repair puts values out of range where the known daemon puts them, and says so.
func (c *Config) repair() (warnings []string) {
	d := Default()
	note := func(name string, was, is any) {
		warnings = append(warnings, fmt.Sprintf("%s cannot be %v, using %v", name, was, is))
	}
	if c.LogSeverity < 0 || c.LogSeverity > 5 {
		note("log_severity", c.LogSeverity, d.LogSeverity)
		c.LogSeverity = d.LogSeverity
	}
	if c.PlayoutDelay > 4000 {
		note("playout_delay", c.PlayoutDelay, 4000)
		c.PlayoutDelay = 4000
	}
	if c.TicFrameSizeAt1FS == 0 || c.TicFrameSizeAt1FS > 192 {
		note("tic_frame_size_at_1fs", c.TicFrameSizeAt1FS, 192)
		c.TicFrameSizeAt1FS = 192
	}
	if c.MaxTicFrameSize < c.TicFrameSizeAt1FS || c.MaxTicFrameSize > 1024 {
		note("max_tic_frame_size", c.MaxTicFrameSize, 1024)
		c.MaxTicFrameSize = 1024
	}
	if c.SampleRate == 0 {
		note("sample_rate", c.SampleRate, d.SampleRate)
		c.SampleRate = d.SampleRate
	}
	if c.PTPDomain > 127 {
		note("ptp_domain", c.PTPDomain, d.PTPDomain)
		c.PTPDomain = d.PTPDomain
	}
	if c.StreamerChannels < 2 || c.StreamerChannels > 16 {
		note("streamer_channels", c.StreamerChannels, d.StreamerChannels)
		c.StreamerChannels = d.StreamerChannels
	}
	if c.StreamerFilesNum < 4 || c.StreamerFilesNum > 16 {
		note("streamer_files_num", c.StreamerFilesNum, d.StreamerFilesNum)
		c.StreamerFilesNum = d.StreamerFilesNum
	}
	if c.StreamerFileDuration < 1 || c.StreamerFileDuration > 4 {
		note("streamer_file_duration", c.StreamerFileDuration, d.StreamerFileDuration)
		c.StreamerFileDuration = d.StreamerFileDuration
	}
	if c.StreamerPlayerBufferFilesNum < 1 || c.StreamerPlayerBufferFilesNum > 2 {
		note("streamer_player_buffer_files_num", c.StreamerPlayerBufferFilesNum, d.StreamerPlayerBufferFilesNum)
		c.StreamerPlayerBufferFilesNum = d.StreamerPlayerBufferFilesNum
	}
	for _, m := range []struct {
		name  string
		value *string
		or    string
	}{
		{"rtp_mcast_base", &c.RTPMulticastBase, d.RTPMulticastBase},
		{"rtp_mcast_base_sec", &c.RTPMulticastBaseSec, d.RTPMulticastBaseSec},
		{"sap_mcast_addr", &c.SAPMulticastAddress, d.SAPMulticastAddress},
	} {
		if a, err := netip.ParseAddr(*m.value); err != nil || !a.Is4() || !a.IsMulticast() {
			note(m.name, *m.value, m.or)
			*m.value = m.or
		}
	}
	return warnings
}
